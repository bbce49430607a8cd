# options.bats: the command line's tables: help, forms of options, messages, exit codes.

bats_require_minimum_version 1.5.0

# Every command, a line each, as help has them.
commands() { ./zeroboot --help | sed -n 's/^  \([a-z ]*[a-z]\)  .*/\1/p'; }

# The command line $1 is wrong usage, and the message is $2.
refused() {
	run --separate-stderr bash -c "./zeroboot $1"
	[ "$status" -eq 2 ] && [ -z "$output" ] && [ "${stderr_lines[0]}" = "zeroboot: $2" ] || {
		echo "$1: $status: $stderr, not $2"
		return 1
	}
}

@test "options: every command and group has -h, --help and help, in 79 columns" {
	[ "$(commands | wc -l)" -ge 8 ]
	commands | grep -qx 'image build'
	{ commands && echo image && echo template && echo; } >"$BATS_TEST_TMPDIR/commands"
	while read -r command; do
		# shellcheck disable=SC2086
		./zeroboot $command --help >"$BATS_TEST_TMPDIR/help"
		grep -q "^usage: zeroboot ${command:-COMMAND}" "$BATS_TEST_TMPDIR/help"
		grep -q '^  -h, --help  ' "$BATS_TEST_TMPDIR/help"
		run ! grep -q '^.\{80\}' "$BATS_TEST_TMPDIR/help"
		# shellcheck disable=SC2086
		./zeroboot $command -h | cmp - "$BATS_TEST_TMPDIR/help"
		# shellcheck disable=SC2086
		./zeroboot help $command | cmp - "$BATS_TEST_TMPDIR/help"
	done <"$BATS_TEST_TMPDIR/commands"
}

@test "options: help comes before what is missing, and not into a full disk" {
	run ./zeroboot serve --max-queue 3 --help
	[ "$status" -eq 0 ]
	[[ "$output" == *"--max-queue N "*"(0 to 100000; 256)"* ]]
	run bash -c './zeroboot serve --help >/dev/full'
	[ "$status" -eq 1 ]
}

@test "options: what a command cannot print is an error with a line, also where stdout is closed" {
	root=$BATS_TEST_TMPDIR/root
	mkdir "$root"
	./zeroboot image build -o "$root.img" "$root"
	for command in --help --version 'serve --help' manual 'completion bash' 'completion zsh' doctor "image info -l $root.img"; do
		run bash -c "./zeroboot $command >/dev/full"
		[ "$status" -eq 1 ]
		[ "$output" = 'zeroboot: stdout: No space left on device' ]
		run bash -c "./zeroboot $command >&-"
		[ "$status" -eq 1 ]
		[ "$output" = 'zeroboot: stdout: Bad file descriptor' ]
	done
	run bash -c "./zeroboot image build -o $root.img $root >&-"
	[ "$status" -eq 0 ]
	[ -z "$output" ]
}

@test "options: a file that cannot be made is called as it was given" {
	cd "$BATS_TEST_TMPDIR"
	mkdir root
	run -1 "$OLDPWD/zeroboot" image build -o none/x.img root
	[ "$output" = 'zeroboot: none/x.img: No such file or directory' ]
	run -1 "$OLDPWD/zeroboot" pack -o none/box x.img
	[ "$output" = 'zeroboot: none/box: No such file or directory' ]
}

@test "options: where there are no templates both places are named; a template of another zeroboot, and what makes it anew" {
	cd "$BATS_TEST_TMPDIR"
	run -1 unshare -m bash -c 'mount -t tmpfs none /var/lib && exec "$@"' - "$OLDPWD/zeroboot" exec -c 1
	[ "$output" = 'zeroboot: no templates: neither ./templates nor /var/lib/zeroboot/templates is there (--templates DIR)' ]
	run -1 "$OLDPWD/zeroboot" exec --templates none -c 1
	[ "$output" = 'zeroboot: templates: none: No such file or directory' ]
	cp --sparse=always "$OLDPWD/templates/sh.zbt" .
	printf '\1' | dd of=sh.zbt bs=1 seek=8 conv=notrunc status=none
	run -1 "$OLDPWD/zeroboot" template info sh.zbt
	[[ "$output" == 'zeroboot: sh.zbt: template version 1, this zeroboot reads '*': zeroboot template build makes it anew' ]]
	run -1 "$OLDPWD/zeroboot" exec --templates . -l sh -c :
	[[ "$output" == 'zeroboot: ./sh.zbt: template version 1, this zeroboot reads '*': an image beside it would make one' ]]
}

@test "exec: what is too large is named" {
	truncate -s 33M "$BATS_TEST_TMPDIR/big"
	run -1 ./zeroboot exec -l sh -c : --file "$BATS_TEST_TMPDIR/big=big" </dev/null
	[ "$output" = "zeroboot: $BATS_TEST_TMPDIR/big: more than 32 MiB of code, standard input and files" ]
	run -1 bash -c './zeroboot exec -l sh -c : <"$1"' - "$BATS_TEST_TMPDIR/big"
	[ "$output" = 'zeroboot: stdin: more than 32 MiB of code, standard input and files' ]
}

@test "serve: a name that cannot be found is no address" {
	run -1 ./zeroboot serve --templates templates --listen no-such-name.invalid:0
	[[ "$output" == *'listen: no-such-name.invalid:0: not an address of this machine, nor a name that can be found'* ]]
}

