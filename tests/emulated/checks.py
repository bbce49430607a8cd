"""What is tried on an emulated machine: functions that take the machine or the
server inside, and raise what is wrong."""
import collections
import json
import re
import subprocess
import sys
import threading

import harness
from emulated.machine import PATIENCE, PATIENCE_HERE, TOP
from emulated.server import Server, equal, expect

# What exceptions are like is the CPU's: QEMU has no #SS for addresses, no #AC, none
# of SSE's, takes LOCK where none may be, and gives int its own error codes.
OF_THE_CPU = ["traps"]
ZB_KERNEL_BASE = 0x400000000000
KERNEL = ZB_KERNEL_BASE + 0x100000
PAGE_TABLES = ZB_KERNEL_BASE + 0x800000  # ZB_FRAMES_GPA; the first is the root


# ---- without a server ----

def back_end(inside):
    equal(inside.run(f"cat /sys/module/{inside.module}/parameters/{inside.nested}"), ("Y\n", 0))


def build_templates(inside, memory, *languages):
    """All at once, of so many MiB of memory: what is looked at costs an emulator much.
    What went wrong, by language."""
    problems = {}

    def build(language):
        try:
            output, status = inside.run(
                f"mkdir -p /tmp/t; ln -s /disk/{language}.img /tmp/t; "
                f"/test/zeroboot template build -o /tmp/t/{language}.zbt --memory {memory} /tmp/t/{language}.img")
        except OSError as e:
            output, status = repr(e), 1
        if status:
            problems[language] = output

    threads = [threading.Thread(target=build, args=(language,)) for language in languages]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return problems


def native(inside, program):
    """Output and status of a guest program on Linux, with its input closed."""
    name, *arguments = program.split()
    if name in OF_THE_CPU:
        return inside.run(f"/test/{program}")
    # Of a small process, as all programs inside are: the peak of memory is inherited.
    done = subprocess.run(["timeout", str(PATIENCE), TOP / "build/tests/root/bin" / name, *arguments], input=b"", capture_output=True)
    ended = 128 - done.returncode if done.returncode < 0 else done.returncode
    return (done.stdout + done.stderr).decode(errors="replace"), ended


def guest_program(inside, program):
    expected, ended = native(inside, program)
    output, status = inside.run(f"/test/zeroboot run -t {PATIENCE} /test/guest.img /bin/{program}")
    # Of much text only what differs is told.
    got, wanted = (collections.Counter(text.splitlines()) for text in (output, expected))
    equal((list((got - wanted).elements()), status), (list((wanted - got).elements()), ended))


def missing_call(inside):
    output, status = inside.run("/test/zeroboot run /test/guest.img /bin/missing")
    equal((status, output.count("system call 999 is not implemented"), "ENOSYS ENOSYS" in output), (0, 1, True))


EXEC = {"python": ('import sys; print("out"); sys.exit(7)', ("out\n", 7)),
        "node": ("console.log(6 * 7); process.exitCode = 3", ("42\n", 3)),
        "sh": ("echo $((6 * 7)); exit 5", ("42\n", 5))}


def exec_command(inside, language):
    code, expected = EXEC[language]
    equal(inside.run(f"/test/zeroboot exec --templates /tmp/t -l {language} - <<'.'\n{code}\n."), expected)


# ---- the server ----

def exec_python(server):
    expect(server.run("import numpy; print(numpy.arange(5) @ numpy.arange(5), 2 ** 100)"), f"30 {2 ** 100}\n")
    answer = server.run("import sys\nprint('é', file=sys.stderr)\n1/0")
    equal((answer["exit_code"], answer["stderr"].split("\n")[0]), (1, "é"))
    equal(answer["stderr"].endswith("ZeroDivisionError: division by zero\n"), True)
    expect(server.run("import sys; sys.exit(9)"), "", 9)


