# cli.bats: the command line: exit codes, messages, damaged files.

bats_require_minimum_version 1.5.0

setup() { server=; }
teardown() { [ -z "$server" ] || kill -9 "$server" 2>/dev/null || true; }

@test "cli: no command, an unknown one and a wrong flag end with 2" {
	run ./zeroboot
	[ "$status" -eq 2 ]
	run ./zeroboot frobnicate
	[ "$status" -eq 2 ]
	[[ "$output" == "zeroboot: frobnicate: unknown command"* ]]
	run ./zeroboot serve --nope
	[ "$status" -eq 2 ]
	run ./zeroboot serve --workers many
	[ "$status" -eq 2 ]
}

@test "cli: exec gives the program's streams and exit code" {
	run --separate-stderr ./zeroboot exec - <<<'import sys; print("out"); print("err", file=sys.stderr); sys.exit(7)'
	[ "$status" -eq 7 ]
	[ "$output" = out ]
	[ "$stderr" = err ]
}

@test "cli: exec ends with 124 after its timeout" {
	run ./zeroboot exec -t 1 - <<<'while True: pass'
	[ "$status" -eq 124 ]
}

@test "cli: no template is one line and exit code 1" {
	run ./zeroboot serve --listen 127.0.0.1:0 --templates "$BATS_TEST_TMPDIR"
	[ "$status" -eq 1 ]
	[[ "$output" == *"no *.img and no *.zbt in it"* ]]
}

@test "cli: a template whose name cannot be a language is refused" {
	touch "$BATS_TEST_TMPDIR/a \"b.zbt"
	run ./zeroboot serve --listen 127.0.0.1:0 --templates "$BATS_TEST_TMPDIR"
	[ "$status" -eq 1 ]
	[[ "$output" == *"other characters in the name"* ]]
}

@test "template: info shows what is in it" {
	run ./zeroboot template info templates/python.zbt
	[ "$status" -eq 0 ]
	[[ "$output" == *"memory       256 MiB"* ]]
}

@test "template: a damaged, foreign, cut or too new file is refused with a reason" {
	copy=$BATS_TEST_TMPDIR/python.zbt
	change() { # offset byte
		cp templates/python.zbt "$copy"
		printf "\\x$2" | dd of="$copy" bs=1 seek="$1" conv=notrunc status=none
	}
	change 0 00
	run ./zeroboot template info "$copy"
	[ "$status" -eq 1 ]
	[[ "$output" == *"not a zeroboot template"* ]]
	change 8 09
	run ./zeroboot template info "$copy"
	[[ "$output" == *"template version 9"* ]]
	change 60 5a # the head
	run ./zeroboot template info "$copy"
	[[ "$output" == *"wrong checksum"* ]]
	change 4200 5a # the CPU's state
	run ./zeroboot template info "$copy"
	[[ "$output" == *"wrong checksum"* ]]
	cp templates/python.zbt "$copy"
	truncate -s -4096 "$copy"
	run ./zeroboot template info "$copy"
	[[ "$output" == *"damaged"* ]]
}

@test "template: an interpreter that the agent is not made for is refused" {
	cp -al build/python-root "$BATS_TEST_TMPDIR/root"
	echo 'import sys; sys.version_info = (3, 13, 0, "final", 0)' \
		>"$BATS_TEST_TMPDIR/root/usr/lib/python3/dist-packages/other.pth"
	./zeroboot image build -o "$BATS_TEST_TMPDIR/i.img" "$BATS_TEST_TMPDIR/root"
	run ./zeroboot template build -o "$BATS_TEST_TMPDIR/t.zbt" "$BATS_TEST_TMPDIR/i.img"
	[ "$status" -eq 1 ]
	grep -q 'made for CPython 3.11, not for cpython 3.13' <<<"$output"
	[ ! -e "$BATS_TEST_TMPDIR/t.zbt" ]
}

@test "image: a missing, a damaged and a wrong image are refused" {
	run ./zeroboot image build -o "$BATS_TEST_TMPDIR/i" /nonexistent
	[ "$status" -eq 1 ]
	cp build/tests/guest.img "$BATS_TEST_TMPDIR/i"
	tables=$(od -An -tu8 -j24 -N8 "$BATS_TEST_TMPDIR/i")
	printf 'xxxx' | dd of="$BATS_TEST_TMPDIR/i" bs=1 seek=$((tables + 500)) conv=notrunc status=none
	run ./zeroboot run "$BATS_TEST_TMPDIR/i" /bin/missing
	[ "$status" -eq 1 ]
	[[ "$output" == *"/i: image damaged: wrong checksum" ]]
	run ./zeroboot run tests/cli.bats /bin/missing
	[ "$status" -eq 1 ]
	[[ "$output" == *"tests/cli.bats: not a zeroboot image" ]]
	run -127 ./zeroboot run build/tests/guest.img /bin/nothing
	[ "$status" -eq 127 ]
}

