# manual.bats: what is made of the command line's tables: the manual, the shells'
# completion.

bats_require_minimum_version 1.5.0

# Every command that does something, and its options, a line each: NAME: OPTION.
rows() {
	./zeroboot --help | sed -n 's/^  \([a-z ]*[a-z]\)  .*/\1/p' | while read -r command; do
		# shellcheck disable=SC2086
		./zeroboot $command --help | grep -oE '^  -[^ ]+( [^- ][^ ]*)?(, --[^ ]+)?|^  --[^ ]+' |
			grep -oE -- '(^|[ ,])-[A-Za-z-]+' | tr -d ' ,' | sed "s/^/$command: /"
	done
}

complete_words() {
	COMP_WORDS=(zeroboot "$@") COMP_CWORD=$#
	_zeroboot
}
# The words that bash offers for the last of the words given.
offered() {
	complete_words "$@"
	echo "${COMPREPLY[*]}"
}
offers() { # what, for which words
	local what=$1
	shift
	[ "$(offered "$@")" = "$what" ] || {
		echo "for $*: $(offered "$@"), not $what"
		return 1
	}
}

@test "manual: mandoc has nothing to say against it" {
	./zeroboot manual >"$BATS_TEST_TMPDIR/zeroboot.1"
	run mandoc -T lint "$BATS_TEST_TMPDIR/zeroboot.1"
	[ "$status" -eq 0 ]
	[ -z "$output" ]
}

@test "manual: every command and option, every variable, signal and exit code is in it" {
	./zeroboot manual | mandoc -T ascii | sed 's/.\x08//g' >"$BATS_TEST_TMPDIR/text"
	[ "$(rows | wc -l)" -gt 40 ]
	rows | grep -qx 'serve: --listen'
	rows | grep -qx 'exec: -t'
	rows | while IFS=: read -r command option; do
		grep -q "^ *zeroboot $command$" "$BATS_TEST_TMPDIR/text" # its heading
		[ "${option# }" = -h ] || [ "${option# }" = --help ] ||
			sed -n "/^   zeroboot $command$/,/^   zeroboot /p" "$BATS_TEST_TMPDIR/text" |
			grep -qE -- "^ +(-[a-zA-Z], )?${option# }( |,|$)" || {
			echo "$command $option"
			exit 1
		}
	done
	./zeroboot exec --help | sed '1,/^LANGUAGE is/d' | tr -s ' \n' '\n\n' | grep -v '^$' | while read -r word; do
		sed -n '/^   zeroboot exec$/,/^   zeroboot image/p' "$BATS_TEST_TMPDIR/text" | grep -qF -- "$word"
	done
	for variable in $(grep -oh 'getenv("[A-Z_]*")' ./*.c | sed 's/.*"\(.*\)".*/\1/' | sort -u); do
		grep -q "$variable" "$BATS_TEST_TMPDIR/text"
	done
	for signal in $(grep -oh 'sigaddset(.*, SIG[A-Z0-9]*)' server.c | sed 's/.*, \(.*\))/\1/' | grep -v SIGCHLD); do
		grep -q "$signal" "$BATS_TEST_TMPDIR/text"
	done
}

@test "completion: bash offers commands, options, words and files where they belong" {
	./zeroboot completion bash >"$BATS_TEST_TMPDIR/zeroboot"
	# shellcheck disable=SC1091
	source "$BATS_TEST_TMPDIR/zeroboot"
	complete -p zeroboot | grep -q -- '-F _zeroboot zeroboot'
	offers 'serve' se
	offers '--help' --h
	offers 'build info -h --help' image ''
	offers 'logfmt json' serve --log ''
	offers 'json' serve --log = j
	offers 'logfmt json' serve --log =
	offers '--max-queue' serve --listen :80 --max-q
	offers 'python py python3' exec -l p
	offers 'node nodejs' exec --trace --language = no
	offers '--language' exec -t 5 --l
	offers 'bash' completion b
	mkdir "$BATS_TEST_TMPDIR/place"
	cd "$BATS_TEST_TMPDIR/place"
	mkdir serves
	touch 'serve it.py' other.py
	offers 'serves' serve --templates s
	complete_words exec s
	[ "$(printf '%s\n' "${COMPREPLY[@]}" | sort)" = $'serve it.py\nserves' ]
	offers 'other.py' image build o
	offers 'other.py' image build -o o
	offers '' serve --max-queue ''
}

@test "completion: every option of every command is offered" {
	./zeroboot completion bash >"$BATS_TEST_TMPDIR/zeroboot"
	# shellcheck disable=SC1091
	source "$BATS_TEST_TMPDIR/zeroboot"
	rows | while IFS=: read -r command option; do
		# shellcheck disable=SC2086
		grep -qw -- "${option# }" <<<"$(offered $command -)" || {
			echo "$command $option"
			exit 1
		}
	done
}

@test "completion: zsh's is zsh, and has every option for _arguments" {
	./zeroboot completion zsh >"$BATS_TEST_TMPDIR/_zeroboot"
	zsh -n "$BATS_TEST_TMPDIR/_zeroboot"
	cat >"$BATS_TEST_TMPDIR/ask" <<-'ZSH'
		compdef() { }
		_arguments() { print -rl -- "$@" }
		_values() { print -rl -- "$@" }
		source $1
		shift
		words=(zeroboot "$@" '')
		CURRENT=$#words
		_zeroboot
	ZSH
	ask() { zsh -f "$BATS_TEST_TMPDIR/ask" "$BATS_TEST_TMPDIR/_zeroboot" "$@"; }
	ask | grep -q '^serve\[Answer'
	ask image | grep -q '^build\['
	ask image build | grep -q '^\*--output=\[.*\]:FILE:_files$'
	ask serve | grep -q '^\*--log=\[.*:(logfmt json)$'
	rows | sed 's/: .*//' | sort -u | while read -r command; do
		# shellcheck disable=SC2086
		ask $command >"$BATS_TEST_TMPDIR/specs"
		rows | sed -n "s/^$command: //p" | while read -r option; do
			grep -q -- "^\*$option[+=[]" "$BATS_TEST_TMPDIR/specs" || {
				echo "$command $option"
				exit 1
			}
		done
	done
}

@test "completion: another shell is wrong usage; a full disk is an error" {
	run ./zeroboot completion fish
	[ "$status" -eq 2 ]
	for command in 'completion zsh' 'completion bash' manual; do
		run bash -c "./zeroboot $command >/dev/full"
		[ "$status" -eq 1 ]
	done
}