def exec_node(server):
    expect(server.run("console.log(1 + 1); console.error('e'); process.exitCode = 3", "node"), "2\n", 3, "e\n")
    expect(server.run("setTimeout(() => console.log('b'), 20); Promise.resolve('a').then(console.log)", "javascript"),
           "a\nb\n")
    answer = server.run("throw new TypeError('no')", "node")
    equal((answer["exit_code"], "TypeError: no" in answer["stderr"]), (1, True))


def exec_sh(server):
    expect(server.run("echo $((6 * 7)); echo e >&2; exit 3", "sh"), "42\n", 3, "e\n")
    expect(server.run("(exit 4); echo $? $(echo inner | tr a-z A-Z)", "sh"), "4 INNER\n")
    expect(server.run("kill -SEGV $$", "sh"), "", 139)


def batch(server):
    several = [("print(1)", "python"), ("console.log(2)", "node"), ("1/0", "python"), ("print(4)", "python"),
               ("console.log(5)", "node")]
    answer = server.post("/v1/exec/batch", {"executions": [{"code": c, "language": l} for c, l in several]})
    equal([r["stdout"] for r in json.loads(answer.body)["results"]], ["1\n", "2\n", "", "4\n", "5\n"])


def python_threads(server):
    expect(server.run("""
import concurrent.futures, queue, threading
q, done = queue.Queue(2), []
def take():
    while (x := q.get()) is not None: done.append(x)
threads = [threading.Thread(target=take) for _ in range(3)]
for t in threads: t.start()
for x in range(60): q.put(x)
for t in threads: q.put(None)
for t in threads: t.join()
print(sorted(done) == list(range(60)))
with concurrent.futures.ThreadPoolExecutor(4) as pool: print(sum(pool.map(lambda x: x * x, range(100))))
"""), "True\n328350\n")


def busy_threads(server):
    expect(server.run("""
import threading, time
counts, stop = [0, 0], False
def spin(i):
    while not stop: counts[i] += 1
threads = [threading.Thread(target=spin, args=(i,)) for i in range(2)]
for t in threads: t.start()
end = time.monotonic() + 200
while min(counts) < 1000 and time.monotonic() < end: time.sleep(0.05)
stop = True
for t in threads: t.join()
print(min(counts) >= 1000)
"""), "True\n")


def busy_processes(server):
    expect(server.run("""
while :; do :; done & first=$!
while :; do :; done & second=$!
for ((i = 0; i < 2000; i++)); do :; done
kill $first $second; wait $first; echo $?; wait $second; echo $?
""", "sh"), "143\n143\n")


def busy_worker(server):
    expect(server.run("""
const { Worker } = require("worker_threads");
const shared = new Int32Array(new SharedArrayBuffer(4));
const spin = "const a = require('worker_threads').workerData; while (!Atomics.load(a, 0));";
const w = new Worker(spin, { eval: true, workerData: shared });
w.on("exit", (code) => console.log("ended", code));
w.on("online", () => setTimeout(() => Atomics.store(shared, 0, 1), 50));
""", "node"), "ended 0\n")


def timeouts(server):
    begun = {"python": "print('begun', flush=True)\n", "node": "console.log('begun');\n"}
    for language, code in (
            ("python", "while True: pass"), ("python", "import time; time.sleep(1000)"),
            ("python", "import threading\ndef f():\n    while True: pass\nthreading.Thread(target=f).start()"),
            ("node", "while (true);"), ("node", "setInterval(() => {}, 1000)")):
        answer, seconds = server.cut(begun[language] + code, language)
        expect(json.loads(answer.body), "begun\n", -1, f"Execution timed out after {seconds}s")
    expect(server.run("print(5)"), "5\n")


