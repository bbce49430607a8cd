#!/usr/bin/env python3
"""Parts of a request against the real server: standard input, arguments, environment,
files, there and back, accounts; their limits at the byte, and what hostile clients put there."""
import base64
import hashlib
import json
import re
import os
import subprocess
import sys
import tempfile

from harness import PATIENCE, TOP, Report, Server, answers, post

report = Report("parts")
LANGUAGES = ("python", "node", "sh")


def content(data):
    return {"base64": base64.b64encode(data).decode()}


class Client:
    """Requests on one connection."""

    def __init__(self, server):
        self.server = server

    def ask(self, body, path="/v1/exec"):
        answer = answers(self.server.ask(post(body, path, b"Connection: close\r\n")))[0]
        return answer.status, json.loads(answer.body)

    def run(self, language, code, **fields):
        status, body = self.ask({"code": code, "language": language, **fields})
        assert status == 200, (status, body)
        return body

    def says(self, language, code, stdout, **fields):
        body = self.run(language, code, **fields)
        assert (body["stdout"], body["stderr"], body["exit_code"]) == (stdout, "", 0), body

    def refused(self, error, **fields):
        status, body = self.ask({"code": "print(1)", **fields})
        assert status == 400 and error in body["error"], (status, body)


# ---- as natively ----

NATIVE = {
    "python": ("python3", "main.py"),
    "sh": ("bash", "main.sh"),
}
PROGRAMS = {
    "python": [
        "import sys, os\nprint(sys.argv[1:], os.environ.get('A'), os.environ.get('EMPTY'), sys.stdin.read())",
        "import sys\nfor line in sys.stdin: print(len(line), repr(line))",
        "import sys, os\nprint(sys.stdin.buffer.read(3), os.read(0, 2), input())",
        "import os, stat\nprint(stat.S_ISFIFO(os.fstat(0).st_mode))\ntry: os.lseek(0, 0, 1)\nexcept OSError as e: print(e)",
        "import os, select\nprint(select.select([0], [], [], 10)[0], os.read(0, 9), os.read(0, 2))",
        "import time, sys\nprint(time.strftime('%H %Z', time.localtime(0)), sys.orig_argv[2:])",
        "import subprocess, sys\nsys.stdout.flush()\nsubprocess.run(['sh', '-c', 'echo \"$A\" \"$EMPTY\"; cat'])",
        "print(input(), input())\nprint(input())",
        "import sys\nfor o in sys.stdout, sys.stderr: print(o, o.buffer, o.errors, o.line_buffering, o.write_through, o is getattr(sys, f'__{o.name[1:-1]}__'))",
    ],
    "sh": [
        'echo "$#" "$1" "$2" "$*"; echo "$A" "${EMPTY-none}" "${NONE-none}"; cat',
        'while read -r a b; do echo "$b $a"; done; shift; echo "$@"',
        'env | grep -E "^(A|EMPTY|TZ)=" | sort; date -d @0 +"%H %Z"; bash -c \'echo "$A"; wc -c\'',
        'IFS=; set -- "$@" more; for x; do echo "<$x>"; done; read -r line; echo "$line"',
        'A=changed; export B=2; env | grep -E "^[AB]=" | sort; unset A; echo "${A-none}"',
    ],
}
FIELDS = {
    "nothing": {},
    "a line": {"stdin": "one two\n"},
    "lines, arguments, variables": {"stdin": "one two\nthree four\nlast", "args": ["a", "b c", "", "\u00e9*?$x"],
                                    "env": {"A": "x = 'y'\n z", "EMPTY": "", "TZ": "Asia/Tokyo"}},
    "output without a buffer": {"stdin": "one two\n", "env": {"PYTHONUNBUFFERED": "1"}},
    "much": {"stdin": "".join(f"{n} {n}\n" for n in range(20000))},
}


def natively(language, code, fields):
    program, name = NATIVE[language]
    with tempfile.TemporaryDirectory() as d:
        path = os.path.join(d, name)
        with open(path, "w", encoding="utf-8") as f:
            f.write(code)
        done = subprocess.run([program, path, *fields.get("args", [])], input=fields.get("stdin", "").encode(), cwd=d,
                              env={"PATH": os.environ["PATH"], "LANG": "C.UTF-8", "HOME": "/root", **fields.get("env", {})},
                              capture_output=True, timeout=PATIENCE, check=False)
    return done.stdout.decode().replace(d, "/app"), done.returncode