@test "image: a tar packs as the directory it holds; a cut one is refused" {
	tar -cf "$BATS_TEST_TMPDIR/t.tar" -C build/tests/root .
	./zeroboot image build -o "$BATS_TEST_TMPDIR/t.img" "$BATS_TEST_TMPDIR/t.tar"
	run ./zeroboot run -t 120 "$BATS_TEST_TMPDIR/t.img" /bin/missing
	[ "$status" -eq 0 ]
	[[ "$output" == *"ENOSYS ENOSYS"* ]]
	head -c 100000 "$BATS_TEST_TMPDIR/t.tar" >"$BATS_TEST_TMPDIR/cut.tar"
	run ./zeroboot image build -o "$BATS_TEST_TMPDIR/cut.img" "$BATS_TEST_TMPDIR/cut.tar"
	[ "$status" -eq 1 ]
	[[ "$output" == *"cut.tar: "*": cut in the middle of its content" ]]
	[ ! -e "$BATS_TEST_TMPDIR/cut.img" ]
	[ "$(find "$BATS_TEST_TMPDIR" -name 'cut.img*' | wc -l)" = 0 ]
}

@test "image: an empty directory packs; a tar whose name looks like a host's is a file" {
	mkdir -p "$BATS_TEST_TMPDIR/none"
	./zeroboot image build -o "$BATS_TEST_TMPDIR/none.img" "$BATS_TEST_TMPDIR/none"
	cd "$BATS_TEST_TMPDIR"
	tar -cf host:t.tar --force-local none
	"$BATS_TEST_DIRNAME/../zeroboot" image build -o t.img host:t.tar
}

@test "image: a file that no image can hold is refused by its name" {
	truncate -s 4T "$BATS_TEST_TMPDIR/huge"
	run ./zeroboot image build -o "$BATS_TEST_TMPDIR/huge.img" "$BATS_TEST_TMPDIR"
	[ "$status" -eq 1 ]
	[[ "$output" == *"/huge: too large" ]]
}