def output(server):
    answer = server.run("print('x' * 3000000)")
    equal((len(answer["stdout"]), "stdout truncated" in answer["stderr"]), (1 << 20, True))
    expect(server.run("import sys\nfor i in range(2000): print(i); print(-i, file=sys.stderr)\nsys.stdout.flush(); sys.stdout.buffer.write(b'\\xff\\0')"),
           "".join(f"{i}\n" for i in range(2000)) + "\ufffd\0", 0, "".join(f"{-i}\n" for i in range(2000)))


def limits(server):
    answer = server.run("x = []\nwhile True: x.append(bytearray(1 << 20))")
    equal(answer["exit_code"] == 137 or "MemoryError" in answer["stderr"], True)
    equal("RecursionError" in server.run("def f(): f()\nf()")["stderr"], True)
    equal(server.run("import ctypes; ctypes.string_at(0)")["exit_code"], 139)
    answer = server.run("function f() { f(); } f();", "node")
    equal("RangeError" in answer["stderr"], True)


def exceptions(server):
    """Each is delivered by the CPU through the guest's IDT and comes back as a
    signal."""
    for code, signal in (("0f0b", 4), ("31c9f7f1", 8), ("cc", 5), ("f4", 11), ("fa", 11), ("0f20d8", 11),
                         ("0f22d8", 11), ("b9000000800f32", 11), ("e460", 11)):
        answer = server.run(f"""
import ctypes, mmap
m = mmap.mmap(-1, 4096, prot=7)
m.write(bytes.fromhex("{code}c3"))
ctypes.CFUNCTYPE(None)(ctypes.addressof(ctypes.c_char.from_buffer(m)))()
""")
        equal((code, answer["exit_code"]), (code, 128 + signal))


def isolation(server):
    with server.rises(server.recycled, 6):
        for _ in range(10):
            expect(server.run("""
import os, builtins, json
print(os.path.exists("/tmp/left"), hasattr(builtins, "left"), hasattr(json, "left"), os.environ.get("LEFT"), os.listdir("/tmp"), os.listdir("/app"))
open("/tmp/left", "w").write("x"); builtins.left = json.left = 1; os.environ["LEFT"] = "1"
"""), "False False False None [] ['main.py']\n")


def isolation_node(server):
    with server.rises(server.recycled, 4):
        for _ in range(8):
            expect(server.run("""
const fs = require("fs");
console.log(fs.existsSync("/tmp/left"), globalThis.left, Array.prototype.left, process.env.LEFT, fs.readdirSync("/tmp"));
fs.writeFileSync("/tmp/left", "x"); globalThis.left = Array.prototype.left = 1; process.env.LEFT = "1";
""", "node"), "false undefined undefined undefined []\n")


def isolation_sh(server):
    with server.rises(server.recycled, 4):
        for _ in range(6):
            expect(server.run("""
echo "${left-none}" /tmp/* $(type -t leave)
echo x >/tmp/left; left=1; export left; leave() { :; }; set -- 1; shopt -s nullglob; trap : EXIT
""", "sh"), "none /tmp/*\n")


def vector_state(server):
    """The vector registers of one run are not seen by the next."""
    for _ in range(4):
        expect(server.run("""
import ctypes, mmap
m = mmap.mmap(-1, 4096, prot=7)
# vmovdqu %ymm13, (%rdi); vpcmpeqd %ymm13, %ymm13, %ymm13; ret
m.write(bytes.fromhex("c57e7f2f c4411576ed c3"))
b = ctypes.create_string_buffer(32)
ctypes.CFUNCTYPE(None, ctypes.c_void_p)(ctypes.addressof(ctypes.c_char.from_buffer(m)))(b)
print(b.raw == b"\\xff" * 32)
"""), "False\n")


def uniqueness(server):
    numbers = []
    for _ in range(8):
        answer = server.run("import random, secrets, uuid, numpy\n"
                            "print(random.random(), secrets.token_hex(8), uuid.uuid4(), numpy.random.rand())")
        numbers += answer["stdout"].split()
        answer = server.run("console.log(Math.random(), require('crypto').randomUUID())", "node")
        numbers += answer["stdout"].split()
    equal((len(numbers), len(set(numbers))), (48, 48))