def cut_off(client):
    """Without a buffer all that was printed is there when the time is over."""
    code = "import sys\nprint('x' * 9000)\nprint('out', end='')\nsys.stderr.write('err')\nwhile True: pass"
    for seconds in 1, 10, 100:
        got = client.run("python", code, env={"PYTHONUNBUFFERED": "1"}, timeout_seconds=seconds)
        if got["stderr"].startswith("err"): # it has come so far
            break
    assert got["status"] == "timeout" and got["stdout"] == "x" * 9000 + "\nout", got


def as_natively(client, language):
    for code in PROGRAMS[language]:
        for name, fields in FIELDS.items():
            got = client.run(language, code, **fields)
            expected = natively(language, code, fields)
            assert (got["stdout"], got["exit_code"]) == expected, (code, name, got, expected)


def node(client):
    client.says("node", "console.log(process.argv.slice(2).join(), process.env.A, require('fs').readFileSync(0, 'utf8'))",
                "a,b c x=y in\n\n", args=["a", "b c"], env={"A": "x=y"}, stdin="in\n")
    client.says("node", "process.stdin.on('data', (d) => console.log(`${d}`)).on('end', () => console.log('end'))", "in\nend\n", stdin="in")
    client.says("node", "process.stdin.resume().on('end', () => console.log('end'))", "end\n")
    client.says("node", "console.log(new Date(0).getHours())", "9\n", env={"TZ": "Asia/Tokyo"})
    client.says("node", "require('readline').createInterface(process.stdin).on('line', (l) => console.log(l.length))", "3\n0\n2\n", stdin="abc\n\nde")
    client.says("node", "console.log(require('child_process').execFileSync('sh', ['-c', 'echo $A'], {stdio: [0, 'pipe']}).toString())", "x\n\n", env={"A": "x"})


# ---- binary, sizes ----

