# programs.bats: programs of other people say the same natively and in the guest.
# Not a part of `make test`: `make programs`.

setup_file() { tests/programs/build.sh; }

# same IMAGE ROOT PROGRAM ARGUMENT...
same() {
	local image=$1 root=$2 native guest native_status=0 guest_status=0
	shift 2
	native=$(build/programs/launch "build/programs/$root" / "$@" 2>&1 </dev/null 3>&- 4>&-) || native_status=$?
	guest=$(./zeroboot run --memory 1024 -t 280 "build/programs/$image.img" "$@" 2>&1) || guest_status=$?
	[ -n "$native" ]
	diff <(echo "$native") <(echo "$guest")
	[ "$native_status" -eq "$guest_status" ]
}

debian() { same debian root "$@"; }
node() { same node node-root "$@"; }

@test "programs: git" { debian /bin/sh /tests/git.sh; }
@test "programs: gcc and make" { debian /bin/sh /tests/gcc.sh; }
@test "programs: pytest with a plugin that starts a server" { debian /bin/bash /tests/pytest.sh; }
@test "programs: pip installs a wheel" { debian /bin/sh /tests/pip.sh; }
@test "programs: joblib with two jobs" { debian /usr/bin/python3 /tests/jobs.py; }
@test "programs: bash, less and vim at a terminal" { debian /usr/bin/expect /tests/terminal.exp; }
@test "programs: tmux" { debian /bin/bash /tests/tmux.sh; }
@test "programs: an HTTP server and clients in Go" { debian /usr/bin/go-server; }
@test "programs: esbuild" { node /bin/sh /tests/esbuild.sh; }
@test "programs: express" { node /usr/bin/node /tests/express.js; }
@test "programs: ws" { node /usr/bin/node /tests/ws.js; }
