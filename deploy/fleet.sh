#!/bin/sh
# Installs zeroboot on hosts over ssh, one after the other. A host is left when its
# server is healthy; the first that does not become so ends it all, and the hosts
# behind it stay as they were.
set -eu

here=$(dirname "$0")
binary=$here/../zeroboot
unit=$here/zeroboot.service
# As installed, in PREFIX/share/doc/zeroboot/deploy.
[ -e "$binary" ] || binary=$here/../../../../bin/zeroboot
ssh='ssh -o BatchMode=yes -o ConnectTimeout=10 -o LogLevel=ERROR'
restart='systemctl daemon-reload && systemctl enable -q zeroboot && systemctl restart zeroboot'
address=127.0.0.1:8080
patience=120
pause=5
files=
options=
host=

# On the hosts.
bin=/usr/local/bin/zeroboot
templates=/var/lib/zeroboot/templates
units=/etc/systemd/system

usage() {
	cat <<END
fleet.sh [OPTION...] HOST...: installs zeroboot on hosts, one after the other

-b FILE       the binary ($binary)
-t FILE       a template or an image, once for each (all of $here/../templates)
-o OPTIONS    what serve is given on the hosts, as '--listen :8080 --workers 2:16'
-u FILE       the systemd unit ($unit); -u '' for none
-r COMMAND    starts the server anew ($restart)
-a ADDR:PORT  where it serves, seen from its host ($address)
-w SECONDS    how long a host may take to become healthy ($patience)
-p SECONDS    pause between hosts, for load balancers to see that one is back ($pause)
-s COMMAND    the command of OpenSSH ($ssh)

A host needs sshd, a POSIX shell, /dev/kvm, and root or sudo without a password.
Exit codes: 0 all hosts are healthy, 1 one is not, 2 wrong usage.
END
}

say() {
	echo "fleet: $*" >&2
}

wrong() {
	say "$* (see fleet.sh -h)"
	exit 2
}

plain() { # WHAT VALUE: it goes into commands as it is
	case $2 in
	'' | -* | *[!A-Za-z0-9_./:@%+,=-]*) wrong "$1 '$2' is no plain name" ;;
	esac
}

number() { # WHAT VALUE
	case $2 in
	'' | *[!0-9]* | ???????*) wrong "$1 '$2' is no number" ;;
	esac
}

# ---- one host ----
# Its name is in $host, what is wrong with it in $problem when a function fails.

at() { # COMMAND: there, as root; standard input is passed on
	# shellcheck disable=SC2029,SC2086
	$ssh "$host" "if [ \$(id -u) = 0 ]; then sh -c '$1'; else sudo -n sh -c '$1'; fi" 2>"$scratch/said"
}

said() {
	tr -s '\r\n' '  ' <"$scratch/said"
}