def clocks(server):
    wall = lambda: float(server.shell("date +%s"))  # to the second before
    for _ in range(4):
        before = wall()
        answer = server.run("import time; a = time.monotonic(); time.sleep(0.05); b = time.monotonic(); print(time.time(), a, b)")
        now, first, second = map(float, answer["stdout"].split())
        if not (before <= now <= wall() + 1 and 0 < first < first + 0.05 <= second < 1000):
            raise AssertionError(f"{before} {now} {first} {second}")
    before = wall()
    answer = server.run("console.log(Date.now() / 1e3, performance.now())", "node")
    now, since = map(float, answer["stdout"].split())
    equal((before <= now <= wall() + 1, 0 < since < 1000 * PATIENCE), (True, True))


def kernel_overwritten(server):
    for byte in (0xf4, 0x00, 0xcc, 0x90):
        answer = server.post("/v1/exec", {
            "code": f"import ctypes; ctypes.memset({KERNEL}, {byte}, 0x8000)", "timeout_seconds": 5})
        equal((byte, answer.status in (200, 500)), (byte, True))
        expect(server.run("print(5)"), "5\n")


def hostile_cpl0(server):
    """What stands at LSTAR is reached at CPL0, with the program's stack: an
    exception there makes the guest's own kernel see an old frame."""
    for name, code in (("hlt", "f4"), ("cr3", "31c00f22d8"), ("cr0", "31c00f22c0"), ("wrmsr", "b9820000c00f30f4"),
                       ("lidt", "6a006a000f011c24cc"), ("vmrun", "0f01d8f4"), ("vmmcall", "0f01d9f4"),
                       ("out", "66ba8000eef4"), ("loop", "ebfe")):
        answer, _ = server.cut(f"""
import ctypes, os
kernel, code = {KERNEL}, bytes.fromhex("{code}")
at = ctypes.string_at(kernel, 0x40000).find(bytes.fromhex("8cccf7c403000000")) # mov %cs, %esp; test $3, %esp
assert at > 0
print("found", flush=True)
ctypes.memmove(kernel + at, code, len(code))
os.getppid()
""")
        if answer.status == 200:
            equal((name, json.loads(answer.body)["stdout"]), (name, "found\n"))
            equal((name, json.loads(answer.body)["exit_code"] in (-1, 139)), (name, True))
        else:
            equal((name, answer.status), (name, 500))
        expect(server.run("print(5)"), "5\n")


TABLE_ENTRY = f"import ctypes; entry = ctypes.c_uint64.from_address({PAGE_TABLES + 8 * 300}); print(entry.value)"


def page_table_changed(server, number=None):
    """number rises with it; without one the VM is recycled."""
    with server.rises(number or server.recycled):
        expect(server.run(TABLE_ENTRY + "; entry.value = 2"), "0\n")
        for _ in range(4): # a discarded VM is told with the next answer
            expect(server.run(TABLE_ENTRY), "0\n")


def page_table_costs(server):
    page_table_changed(server, lambda: server.discarded("page_tables"))


REMAP = f"""
import ctypes
def entries(table): return (ctypes.c_uint64 * 512).from_address({ZB_KERNEL_BASE} + (table & 0xffffffffff000))
def entry(address):
    table = {PAGE_TABLES - ZB_KERNEL_BASE}
    for shift in (39, 30, 21):
        table = entries(table)[address >> shift & 511]
    return entries(table), address >> 12 & 511
victim = id(json := __import__("json")) & ~0xfff
"""