@test "cli: nothing needs /dev/null, and closed standard streams are taken by nothing else" {
	# a command that is run with nothing in /dev but kvm
	without_dev=(unshare -m sh -c 'mkdir -p "$0" && mount -t tmpfs none "$0" && mknod -m 666 "$0/kvm" c 10 232 &&
		mount --move "$0" /dev && [ "$(ls /dev)" = kvm ] && exec "$@"' "$BATS_TEST_TMPDIR/dev")
	[ "$("${without_dev[@]}" ./zeroboot --version)" = "$(./zeroboot --version)" ]
	[ "$("${without_dev[@]}" ./zeroboot exec -l sh <<<'echo $((6 * 7))')" = 42 ]
	mkdir -p "$BATS_TEST_TMPDIR/root/bin"
	"${without_dev[@]}" ./zeroboot image build -o "$BATS_TEST_TMPDIR/i" "$BATS_TEST_TMPDIR/root"
	"${without_dev[@]}" ./zeroboot template info templates/sh.zbt >"$BATS_TEST_TMPDIR/info"
	"${without_dev[@]}" ./zeroboot bench -l sh -n 2 >"$BATS_TEST_TMPDIR/bench"
	[ "$("${without_dev[@]}" ./zeroboot run build/tests/guest.img /bin/pipe)" = "$(./zeroboot run build/tests/guest.img /bin/pipe)" ]
	for closed in '<&-' '>&-' '2>&-' '<&- >&-' '<&- 2>&-' '>&- 2>&-' '<&- >&- 2>&-'; do
		"${without_dev[@]}" bash -c "exec ./zeroboot template info templates/sh.zbt $closed" >"$BATS_TEST_TMPDIR/out" </dev/null || true
		[[ "$closed" == *' >&-'* ]] || [[ "$closed" == '>&-'* ]] || diff "$BATS_TEST_TMPDIR/info" "$BATS_TEST_TMPDIR/out"
		"${without_dev[@]}" bash -c "exec ./zeroboot serve --workers 1 --listen unix:$BATS_TEST_TMPDIR/s --templates templates $closed" \
			>"$BATS_TEST_TMPDIR/log" 2>&1 </dev/null 3>&- &
		server=$!
		for _ in $(seq 2400); do
			curl -sf --unix-socket "$BATS_TEST_TMPDIR/s" http://a/v1/exec -d '{"code":"print(6 * 7)"}' >"$BATS_TEST_TMPDIR/answer" && break
			kill -0 $server
			sleep 0.05
		done
		kill $server
		wait $server
		grep -q '"stdout":"42' "$BATS_TEST_TMPDIR/answer"
		rm "$BATS_TEST_TMPDIR/answer"
	done
}

@test "exec: standard input, arguments and environment are the program's" {
	cd "$BATS_TEST_TMPDIR"
	zeroboot=$BATS_TEST_DIRNAME/../zeroboot templates=$BATS_TEST_DIRNAME/../templates
	echo 'import sys, os; print(sys.argv[1:], os.environ["A"], sys.stdin.read())' >p.py
	[ "$(printf in | "$zeroboot" exec --templates "$templates" --env A=x=y p.py -l 'b c')" = "['-l', 'b c'] x=y in" ]
	[ "$(printf in | "$zeroboot" exec --templates "$templates" -l sh -c 'echo "$1 $#"; cat' 1 2)" = "1 2"$'\n'in ]
	[ "$("$zeroboot" exec --templates "$templates" -c 'import sys; print(sys.argv[1:], sys.stdin.read())' - x </dev/null)" = "['-', 'x'] " ]
	[ "$("$zeroboot" exec --templates "$templates" - x y <<<'import sys; print(sys.argv[1:], sys.stdin.read())')" = "['x', 'y'] " ]
}

@test "exec: a pattern does not mean what was sent, unless the program has changed it" {
	cd "$BATS_TEST_TMPDIR"
	exec() { "$BATS_TEST_DIRNAME/../zeroboot" exec --templates "$BATS_TEST_DIRNAME/../templates" "$@" </dev/null; }
	echo mine | tee main.sh main.py data other >/dev/null
	chmod 700 other
	exec --file data=data --file other=sub/other --output '*' --output '**/*' -l sh -c 'echo 1 >new; echo 2 >other'
	[ "$(cat main.sh data new other)" = $'mine\nmine\n1\n2' ]
	[ ! -e sub ]
	[ "$(stat -c %a other)" = 700 ]
	exec --output '/app/*' --output './main.*' -c 'print()'
	[ "$(cat main.py)" = mine ]
	[ ! -e app ]
	exec --output '*.py' -c 'open("main.py", "a").write("#")'
	[ "$(cat main.py)" = 'open("main.py", "a").write("#")#' ]
	exec --output main.sh -l sh -c 'echo'
	[ "$(cat main.sh)" = echo ]
	[ "$(ls -A)" = $'data\nmain.py\nmain.sh\nnew\nother' ]
}

@test "exec, images: a full disk is an error that leaves nothing cut, and no signal" {
	[ "$(id -u)" -eq 0 ] || skip "mounts need root"
	cd "$BATS_TEST_TMPDIR"
	mkdir full images
	mount_here() { # size command...
		unshare -m bash -c 'mount -t tmpfs -o size="$1" none full && shift && "$@"' bash "$@"
	}
	export zeroboot=$BATS_TEST_DIRNAME/../zeroboot templates
	templates=$(realpath "$BATS_TEST_DIRNAME/../templates")
	# shellcheck disable=SC2016
	run -1 mount_here 1m bash -c 'cd full; echo mine >big
		"$zeroboot" exec --templates "$templates" --output "*" -l sh -c "head -c 3000000 /dev/zero >big; head -c 3000000 /dev/zero >new" </dev/null
		r=$?; ls -A; cat big; exit $r'
	[[ "$output" == "zeroboot: "*": No space left on device"*$'\nbig\nmine' ]]
	# Holes take room when they are read.
	# shellcheck disable=SC2016
	run -1 mount_here 60m bash -c 'cp --sparse=always "$templates/sh.img" full; cat /dev/zero >full/rest
		"$zeroboot" exec --templates full -l sh -c "echo no" </dev/null'
	[[ "$output" == *"zeroboot: full/sh.img: its file system is full, and some of it is holes"* ]]
}

@test "cli: 2 is wrong usage, 1 is what failed, and both say what there is" {
	run -1 ./zeroboot exec -l cobol -c 1 </dev/null
	[[ "$output" == "zeroboot: cobol: no such language: templates has "*python* ]]
	run -1 ./zeroboot bench -l cobol
	[[ "$output" == "zeroboot: cobol: no such language: "* ]]
	run -1 ./zeroboot exec --file /nowhere=x -c 1 </dev/null
	[ "$output" = "zeroboot: /nowhere: No such file or directory" ]
	run -2 ./zeroboot exec --file /nowhere -c 1 </dev/null
	run -2 ./zeroboot exec --file /etc/passwd=../x -c 1 </dev/null
	run -2 ./zeroboot serve --listen 127.0.0.1
	[[ "$output" == "zeroboot: --listen: 127.0.0.1: not ADDR:PORT"* ]]
	echo junk >"$BATS_TEST_TMPDIR/python.img"
	run -1 ./zeroboot exec --templates "$BATS_TEST_TMPDIR" -c 1 </dev/null
	[ "$output" = "zeroboot: $BATS_TEST_TMPDIR/python.img: not a zeroboot image" ]
	run -0 ./zeroboot exec --help
	[[ "$output" == *"At most 4 MiB of code"* ]]
}

@test "exec, bench: a file's name says its language; --stats counts the run" {
	echo 'console.log(typeof process)' >"$BATS_TEST_TMPDIR/x.js"
	ln -s "$PWD"/templates/node.* "$BATS_TEST_TMPDIR"
	run -0 ./zeroboot bench -n 1 --templates "$BATS_TEST_TMPDIR" "$BATS_TEST_TMPDIR/x.js"
	run -1 ./zeroboot bench -n 1 --templates "$BATS_TEST_TMPDIR"
	[[ "$output" == "zeroboot: python: no such language: "*"has node" ]]
	run -0 --separate-stderr ./zeroboot exec --stats -c 'print(1)' </dev/null
	[[ "$stderr" =~ ", "([0-9]+)" system calls" ]]
	[ "${BASH_REMATCH[1]}" -lt 100 ]
}

@test "exec: arguments and variables are bounded as a request's" {
	long=$(printf %131000s)
	run -1 ./zeroboot exec -l sh -c 'echo no' "$long" --env "A=$(printf %69s)" </dev/null
	[ "$output" = "zeroboot: more than 1024 arguments and variables, or than 128 KiB of them" ]
	run -1 ./zeroboot exec -l sh -c 'echo no' $(seq 1025) </dev/null
	[[ "$output" == *"more than 1024 arguments"* ]]
	run -0 ./zeroboot exec -l sh --env "A=$(printf %68s)" -c 'echo $# ${#1} ${#A}' "$long" </dev/null
	[ "$output" = "1 131000 68" ]
}

@test "exec: files go in and come out, bytes as they are" {
	cd "$BATS_TEST_TMPDIR"
	zeroboot=$BATS_TEST_DIRNAME/../zeroboot templates=$BATS_TEST_DIRNAME/../templates
	head -c 300000 /dev/urandom >in
	run ! "$zeroboot" exec --templates "$templates" --file in=d/in --file p=p -c 1
	printf text >p
	"$zeroboot" exec --templates "$templates" --file in=d/in --file p=p --output 'out/**' --output none -l sh \
		-c 'mkdir -p out/x; cp d/in out/x/copy; cp p out' </dev/null
	cmp in out/x/copy
	[ "$(cat out/p)" = text ]
	ln -s /nowhere/at/all link
	run "$zeroboot" exec --templates "$templates" --output link -l sh -c 'echo 1 >link' </dev/null
	[ "$status" -eq 1 ]
	[[ "$output" == "zeroboot: link: "* ]]
	mkdir elsewhere
	ln -s elsewhere away
	run "$zeroboot" exec --templates "$templates" --output 'away/*' -l sh -c 'mkdir away; echo 1 >away/x' </dev/null
	[ "$status" -eq 1 ]
	[ -z "$(ls elsewhere)" ]
	"$zeroboot" exec --templates "$templates" --output './a/*/?.txt' --output '**/deep' -l sh \
		-c 'mkdir -p a/b c/d; echo 1 | tee a/b/ä.txt a/b/xx.txt c/d/deep deep' </dev/null
	[ "$(find a c deep -type f | LC_ALL=C sort | xargs)" = 'a/b/ä.txt c/d/deep deep' ]
	run "$zeroboot" exec --templates "$templates" --file p=/etc -c 1 </dev/null
	[ "$status" -eq 1 ]
	[ "$output" = "zeroboot: files: /etc: is a directory" ]
}

@test "exec, run: what cannot be written to stdout is an error" {
	run sh -c './zeroboot exec -l sh -c "echo lost" </dev/null >/dev/full'
	[ "$status" -eq 1 ]
	[[ "$output" == "zeroboot: stdout: No space left on device"* ]]
	run sh -c './zeroboot exec -l sh -c "echo lost" </dev/null >&-'
	[ "$status" -eq 1 ]
	[[ "$output" == "zeroboot: stdout: Bad file descriptor"* ]]
	run sh -c './zeroboot exec -l sh -c : </dev/null >&-'
	[ "$status" -eq 0 ]
}