fit_for_it() {
	# shellcheck disable=SC2016
	problem=$(at '[ "$(uname -sm)" = "Linux x86_64" ] || echo it is no Linux x86_64
		[ -c /dev/kvm ] || echo it has no /dev/kvm' </dev/null) || problem=$(said)
	[ -z "$problem" ]
}

# What is there already is not sent. What is sent lies beside its place until all of
# it has arrived whole.
send() { # FILE PLACE
	sum=$(cksum <"$1")
	there=$(at "mkdir -p ${2%/*} && rm -f $2.new && if [ -e $2 ]; then cksum <$2; fi" </dev/null) || {
		problem="cannot write to ${2%/*}: $(said)"
		return 1
	}
	[ "$sum" != "$there" ] || return 0
	there=$(at "umask 022; cat >$2.new && cksum <$2.new" <"$1") || there=
	[ "$sum" = "$there" ] || {
		problem="$2 did not arrive whole: $(said)"
		return 1
	}
	moves="$moves mv -f $2.new $2;"
}

send_all() {
	moves=
	send "$binary" $bin || return 1
	for file in $files; do
		send "$file" "$templates/${file##*/}" || return 1
	done
	[ -z "$unit" ] || send "$unit" $units/zeroboot.service || return 1
	[ -z "$options" ] || send "$scratch/options" $units/zeroboot.service.d/options.conf
}

# The binary must run there before it takes the place of the old one, which is kept.
# A server that sees templates of another version makes them anew after three
# seconds: it is ended before that.
start() {
	at "if [ -e $bin.new ]; then chmod 755 $bin.new && $bin.new --version; fi" >"$scratch/version" </dev/null || {
		problem="the binary does not run: $(said)"
		return 1
	}
	at "set -e; if [ -e $bin.new ] && [ -e $bin ]; then ln -f $bin $bin.old; fi; $moves $restart" >&2 </dev/null || {
		problem="it does not start: $(said)"
		return 1
	}
}

# Nothing but the server is asked to be there: sshd makes the connection. A second
# is for the answer, and the pause between two attempts.
healthy() {
	# shellcheck disable=SC2086
	problem=$({
		printf 'GET /v1/health HTTP/1.0\r\n\r\n'
		sleep 1
	} | $ssh -W "$address" "$host" 2>"$scratch/said" | tr -d '\r')
	case $problem in
	"HTTP/1.1 200 "*) return 0 ;;
	'') problem="nothing answers at $address" ;;
	*) problem=$(echo "$problem" | tail -n 1) ;;
	esac
	return 1
}

becomes_healthy() {
	end=$(($(date +%s) + patience))
	until healthy; do
		[ "$(date +%s)" -lt "$end" ] || {
			problem="not healthy after $patience s: $problem"
			return 1
		}
	done
}

hang_up() {
	# shellcheck disable=SC2086
	$ssh -O exit "$host" 2>/dev/null || true
}

# ---- all of them ----

leave() {
	[ -z "$host" ] || hang_up
	rm -rf "$scratch"
}

while getopts b:t:o:u:r:a:w:p:s:h option; do
	case $option in
	b) binary=$OPTARG ;;
	t) plain 'the file' "$OPTARG" && files="$files $OPTARG" ;;
	o) options=$OPTARG ;;
	u) unit=$OPTARG ;;
	r) restart=$OPTARG ;;
	a) plain 'the address' "$OPTARG" && address=$OPTARG ;;
	w) number 'the patience' "$OPTARG" && patience=$OPTARG ;;
	p) number 'the pause' "$OPTARG" && pause=$OPTARG ;;
	s) ssh=$OPTARG ;;
	h)
		usage
		exit 0
		;;
	*) wrong "unknown option" ;;
	esac
done
shift $((OPTIND - 1))
[ $# -gt 0 ] || wrong "no host"
[ -n "$files" ] || files=$(ls -d "$here"/../templates/*.zbt "$here"/../templates/*.img 2>/dev/null || true)
for file in "$binary" $files $unit; do
	[ -f "$file" ] || wrong "there is no file $file"
done
for host; do
	plain 'the host' "$host"
done
case $restart$options in
*"'"*) wrong "a ' cannot be passed on" ;;
esac

# One connection to a host for all of its commands.
scratch=$(mktemp -d)
trap leave EXIT
trap 'exit 1' HUP INT TERM
ssh="$ssh -o ControlMaster=auto -o ControlPath=$scratch/%C -o ControlPersist=60"
printf '[Service]\nExecStart=\nExecStart=%s serve %s\n' "$bin" "$options" >"$scratch/options"

count=$#
while [ $# -gt 0 ]; do
	host=$1
	say "$host: installing"
	shift
	if ! { fit_for_it && send_all && start && becomes_healthy; }; then
		say "$host: $problem"
		[ $# -eq 0 ] || say "left as they were: $*"
		exit 1
	fi
	say "$host: healthy"
	hang_up
	[ $# -eq 0 ] || sleep "$pause"
done
say "$count hosts are healthy"
