#!/usr/bin/env bash
# Builds libFuzzer targets into a directory: build.sh DIR [TARGET...]
set -euo pipefail
cd "$(dirname "$0")/../.."
out=$1
shift
[ $# -gt 0 ] || set -- http json request mcp answer auth shared template image inflate tar member worker delta box
mkdir -p "$out"
target() { # name source...
	local name=$1
	shift
	clang -std=c11 -D_GNU_SOURCE -g -O2 -Wall -Wextra -Werror \
		-Wno-gnu-variable-sized-type-not-at-end -I. -fno-sanitize-recover=all \
		-fsanitize=fuzzer,address,undefined -o "$out/$name" "tests/fuzz/${name}_fuzz.c" "$@"
}
for name in "$@"; do
	case $name in
	http) target http http.c ;;
	answer) target answer answer.c results.c content.c base64.c protocol.c job.c state.c discard.c buffer.c parts.c loop.c clock.c id.c random.c http.c json.c text.c err.c ;;
	json) target json json.c text.c err.c ;;
	request) target request request.c field.c content.c base64.c job.c state.c parts.c discard.c buffer.c loop.c clock.c protocol.c http.c json.c text.c err.c ;;
	mcp) target mcp mcp.c mcp_tools.c mcp_result.c pieces.c request.c field.c results.c content.c base64.c parts.c protocol.c job.c state.c discard.c buffer.c loop.c clock.c id.c random.c http.c \
		json.c text.c err.c ;;
	auth) target auth auth.c sha256.c json.c text.c err.c ;;
	shared) target shared vmm.c vmm_run.c control.c random.c protocol.c cpu.c rate.c err.c -Dioctl=fake_ioctl -Dwrite=fake_write -Dpoll=fake_poll -Dppoll=fake_ppoll \
		-Dtimer_create=fake_timer_create -Dtimer_settime=fake_timer_settime ;;
	template) target template snapshot.c delta.c delta_pages.c delta_registers.c lines.c base.c image.c image_file.c box.c cache.c image_find.c stream.c store.c inflate.c tables.c recycle.c file.c clock.c crc32c.c sha256.c cpu.c err.c ;;
	image) target image image_file.c box.c cache.c clock.c crc32c.c stream.c store.c file.c err.c ;;
	member) target member channel.c member.c state.c parts.c protocol.c buffer.c discard.c loop.c clock.c -Drecv=fake_recv -Dsendmsg=fake_sendmsg ;;
	worker) target worker worker.c account.c errand.c letter.c inbox.c outbox.c rings.c protocol.c proc.c err.c -Drecv=fake_recv -Dsendmsg=fake_sendmsg -Dpoll=fake_poll -Dmalloc=fake_malloc \
		-Dopen=fake_open -Dsignal=fake_signal -Dsigprocmask=fake_sigprocmask ;;
	delta) target delta delta.c delta_pages.c delta_registers.c lines.c tables.c crc32c.c err.c ;;
	box) target box defaults.c crc32c.c file.c err.c ;;
	inflate) target inflate inflate.c ;;
	tar) target tar tar.c pax.c unpack.c tree.c random.c store.c stream.c inflate.c progress.c file.c clock.c err.c ;;
	esac
done