def binary(client):
    data = bytes(range(256)) * 3
    code = "import sys, hashlib\nd = sys.stdin.buffer.read()\nprint(len(d), hashlib.sha256(d).hexdigest(), open('f', 'rb').read() == d)"
    for size in 0, 1, 2, 3, 4095, 4096, 4097, 65535, 65536, 65537, 1 << 20, 3000001:
        some = (data * (size // len(data) + 1))[:size]
        client.says("python", code, f"{size} {hashlib.sha256(some).hexdigest()} True\n", stdin=content(some), files={"f": content(some)})


def largest(server, client):
    """The body may have just so many bytes; all of it arrives."""
    limit = 2 << 20
    code = "import sys; print(len(sys.stdin.read()))"
    empty = len(json.dumps({"code": code, "stdin": ""}))
    for more, status in (0, 200), (1, 413):
        body = json.dumps({"code": code, "stdin": "x" * (limit - empty + more)}).encode()
        answer = answers(server.ask(post(body, extra=b"Connection: close\r\n")))[0]
        assert answer.status == status, answer
        if status == 200:
            assert json.loads(answer.body)["stdout"] == f"{limit - empty}\n", answer


def code_of_any_size(client):
    for size in 65536, 65537, 1 << 20:
        client.says("python", "#" * size + "\nimport sys; print(sys.argv[1])", "a\n", args=["a"])


# ---- files ----

LIST = """
import os
for top, _, names in sorted(os.walk('.')):
    for n in sorted(names):
        p = os.path.join(top, n)
        s = os.stat(p)
        if n != 'main.py': print(p, oct(s.st_mode), s.st_size, s.st_uid, s.st_nlink, oct(os.stat(top).st_mode))
"""


def files_land(client):
    client.says("python", LIST, "./a 0o100644 1 0 1 0o40755\n./d/x 0o100644 0 0 1 0o40755\n./d/e/f 0o100644 100000 0 1 0o40755\n",
                files={"a": "1", "d/e/f": "x" * 100000, "./d//x": ""})
    client.says("python", "print(open('/new/dir/f').read(), open('/tmp/g').read())", "1 2\n", files={"/new/dir/f": "1", "/tmp/g": "2"})
    client.says("sh", "cat a; echo more >>a; cat a; rm a; ls", "onceonce" + "more\nmain.sh\n", files={"a": "once"})
    client.says("python", "import helper; print(helper.f(2))", "4\n", files={"helper.py": "def f(x): return 2 * x\n"})
    client.says("node", "console.log(require('./lib/a').b, require('./d.json').e)", "1 2\n",
                files={"lib/a.js": "exports.b = 1", "d.json": '{"e": 2}'})
    client.says("sh", ". ./lib.sh; f x", "<x>\n", files={"lib.sh": "f() { echo \"<$1>\"; }\n"})


def image_files(client):
    """One of the image may be replaced; the next run has the image's again."""
    code = "print(len(open('/etc/passwd').read()), open('/etc/passwd').read()[:9])"
    before = client.run("python", code)["stdout"]
    client.says("python", code, "9 something\n".replace("something", "new:text\n"), files={"/etc/passwd": "new:text\n"})
    assert client.run("python", code)["stdout"] == before
    big = "y" * 200000
    client.says("python", "import os; print(os.path.getsize('/etc/passwd'))", "200000\n", files={"/etc/passwd": big})
    assert client.run("python", code)["stdout"] == before


def mapped_and_changed(client):
    """A file that has come in whole frames is a file as any other."""
    code = """
import mmap, os
size = os.path.getsize('f')
with open('f', 'r+b') as f:
    m = mmap.mmap(f.fileno(), 0)
    assert m[:] == b'z' * size
    m[4096] = 65
    m.flush()
    f.seek(4095); print(f.read(3))
    f.truncate(5000); f.seek(0, 2); f.write(b'end')
print(open('f', 'rb').read()[4990:])
os.rename('f', 'g'); os.link('g', 'h'); print(os.stat('h').st_nlink, os.stat('h').st_blocks)
os.unlink('g'); os.unlink('h'); print(os.listdir('.'))
"""
    client.says("python", code, "b'zAz'\nb'zzzzzzzzzzend'\n2 16\n['main.py']\n", files={"f": "z" * 100001})


def many(client):
    files = {f"d{n % 7}/f{n}": str(n) for n in range(256)}
    client.says("python", "import glob; f = sorted(glob.glob('d*/*')); print(len(f), sum(int(open(p).read()) for p in f))", f"256 {sum(range(256))}\n",
                files=files)
    client.refused("too many keys", files={**files, "one more": ""})
    # Each is small, but not all together.
    client.says("python", "import glob; print(sum(open(p).read() == p[1:] * 20000 for p in glob.glob('f*')))", "100\n",
                files={f"f{n:02}": f"{n:02}" * 20000 for n in range(100)})


def hostile_paths(client):
    for path, error in {
        "": "an empty path", "..": '".."', "../x": '".."', "a/../x": '".."', "a/..": '".."', "/..": '".."', "/tmp/../etc/x": '".."',
        "a\0b": "a NUL byte", "a/": "ends with", "/": "ends with", "a//": "ends with", "x" * 256: "too long",
        "a/" * 129 + "b": "too deep", "a/" * 128 + "x" * 256: "too long",
        "/etc": "/etc: is a directory", ".": "is a directory", "./.": "is a directory", "/tmp/.": "is a directory",
        "/etc/passwd/x": "leads through what is no directory", "/etc/passwd/x/y": "leads through what is no directory",
        "/proc/x": "is not a place", "/proc/self/comm": "not followed", "/proc/version": "is not a place", "/proc/self/fd/1": "not followed", "/proc/self/cwd/x": "not followed",
        "/dev/null": "is not a place", "/dev/zero": "is not a place", "/sys/x": "",
        "/usr/bin/python3": "is a program that runs",
    }.items():
        client.refused(error, files={path: "x"})
    # Names of 255 bytes in a path of 4,095, and one byte more.
    name = "n" * 250
    longest = "/".join([name] * 16) + "/" + "m" * (4095 - 251 * 16)
    client.says("python", "import os; print(sum(len(n) for _, _, n in os.walk('.')))", "2\n", files={longest: ""})
    client.refused("too long", files={longest + "m": ""})
    client.says("python", "import os; print(len(list(os.walk('a'))))", "128\n", files={"a/" * 128 + "b": ""})
    # A link of the image that leads to another place: absolute paths follow it.
    client.says("python", "print(open('/usr/bin/new').read())", "x\n", files={"/bin/new": "x"})
    client.refused("leads through what is no directory", files={"a": "", "a/b": ""})
    client.refused("is a directory", files={"a/b": "", "a": ""})
    client.says("python", "print(open('a').read())", "2\n", files={"a": "1", "./a": "2"})


# ---- what is wrong with a field ----

def wrong_types(client):
    for field, value, error in (
        ("stdin", 1, "neither a string nor"), ("stdin", None, "neither"), ("stdin", ["a"], "neither"), ("stdin", {}, "without base64"),
        ("stdin", {"base64": 1}, "no string"), ("stdin", {"base64": "AA==", "x": 1}, "more than base64"), ("stdin", {"text": "a"}, "more than base64"),
        ("args", "a", "not an array"), ("args", {}, "not an array"), ("args", [1], "not a string"), ("args", [None], "not a string"),
        ("args", ["a\0"], "a NUL byte"), ("args", [["a"]], "not a string"),
        ("env", [], "not an object"), ("env", "A=1", "not an object"), ("env", {"A": 1}, "not a string"), ("env", {"": "1"}, "an empty name"),
        ("env", {"A=B": "1"}, 'with a "="'), ("env", {"A\0": "1"}, "a NUL byte"), ("env", {"A": "\0"}, "a NUL byte"),
        ("files", [], "not an object"), ("files", "x", "not an object"), ("files", {"a": 1}, "neither"), ("files", {"a": None}, "neither"),
        ("files", {"a": {"base64": "x"}}, "not base64"),
    ):
        client.refused(error, **{field: value})
        client.refused(field, **{field: value})
        status, body = client.ask({"executions": [{"code": "1"}, {"code": "1", field: value}]}, "/v1/exec/batch")
        assert status == 400 and f"executions[1].{field}" in body["error"], body


def base64_texts(client):
    code = "import sys; print(sys.stdin.buffer.read())"
    for text, data in (("", b""), ("AA==", b"\0"), ("AAA=", b"\0\0"), ("AAAA", b"\0\0\0"), ("+/+/", b"\xfb\xff\xbf"), ("QUJD" * 3000 + "QQ==", b"ABC" * 3000 + b"A")):
        client.says("python", code, f"{data}\n", stdin={"base64": text})
    for text in ("A", "AA", "AAA", "AA=", "AB==", "AAB=", "=AAA", "A===", "====", "AA==AAAA", "AAAA====", "AAA\n", "AA A", "AA-_", "AAA\u00e9", "AAAAA",
                 "A" * 4096 + "*AAA", "*" + "A" * 8191):
        client.refused("stdin: not base64, at byte", stdin={"base64": text})


def strings_at_the_limit(client):
    client.says("python", "import sys; print(len(sys.argv), len(sys.argv[1]))", "1025 127\n", args=["x" * 127] * 1024)
    client.refused("args: too many", args=["x"] * 1025)
    client.refused("args: too many, or too long", args=["x" * 127] * 1023 + ["x" * 128])
    for language, code in ("python", "import sys, os; print(len(sys.argv[1]), len(os.environ['A']))"), ("sh", 'echo ${#1} ${#A}'), \
            ("node", "console.log(process.argv[2].length, process.env.A.length)"):
        client.says(language, code, "100000 31068\n", args=["x" * 100000], env={"A": "y" * 31068})
    client.refused("env: too many", args=["x" * 100000], env={"A": "y" * 31069})


def batches(client):
    code = "import sys, os; print(sys.argv[1:], sys.stdin.read(), os.environ.get('A'), os.listdir('.'))"
    status, body = client.ask({"executions": [
        {"code": code, "args": ["1"]}, {"code": code, "stdin": "2"}, {"code": code, "env": {"A": "3"}}, {"code": code, "files": {"4": ""}},
        {"code": code, "files": {"/etc": ""}}, {"code": code}]}, "/v1/exec/batch")
    assert status == 200, body
    got = [r.get("stdout", r.get("error")) for r in body["results"]]
    assert got == ["['1']  None ['main.py']\n", "[] 2 None ['main.py']\n", "[]  3 ['main.py']\n", "[]  None ['main.py', '4']\n",
                   "files: /etc: is a directory", "[]  None ['main.py']\n"], got


# ---- what comes back ----

def outputs(client):
    write = """
import os
def put(path, data):
    os.makedirs(os.path.dirname(path) or ".", exist_ok=True)
    open(path, "wb").write(data)
"""
    def files(code, *patterns, **fields):
        body = client.run("python", write + code, outputs=list(patterns), **fields)
        assert body["exit_code"] == 0, body
        return body["files"]

    some = "[put(p, p.encode()) for p in ('a.txt', 'b.txt', 'c.bin', 'd/a.txt', 'd/e/a.txt', '.h.txt', 'd/e/f/g', '/tmp/t')]"
    for patterns, expected in {
        ("a.txt",): "a.txt", ("./a.txt",): "./a.txt", ("*.txt",): ".h.txt a.txt b.txt", ("?.txt",): "a.txt b.txt", ("d/*.txt",): "d/a.txt",
        ("*/*.txt",): "d/a.txt", ("**/a.txt",): "a.txt d/a.txt d/e/a.txt", ("d/**",): "d/a.txt d/e/a.txt d/e/f/g", ("**/e/**/g",): "d/e/f/g",
        ("**/**/**/g",): "d/e/f/g", ("d/**/e/*",): "d/e/a.txt", ("/tmp/*",): "/tmp/t", ("/tmp/t", "/tmp/t"): "/tmp/t", ("a.txt", "?.txt"): "a.txt b.txt",
        ("none",): "", ("no/*",): "", ("d",): "", ("d/e",): "", ("a.txt/*",): "", ("a.txt/x",): "", ("*.txt*",): ".h.txt a.txt b.txt",
        ("/proc/*",): "", ("/proc/version",): "", ("/dev/*",): "", ("/dev/null",): "", ("*" * 255,): ".h.txt a.txt b.txt c.bin main.py",
        ("*?*.b?n",): "c.bin", ("[ab].txt",): "", ("/etc/passw?",): "/etc/passwd", (): None,
    }.items():
        body = client.run("python", write + some, outputs=list(patterns)) if patterns else client.run("python", write + some)
        got = body.get("files")
        assert (got if got is None else " ".join(sorted(got))) == expected, (patterns, body)
    data = bytes(range(256))
    for size in 0, 1, 2, 3, 255, 4095, 4096, 4097, 65536, 100001, 1 << 20:
        got = files(f"put('f', (bytes(range(256)) * {size // 256 + 1})[:{size}])", "f")
        whole = (data * (size // 256 + 1))[:size]
        assert got == {"f": {"base64": base64.b64encode(whole).decode(), "size": size} if size > 128 else whole.decode()}, (size, str(got)[:200])
    assert files("f = open('hole', 'wb'); f.truncate(10000); f.seek(5000); f.write(b'x'); f.close()", "hole") == {"hole": "\0" * 5000 + "x" + "\0" * 4999}
    assert files("pass", "in", "big", files={"in": "kept", "big": "z" * 200000}) == {"in": "kept", "big": "z" * 200000}
    assert files("os.symlink('a', 'l'); put('a', b'x')", "l", "*") .get("l") == "x"
    got = files("os.symlink('.', 'loop'); os.symlink('/', 'out'); put('x/y', b'1')", "**/y")
    assert got == {"x/y": "1"}, got
    assert files('put("a\\"\\n\\u00e9", b"1"); put(b"\\xff", b"2")', "*").keys() >= {'a"\n\u00e9', "\ufffd"}
    for language, code in ("node", "require('fs').writeFileSync('r', 'n')"), ("sh", "printf n >r"):
        assert client.run(language, code, outputs=["r"])["files"] == {"r": "n"}
    # It is there whatever the program's end was, but not of one that was cut off.
    assert client.run("python", "open('f', 'w').write('1'); 1/0", outputs=["f"])["files"] == {"f": "1"}
    assert client.run("python", "import os; open('f', 'w').write('1'); os.kill(os.getpid(), 9)", outputs=["f"])["files"] == {"f": "1"}
    for child in "pass", "import os; os.fork() or __import__('time').sleep(99)":
        body = client.run("python", f"open('f', 'w').write('1')\n{child}\nx = []\nwhile True: x.append(bytearray(b'x' * (1 << 20)))", outputs=["f"])
        assert (body["status"], body["files"]) == ("out_of_memory", {"f": "1"}), body
    # Where the program starts is what counts, not where it is at its end.
    leave = "import os; put('f', b'1'); os.makedirs('d'); put('d/f', b'2'); "
    for code in "os.chdir('d')", "os.chdir('/')", "os.mkdir('/jail'); os.chroot('/jail'); os.chdir('/')", "os.rename('/app', '/gone')":
        assert files(leave + code, "f", "d/*") == {"f": "1", "d/f": "2"}, code
    assert files(leave + "put('/tmp/t', b'3'); os.mkdir('/jail'); os.chroot('/jail')", "/tmp/t", "/tmp/*") == {"/tmp/t": "3"}
    assert client.run("sh", "printf 1 >f; cd /tmp; printf 2 >f", outputs=["f"])["files"] == {"f": "1"}
    assert client.run("node", "require('fs').writeFileSync('f', '1'); process.chdir('/tmp')", outputs=["*"])["files"].keys() == {"f", "main.js"}
    assert client.run("python", "open('f', 'w').write('1')\nwhile True: pass", outputs=["f"], timeout_seconds=1)["files"] == {}


def outputs_at_the_limit(client):
    code = "import os\nfor n in range({}): open(f'f{{n:03}}', 'wb').write(b'x' * {})"
    body = client.run("python", code.format(64, 1), outputs=["f*"])
    assert len(body["files"]) == 64 and "warnings" not in body, body
    body = client.run("python", code.format(65, 1), outputs=["f*"])
    assert len(body["files"]) == 64 and body["warnings"] == ["f064: left out of files"], body
    body = client.run("python", code.format(80, 1), outputs=["f*"])
    assert body["warnings"][-1] == "8 more files left out" and len(body["warnings"]) == 9, body
    eight = 8 << 20
    body = client.run("python", f"open('f', 'wb').write(b'x' * {eight}); open('g', 'w'); open('h', 'w').write('1')", outputs=["f", "g", "h"])
    assert [len(v) for v in body["files"].values()] == [eight, 0] and body["warnings"] == ["h: left out of files"]
    body = client.run("python", f"open('f', 'wb').write(b'x' * {eight + 1}); open('h', 'w').write('1')", outputs=["f", "h"])
    assert body["files"] == {"h": "1"} and body["warnings"] == ["f: left out of files"]
    client.refused("outputs: too many", outputs=["a"] * 65)
    for pattern in "", "..", "../*", "**/..", "a\0b", "x" * 4096, "a/" * 130 + "b", "a/":
        client.refused("outputs: a", outputs=[pattern])
    for value in "a", {"a": 1}, [1], [None]:
        client.refused("outputs: not a", outputs=value)


def encodings(client):
    write = "import sys; sys.stdout.buffer.write(bytes(range(256))[:{0}]); sys.stderr.buffer.write(bytes(range(256))[-{0}:])"
    for size in 1, 2, 3, 4, 255, 256:
        body = client.run("python", write.format(size), encoding="base64")
        assert base64.b64decode(body["stdout"], validate=True) == bytes(range(256))[:size], body
        assert base64.b64decode(body["stderr"], validate=True) == bytes(range(256))[-size:], body
    assert client.run("python", "print('x')", encoding="text")["stdout"] == "x\n"
    body = client.run("python", "print('x', flush=True)\nwhile True: pass", encoding="base64", timeout_seconds=1)
    assert (base64.b64decode(body["stdout"]), base64.b64decode(body["stderr"])) == (b"x\n", b"Execution timed out after 1s"), body
    big = client.run("python", "import sys; sys.stdout.buffer.write(bytes(range(256)) * 4000)", encoding="base64")
    assert base64.b64decode(big["stdout"]) == bytes(range(256)) * 4000
    for value in "utf-8", "", "BASE64", "base64 ", 1, None, "text" * 9:
        client.refused("encoding: neither", encoding=value)


def accounts(client):
    def ending(code, language="python", **fields):
        body = client.run(language, code, **fields)
        return body["status"], body.get("signal"), body["exit_code"]

    for code, expected in {
        "1": ("ok", None, 0), "exit(3)": ("error", None, 3), "1/0": ("error", None, 1), "exit(139)": ("error", None, 139), "exit(137)": ("error", None, 137),
        "import os; os.kill(os.getpid(), 11)": ("signal", "SIGSEGV", 139), "import os; os.abort()": ("signal", "SIGABRT", 134),
        "import os; os.kill(os.getpid(), 9)": ("signal", "SIGKILL", 137), "import os; os.kill(os.getpid(), 40)": ("signal", "SIGRTMIN+6", 168),
        "import os, signal; os.kill(os.getpid(), signal.SIGRTMIN)": ("signal", "SIGRTMIN", 162),
        "import os, signal; os.kill(os.getpid(), signal.SIGRTMAX)": ("signal", "SIGRTMAX", 192),
        "x = [bytearray(b'x' * (1 << 20)) for _ in range(400)]": ("out_of_memory", None, 137),
    }.items():
        assert ending(code) == expected, (code, ending(code))
    assert ending("while True: pass", timeout_seconds=1) == ("timeout", None, -1)
    for seconds, warnings in (300, None), (301, ["timeout_seconds: at most 300"]), (1 << 70, ["timeout_seconds: at most 300"]):
        assert client.run("python", "1", timeout_seconds=seconds).get("warnings") == warnings, seconds
    assert ending("kill -TERM $$", "sh") == ("signal", "SIGTERM", 143)
    one = client.run("python", "print(1)")
    assert list(one)[:9] == ["id", "stdout", "stderr", "exit_code", "fork_time_ms", "exec_time_ms", "total_time_ms", "status", "usage"], one
    assert one["usage"]["system_calls"] == 5 and one["usage"]["cpu_ms"] <= one["exec_time_ms"], one
    more = client.run("python", "import os\nfor _ in range(1000): os.getppid()\nx = bytearray(b'x') * (50 << 20)")
    assert 1004 <= more["usage"]["system_calls"] < 1100, more
    assert 50 <= more["usage"]["peak_memory_mb"] - one["usage"]["peak_memory_mb"] < 60, (one, more)
    again = client.run("python", "print(1)")["usage"]
    assert abs(again["peak_memory_mb"] - one["usage"]["peak_memory_mb"]) < 1 and again["system_calls"] == 5, again
    children = client.run("python", "import subprocess, time\nsubprocess.run(['python3', '-c', 'while __import__(\"time\").process_time() < .3: pass'])\n"
                          "while time.process_time() < .2: pass")
    assert children["usage"]["cpu_ms"] >= 490, children
    sleeper = client.run("python", "import time; time.sleep(9)", timeout_seconds=1)
    assert sleeper["usage"]["cpu_ms"] < 500 and sleeper["usage"]["system_calls"] > 1 and sleeper["usage"]["peak_memory_mb"] > 10, sleeper
    for code, cut in ("print('x' * (1 << 20), end='')", (False, False)), ("print('x' * (1 << 20))", (True, False)), \
            ("import sys; sys.stderr.write('x' * (1 << 20) + 'y')", (False, True)):
        body = client.run("python", code)
        assert (body.get("stdout_truncated", False), body.get("stderr_truncated", False)) == cut, str(body)[-300:]


def memory(client):
    hog = "x = []\nwhile len(x) < 120: x.append(bytearray(b'x' * (1 << 20)))\nprint(len(x))"
    status, body = client.ask({"code": "1", "memory_mb": 1})
    assert status == 400 and "memory_mb: 1 is too little" in body["error"], body
    least = int(re.search(r"(\d+) MiB are in use already", body["error"])[1]) + 16
    client.refused("is too little", memory_mb=least - 2)
    client.says("python", "print(1)", "1\n", memory_mb=least + 1)
    body = client.run("python", hog, memory_mb=least + 1)
    assert body["status"] == "out_of_memory" and body["usage"]["peak_memory_mb"] <= least + 1, body
    # A run that is cut off has no accounts of its own.
    loop = "x = bytearray(b'x') * (20 << 20)\nwhile True: pass"
    cut = [client.run("python", loop, timeout_seconds=1, **f)["usage"]["peak_memory_mb"] for f in ({}, {"memory_mb": 250}, {"memory_mb": least + 30})]
    assert least - 16 < min(cut) and max(cut) < min(cut) + 2, (cut, least)
    for fields in {}, {"memory_mb": 256}, {"memory_mb": 1 << 40}:
        client.says("python", hog, "120\n", **fields)
    for value in 0, -1, 1.5, "100", None:
        client.refused("memory_mb: not a positive integer", memory_mb=value)


def memory_goes(server, client):
    """What a large request has needed is given back, but for 4 MiB."""
    sizes = []
    for _ in range(4):
        client.says("python", "import os; print(os.path.getsize('f'))", f"{15 << 20}\n", files={"f": "x" * (15 << 20)})
        client.says("python", "print(1)", "1\n")
        server.metric("zeroboot_memory_usage_bytes")
        sizes.append(server.metric("zeroboot_memory_usage_bytes"))
    small = sizes[-1] - server.started_with
    assert small < 40 << 20, (server.started_with, sizes)


def metrics(server, client):
    before = server.metric("zeroboot_signalled_total"), server.metric("zeroboot_system_calls_total"), server.metric("zeroboot_cpu_seconds_total")
    client.run("python", "import os; os.kill(os.getpid(), 9)")
    assert server.metric("zeroboot_signalled_total") == before[0] + 1
    assert server.metric("zeroboot_system_calls_total") > before[1] and server.metric("zeroboot_cpu_seconds_total") > before[2]


def nothing_is_left(client):
    """What came with one request is not there in the next, which has the same VM."""
    code = "import os, sys; print(os.listdir('.'), sys.argv, sorted(k for k in os.environ if len(k) == 1), repr(sys.stdin.read()))"
    clean = "['main.py'] ['/app/main.py'] [] ''\n"
    client.says("python", code, clean)
    for _ in range(3):
        client.run("python", "1", stdin="x" * 200000, files={"a": "y" * 70000, "b": "z", "/app/c/d": "1"}, args=["1"], env={"A": "1"})
        client.says("python", code, clean)
        client.says("python", "import resource; x = bytearray(b'x') * (90 << 20); print(x.count(b'x') >> 20)", "90\n")


def main():
    with Server("--workers", "1", "--max-body", "2") as server:
        report.check("a body of --max-body arrives whole, one byte more is 413", largest, server, Client(server))
    with Server("--workers", "1") as server:
        client = Client(server)
        for language in LANGUAGES:
            client.run(language, "1")
        server.started_with = server.metric("zeroboot_memory_usage_bytes")
        for language in NATIVE:
            report.check(f"{language}: standard input, arguments and environment are as natively", as_natively, client, language)
        report.check("node: standard input, arguments and environment", node, client)
        for name, test in (
            ("bytes of all sizes arrive as they are", binary),
            ("code of any size comes with arguments", code_of_any_size),
            ("Python prints without a buffer where PYTHONUNBUFFERED says so", cut_off),
            ("files land, with directories, 0644", files_land),
            ("a file of the image is another one for one run", image_files),
            ("a large file can be mapped, changed, cut and removed", mapped_and_changed),
            ("256 files, and one more", many),
            ("hostile paths are refused, with the reason", hostile_paths),
            ("fields of a wrong type are refused, with the field", wrong_types),
            ("base64 is what RFC 4648 has, and nothing else", base64_texts),
            ("strings are bounded, at the byte", strings_at_the_limit),
            ("each execution of a batch has its own parts", batches),
            ("files come back by path and pattern, as they are", outputs),
            ("64 files and 8 MiB come back, what is left out is named", outputs_at_the_limit),
            ("base64 is exact, also of a run that was cut off", encodings),
            ("status, signal and usage are the run's", accounts),
            ("memory_mb is a limit, with its least value named", memory),
            ("nothing is left for the next run", nothing_is_left),
        ):
            report.check(name, test, client)
        report.check("what large requests needed is given back", memory_goes, server, client)
        report.check("the metrics count signals, CPU time and calls", metrics, server, client)
        report.line("the log has nothing else", server.unexpected() or None)
    return report.failed > 0


if __name__ == "__main__":
    sys.exit(main())