@test "options: wrong usage ends with 2 and a line that says what and why" {
	refused '' "a command is missing: zeroboot COMMAND [OPTION]..."
	refused '--' "--: wants a command in front of it (see zeroboot --help)"
	refused 'image' "a command is missing: zeroboot image COMMAND [OPTION]..."
	refused 'image --' "a command is missing: zeroboot image COMMAND [OPTION]..."
	refused 'image frob' "frob: unknown command (see zeroboot image --help)"
	refused 'image build x' "something is missing: zeroboot image build -o FILE DIR|TAR|-"
	refused 'template info' "something is missing: zeroboot template info FILE"
	refused 'template info a b' "b: is one too many (see zeroboot template info --help)"
	refused 'serve x' "x: is one too many (see zeroboot serve --help)"
	refused 'serve --nope' "--nope: unknown option (see zeroboot serve --help)"
	refused 'serve -x' "-x: unknown option (see zeroboot serve --help)"
	refused 'serve --listen' "--listen: needs a value (see zeroboot serve --help)"
	refused 'serve --fresh=1' "--fresh: takes no value (see zeroboot serve --help)"
	refused 'serve --log=xml' "--log: wants logfmt or json (see zeroboot serve --help)"
	refused 'serve --max-queue -1' "--max-queue: -1 is not a whole number from 0 to 100000 (see zeroboot serve --help)"
	refused 'serve --max-queue=' "--max-queue:  is not a whole number from 0 to 100000 (see zeroboot serve --help)"
	refused 'exec -t 1s' "-t: 1s is not a whole number from 1 to 300 (see zeroboot exec --help)"
	refused 'exec --timeout=99999999999999999999' \
		"--timeout: 99999999999999999999 is not a whole number from 1 to 300 (see zeroboot exec --help)"
	refused 'exec --env X -c 1' "--env: X: not NAME=VALUE (see zeroboot exec --help)"
	refused 'exec --file X -c 1' "--file: X: not HOST=GUEST (see zeroboot exec --help)"
	refused 'exec --file /etc/passwd=../x -c 1' "--file: ../x: a path with \"..\" (see zeroboot exec --help)"
	refused 'exec --output a/../b -c 1' "--output: a/../b: a path with \"..\" (see zeroboot exec --help)"
	refused 'serve $(printf -- "--listen :0 %.0s" {1..17})' "--listen: too many addresses (see zeroboot serve --help)"
}

@test "options: --name VALUE, --name=VALUE, -l VALUE, -lVALUE are the same; behind operands, too" {
	root=$BATS_TEST_TMPDIR/root
	mkdir -p "$root/bin"
	for form in "-o $root.1" "-o$root.1" "--output $root.1" "--output=$root.1"; do
		# shellcheck disable=SC2086
		./zeroboot image build $form "$root"
		# shellcheck disable=SC2086
		./zeroboot image build "$root" $form
		./zeroboot image info --list "$root.1" >"$BATS_TEST_TMPDIR/list"
		./zeroboot image info "$root.1" -l | cmp - "$BATS_TEST_TMPDIR/list"
		rm "$root.1"
	done
	cd "$BATS_TEST_TMPDIR"
	"$OLDPWD/zeroboot" image build -o dash.img -- root
	mv root -- -root
	"$OLDPWD/zeroboot" image build -o dash.img -- -root
}

@test "options: a program's arguments are its own" {
	mkdir -p "$BATS_TEST_TMPDIR/root/bin"
	gcc -static -o "$BATS_TEST_TMPDIR/root/bin/say" -x c - <<-'C'
		#include <stdio.h>
		int main(int argc, char **argv)
		{
			for (int i = 1; i < argc; i++)
				printf("[%s]", argv[i]);
			return 3;
		}
	C
	./zeroboot image build -o "$BATS_TEST_TMPDIR/i" "$BATS_TEST_TMPDIR/root"
	run ./zeroboot run --memory=64 "$BATS_TEST_TMPDIR/i" /bin/say --help -t x -- --memory=1
	[ "$status" -eq 3 ]
	[ "$output" = "[--help][-t][x][--][--memory=1]" ]
}

@test "exec: a file's name says its language, -l says it better; -c has code itself" {
	cd "$BATS_TEST_TMPDIR"
	templates=(--templates "$OLDPWD/templates")
	zeroboot=$OLDPWD/zeroboot
	echo 'console.log(typeof require)' | tee a.js a.py >a.cjs
	echo 'import os from "os"; console.log(typeof os.EOL)' >a.mjs
	echo 'echo $((6 * 7))' >./a.py.sh
	echo 'print("python", end="")' | tee no-ending >a.py
	[ "$("$zeroboot" exec "${templates[@]}" a.js)" = function ]
	[ "$("$zeroboot" exec "${templates[@]}" a.cjs)" = function ]
	[ "$("$zeroboot" exec "${templates[@]}" a.mjs)" = string ]
	[ "$("$zeroboot" exec "${templates[@]}" ./a.py.sh)" = 42 ]
	[ "$("$zeroboot" exec "${templates[@]}" a.py)" = python ]
	[ "$("$zeroboot" exec "${templates[@]}" no-ending)" = python ]
	cp a.py a.js
	[ "$("$zeroboot" exec "${templates[@]}" -l python a.js)" = python ]
	[ "$("$zeroboot" exec "${templates[@]}" -lpy a.js)" = python ]
	[ "$("$zeroboot" exec "${templates[@]}" -c 'print(6 * 7)')" = 42 ]
	[ "$("$zeroboot" exec "${templates[@]}" --language=js --code='console.log(6 * 7)')" = 42 ]
}