def page_table_restored(server):
    """An entry is changed, used and put back; memory shows nothing of it."""
    attack = REMAP + """
spare = ctypes.create_string_buffer(3 * 4096)
page = (ctypes.addressof(spare) + 4095) & ~4095
ctypes.memmove(page, victim, 4096)
(a, i), (b, j) = entry(victim), entry(page)
old = a[i]
a[i] = (old & 0xfff0000000000fff) | (b[j] & 0xffffffffff000)
ctypes.string_at(victim, 8)
json.planted = 1
a[i] = old
print("done")
"""
    for _ in range(3):
        expect(server.run(attack), "done\n")
        for _ in range(2):
            expect(server.run("import json; print(hasattr(json, 'planted'), json.dumps([1]))"), "False [1]\n")


def quiet(server):
    """The log has no line but requests' and what is expected."""
    equal([line for line in server.logged().splitlines() if "zeroboot: " in line and not harness.LOG_LINE.match(line)], [])


def recycling_is_used(server):
    # A slow machine may leave the training unfinished.
    reasons = ("page_tables", "processes", "registers", "grew", "failed")
    equal({r: server.discarded(r) for r in reasons}, {r: 0 for r in reasons})
    equal(server.metric('zeroboot_forks_total{kind="fresh"}') < server.recycled(), True)


# ---- more servers ----

def verified(inside, report, *languages):
    """The debug build compares every recycled VM with its template, and a
    worker that finds a difference ends with a message."""
    with Server(inside, "--workers", "1", binary="zeroboot-debug") as server:
        def runs():
            with server.rises(server.recycled, 6):
                for code, language in 2 * [run for run in (
                        ("import numpy; print(numpy.ones(3).sum())", "python"), ("console.log([1].map(String))", "node"),
                        ("import threading; t = threading.Thread(target=print); t.start(); t.join()", "python"),
                        ("open('/tmp/x', 'w').write('x' * 100000)", "python"),
                        (TABLE_ENTRY + "; entry.value = 2", "python")) if run[1] in languages]:
                    equal(server.run(code, language)["exit_code"], 0)
            quiet(server)
        report.check("a recycled VM equals its template in every byte, register and MSR", runs)


def without_nesting(inside, report, programs):
    """From here on KVM walks the page tables in software; guest programs that way."""
    def load():
        output, status = inside.run(f"rmmod {inside.module} && insmod /modules/{inside.module.replace('_', '-')}.ko {inside.nested}=0")
        equal((output.strip(), status), ("", 0))

    report.check(f"shadow paging: {inside.module} takes {inside.nested}=0", load)
    for name in programs:
        report.check(f"shadow paging: guest program {name} says what it says on Linux", guest_program, inside, name)


def shadow_paging(inside, report, programs=()):
    """Guest programs and a server with shadow paging."""
    without_nesting(inside, report, programs)
    with Server(inside, "--workers", "1") as server:
        for name, test in (("exec", exec_python), ("isolation", isolation), ("ordinary runs are recycled", recycling_is_used),
                           ("a page table that is changed costs the VM", page_table_costs),
                           ("one that is put back does not reach the next run", page_table_restored)):
            report.check(f"shadow paging: {name}", test, server)


def hostile(inside, report, parts):
    """parts: of the names of tests/hostile.py's attacks."""
    output, status = inside.run("mkdir -p /tmp/h; ln -s /test/hostile.img /tmp/h; /test/zeroboot template build "
                                "-o /tmp/h/hostile.zbt --memory 32 --program /hostile /tmp/h/hostile.img")
    report.line("the hostile template is built", output if status else None)
    with Server(inside, "--workers", "1", templates="/tmp/h") as server:
        done = subprocess.run([sys.executable, TOP / "tests/hostile.py", "--nested", f"127.0.0.1:{server.port}", *parts],
                              capture_output=True, text=True, timeout=3 * PATIENCE_HERE)
        tried = re.findall(r"^(ok|not ok) - hostile: (.*)$", done.stdout, re.M)
        for part in parts:
            ended = [how for how, name in tried if part in name]
            report.line(f"hostile: {part}: {len(ended)} attacks are met",
                        None if ended and set(ended) == {"ok"} else done.stdout + done.stderr)
