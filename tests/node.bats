# node.bats: JavaScript over a socket: isolation, uniqueness, clocks, limits.

load helpers

# Memory is measured: what AddressSanitizer keeps back is not to grow with it.
setup_file() {
	export ASAN_OPTIONS=$ASAN_OPTIONS:quarantine_size_mb=1:detect_stack_use_after_return=0
	start_server --workers 3
}
teardown_file() { stop_server; }

js() { run_code "$1" "${2:-250}" node; }

@test "node: exec answers, under both names" {
	answer=$(js 'console.log(1 + 1); console.error("e"); process.exitCode = 3')
	[ "$(field "$answer" stdout)" = 2 ]
	[ "$(field "$answer" stderr)" = e ]
	[ "$(field "$answer" exit_code)" = 3 ]
	[ "$(field "$(run_code 'console.log("j")' 5 javascript)" stdout)" = j ]
	curl -s "$(url /v1/health)" | grep -q '"node":{"ready":true,"memory_mb":256}'
}

@test "node: no file, global or module change reaches the next run" {
	for _ in 1 2 3 4 5 6 7; do
		answer=$(js 'const fs = require("fs");
console.log(fs.existsSync("/tmp/left"), globalThis.left, fs.left, Array.prototype.left, process.env.LEFT, fs.readdirSync("/tmp"), fs.readdirSync("/app"));
fs.writeFileSync("/tmp/left", "x"); globalThis.left = fs.left = Array.prototype.left = 1; process.env.LEFT = "1"; fs.writeFileSync("/app/left", "")')
		[ "$(field "$answer" stdout)" = "false undefined undefined undefined undefined [] [ 'main.js' ]" ]
	done
}

@test "node: no two runs draw the same numbers" {
	for _ in $(seq 12); do
		answer=$(js 'const c = require("crypto"), vm = require("vm"), { Worker } = require("worker_threads");
const draw = "[Math.random(), c.randomUUID(), c.randomBytes(8).toString(`hex`), c.getRandomValues(new Uint32Array(2)).join(`-`), c.randomInt(2 ** 40)]";
console.log(eval(draw).join("\n"));
console.log(vm.runInNewContext("Math.random()"), "\n" + require("fs").mkdtempSync("/tmp/a-"), "\n" + c.generateKeyPairSync("ed25519").publicKey.export({ format: "jwk" }).x);
c.randomBytes(8, (e, b) => console.log(b.toString("hex")));
c.webcrypto.subtle.generateKey({ name: "AES-GCM", length: 128 }, true, ["encrypt"]).then((k) => c.subtle.exportKey("raw", k)).then((k) => console.log(Buffer.from(k).toString("hex")));
new Worker("const c = require(`crypto`); require(`worker_threads`).parentPort.postMessage(" + draw + ")", { eval: true }).on("message", (m) => console.log(m.join("\n")));')
		echo "$answer"
		[ "$(field "$answer" exit_code)" = 0 ]
		field "$answer" stdout >>"$BATS_TEST_TMPDIR/numbers"
	done
	[ "$(wc -l <"$BATS_TEST_TMPDIR/numbers")" -ge 180 ]
	[ -z "$(sort "$BATS_TEST_TMPDIR/numbers" | uniq -d)" ]
}

@test "node: clocks are right after the fork" {
	before=$(date +%s%3N)
	answer=$(js 'console.log(Date.now(), performance.now(), performance.timeOrigin + performance.now(), process.uptime(), Date.now())')
	after=$(date +%s%3N)
	python3 -c 'import sys
now, since, origin, uptime, later, before, after = map(float, sys.argv[1].split() + sys.argv[2:])
assert before <= now <= later <= after and now - 20 < origin < later + 20 and 0 < since < 300000 and 0 < uptime < 300, sys.argv' "$(field "$answer" stdout)" "$before" "$after"
}

@test "node: endless loops end with the timeout, wherever they are" {
	for code in 'while (true);' 'function f() { Promise.resolve().then(f); } f();' 'setInterval(() => {}, 1000)' \
		'(function f() { process.nextTick(f); })()' 'await new Promise(() => setTimeout(() => {}, 1e6))' \
		'new (require("worker_threads").Worker)("for (;;);", { eval: true })'; do
		run_cut "console.log('begun');"$'\n'"$code" node
		[ "$(field "$answer" exit_code)" = -1 ]
		[ "$(field "$answer" stdout)" = begun ]
		[ "$(field "$answer" stderr)" = "Execution timed out after ${seconds}s" ]
	done
	[ "$(field "$(js 'console.log(5)')" stdout)" = 5 ]
}

@test "node: a heap that overflows gives Node's own fatal error and 134" {
	for code in 'const a = []; for (;;) a.push(new Array(1e5).fill({}));' 'const a = []; for (;;) a.push(new Map([[{}, {}]]));' \
		'let s = "x"; const k = []; for (;;) { s += s.slice(0, 1 << 20); k.push(JSON.stringify(s + k.length)); }'; do
		answer=$(js "$code")
		[ "$(field "$answer" exit_code)" = 134 ]
		[[ "$(field "$answer" stderr)" == *"JavaScript heap out of memory"* ]]
	done
	[ "$(field "$(js 'console.log(5)')" stdout)" = 5 ]
}

@test "node: memory outside the heap, recursion, crashes and signals end honestly" {
	answer=$(js 'const a = []; for (;;) a.push(Buffer.alloc(1 << 20, 1));')
	[[ "$(field "$answer" stderr)" =~ ERR_MEMORY_ALLOCATION_FAILED|"JavaScript heap out of memory" || "$(field "$answer" exit_code)" = 137 ]]
	[[ "$(field "$(js 'function f() { f(); } f();')" stderr)" == *"RangeError: Maximum call stack size exceeded"* ]]
	[ "$(field "$(js 'process.kill(process.pid, "SIGSEGV")')" exit_code)" = 139 ]
	[ "$(field "$(js 'process.abort()')" exit_code)" = 134 ]
	[[ "$(field "$(js 'new (require("worker_threads").Worker)("const a = []; for (;;) a.push(new Array(1e5).fill(1));", { eval: true }).on("error", (e) => console.log(e.code));')" stdout)" == ERR_WORKER_OUT_OF_MEMORY ]]
	[ "$(field "$(js 'console.log(5)')" stdout)" = 5 ]
}

@test "node: a mixed batch of both languages under load gets every answer right" {
	python3 - "$port" <<'PY'
import concurrent.futures, json, sys, urllib.request

def batch(n):
    runs = []
    for i in range(16):
        k = n * 100 + i
        runs.append([{"code": f"print({k} * 2)"},
                     {"code": f"console.log({k} * 2)", "language": "node"},
                     {"code": f"setTimeout(() => console.log({k} * 2), 3)", "language": "javascript"},
                     {"code": f"import threading\nt = threading.Thread(target=lambda: print({k} * 2)); t.start(); t.join()"}][i % 4])
    body = json.dumps({"executions": runs}).encode()
    request = urllib.request.Request(f"http://127.0.0.1:{sys.argv[1]}/v1/exec/batch", body, {"Content-Type": "application/json"})
    answers = json.load(urllib.request.urlopen(request))["results"]
    for i, answer in enumerate(answers):
        assert answer.get("stdout") == f"{(n * 100 + i) * 2}\n" and answer["exit_code"] == 0, (n, i, answer)

with concurrent.futures.ThreadPoolExecutor(6) as pool:
    for done in [pool.submit(batch, n) for n in range(30)]:
        done.result()
PY
}

@test "node: memory is the same after 1,000 runs" {
	python3 - "$port" "$server" <<'PY'
import http.client, json, pathlib, subprocess, sys, time
port, server = sys.argv[1:]
connection = http.client.HTTPConnection("127.0.0.1", int(port))

def run(n):
    for i in range(n):
        code = f"console.log(JSON.stringify(Array.from({{ length: 500 }}, (_, i) => ({{ i, x: Math.random() }}))).length > {i})"
        connection.request("POST", "/v1/exec", json.dumps({"code": code, "language": "node"}), {"Content-Type": "application/json"})
        assert json.load(connection.getresponse())["stdout"] == "true\n"

def memory():
    """KiB that the server and its workers have written."""
    pids = [server] + subprocess.run(["ps", "-o", "pid=", "--ppid", server], capture_output=True, text=True).stdout.split()
    total = 0
    for pid in pids:
        for line in pathlib.Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
            if line.startswith("Private_Dirty"):
                total += int(line.split()[1])
    return total

def settled():
    """Once workers have nothing more to do of their own accord."""
    last = None
    for _ in range(60):
        now = memory()
        if now == last:
            break
        last = now
        time.sleep(1)
    return now

run(300)
before = settled()
run(1000)
after = settled()
assert after < before * 1.05 + 1024, (before, after)
PY
}
