"""What tests/execs.py has sh do: by name, with a session of its own each."""
from exec_session import EXIT, interrupted, same, says


def forks(s):
    says(s, "RANDOM=42; a=$RANDOM; RANDOM=42; b=$RANDOM; RANDOM=42; [ $a = $b ] && echo same", out="same\n")
    s.order("forked")
    says(s, "c=$RANDOM$RANDOM$RANDOM; RANDOM=42; [ $c = $RANDOM$RANDOM$RANDOM ] || echo other", out="other\n")


def state_stays(s):
    says(s, "x=1; f() { echo \"f $1 $x\"; return 3; }; export E=e; shopt -s nullglob; a=(1 '2 3')")
    says(s, "f 2", code=3, out="f 2 1\n")
    says(s, "echo $? $x; sh -c 'echo $E'; echo \"${a[1]}\"; cd /tmp", out="3 1\ne\n2 3\n")
    says(s, "pwd; echo $LINENO\necho $LINENO", out="/tmp\n1\n2\n")
    says(s, "cat <<END\nhere $x\nEND\nexec 3>file; echo text >&3", out="here 1\n")
    says(s, "cat file; (exit 5)", code=5, out="text\n")
    says(s, "sleep 1000 & echo started", out="started\n")
    says(s, "jobs %1; kill %1; wait %1; echo $?", out="[1]+  Running                 sleep 1000 &\n143\n")


def errors_end_an_exec(s):
    says(s, "if true; then", code=2, err="/app/main.sh: exec 1: line 2: syntax error: unexpected end of file\n")
    says(s, "echo one\necho )", code=2, out="one\n", err="/app/main.sh: exec 2: line 2: syntax error near unexpected token `)'\n"
         "/app/main.sh: exec 2: line 2: `echo )'\n")
    says(s, "echo 'abc", code=2, err="/app/main.sh: exec 3: line 1: unexpected EOF while looking for matching `''\n")
    says(s, "echo $?; nosuch", code=127, out="2\n", err="/app/main.sh: line 1: nosuch: command not found\n")
    says(s, "echo ${q:?unset}; echo not", code=1, err="/app/main.sh: line 1: q: unset\n")
    says(s, "set -u; echo $q; echo not", code=1, err="/app/main.sh: line 1: q: unbound variable\n")
    says(s, "f() { nosuch; }; f || echo $-", out="huB\n", err="/app/main.sh: line 1: nosuch: command not found\n")
    says(s, "for i in 1 2; do : $((1 / 0)); done", code=1, err='/app/main.sh: line 1: 1 / 0: division by 0 (error token is "0")\n')
    says(s, "echo still", out="still\n")


def code_is_a_scripts(s):
    """NULs and traces are as in a script."""
    says(s, "echo a\0b\n", code=126, err="/app/main.sh: exec 1: cannot execute binary file\n")
    says(s, "echo $?\necho b\0c\0", out="126\nbc\n")
    says(s, "set -x; echo 1", out="1\n", err="+ echo 1\n")
    says(s, "eval echo 2", out="2\n", err="+ eval echo 2\n++ echo 2\n")
    says(s, "echo ${q:?unset}", code=1, err="/app/main.sh: line 1: q: unset\n")
    says(s, "echo $(echo 3)", out="3\n", err="++ echo 3\n+ echo 3\n")


def children_give_up(s):
    """An error of arithmetic in a child ends the child."""
    got = s.run("a='x y'\ncat <<END\n$((a + 1))\nEND\necho $?")
    assert (got.code, got.out) == (0, "1\n") and got.err.count("\n") == 1 and "x y" in got.err, got
    says(s, "echo $?", "0\n")


def interrupts(s):
    same(interrupted(s, "x=1; echo go; while true; do :; done"), code=130, out="go\n")
    same(interrupted(s, "echo go; sleep 1000; echo not"), code=130, out="go\n")
    same(interrupted(s, "echo go; (sleep 1000; echo not); echo not"), code=130, out="go\n")
    says(s, "echo $? $x", out="130 1\n")
    same(interrupted(s, "trap 'echo mine' INT; echo go; sleep 1000; echo after"), out="go\nmine\nafter\n")
    says(s, "trap - INT")
    same(interrupted(s, "echo go; sleep 1000; echo not"), code=130, out="go\n")


def ends(s):
    says(s, "trap 'echo bye' EXIT")
    says(s, "exit 4", event=EXIT, code=4, out="bye\n")


def ends_by_errexit(s):
    says(s, "set -e; false || echo on", out="on\n")
    says(s, "echo one; false; echo two", event=EXIT, code=1, out="one\n")


def has_parts(s):
    same(s.run("read l; echo $l; cat", stdin="one\ntwo\nthree\n"), out="one\ntwo\nthree\n")
    same(s.run("read l; echo $l", stdin="one\ntwo\n"), out="one\n")
    says(s, "read l; echo $?", out="1\n")
    same(s.run("echo $1 $2 $# $A; cat d/f", args=["p", "q r"], env={"A": "b"}, files={"d/f": b"text\n"}), out="p q r 2 b\ntext\n")
    says(s, "echo $2; sh -c 'echo $A'; sh -c 'echo /proc/self/fd/[0-9]*'", out="q r\nb\n/proc/self/fd/0 /proc/self/fd/1 /proc/self/fd/2 /proc/self/fd/3\n")


CASES = {
    "variables, functions, directory, descriptors and jobs stay": state_stays,
    "errors end their exec, of syntax too": errors_end_an_exec,
    "NULs and traces are as in a script": code_is_a_scripts,
    "an error in a child is the child's": children_give_up,
    "SIGINT ends the exec, or runs its trap": interrupts,
    "exit ends the session": ends,
    "the generators of a copy are its own": forks,
    "so does what fails under set -e": ends_by_errexit,
    "input, arguments, environment and files come with each exec": has_parts,
}
