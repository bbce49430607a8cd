// The Node package as it is installed, against the server and the fake one.
import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { createRequire } from "node:module";
import * as zeroboot from "@zeroboot/sdk";

const { Sandbox } = zeroboot;
const { SERVER, KEYED, SMALL, FAKE } = process.env;
const everyByte = Uint8Array.from({ length: 768 }, (_, i) => i % 256);
let failed = 0;

async function raises(kind, promise) {
	const error = await promise.then(
		() => assert.fail("nothing was thrown"),
		(e) => e,
	);
	assert.equal(error.constructor, kind, String(error.stack));
	assert(error instanceof zeroboot.ZerobootError && error.name === kind.name);
	return error;
}

async function metric(name) {
	const text = await (await fetch(`${SERVER}/metrics`)).text();
	return Number(text.split("\n").find((line) => line.startsWith(name + " ")).split(" ")[1]);
}

async function until(condition) {
	while (!(await condition())) await new Promise((resolve) => setTimeout(resolve, 10));
}

function fake(scenario, options) {
	const client = `node-${randomBytes(4).toString("hex")}`;
	const asked = async () => Number(await (await fetch(`${FAKE}/asked/${scenario}/${client}`)).text());
	return [new Sandbox("key", `${FAKE}/${scenario}/${client}`, options), asked];
}

const tests = {
	"a run's output, exit code, times and usage": async () => {
		const r = await new Sandbox(undefined, SERVER).run("import sys; print(2); print('no', file=sys.stderr); sys.exit(3)");
		assert.deepEqual([r.stdout, r.stderr, r.exit_code, r.status], ["2\n", "no\n", 3, "error"]);
		assert(r.id.length === 36 && r.total_time_ms >= r.exec_time_ms && r.exec_time_ms > 0);
		assert(r.usage.cpu_ms > 0 && r.usage.peak_memory_mb > 1 && r.usage.system_calls > 0);
	},
	"the original SDK's calls": async () => {
		const sandbox = new Sandbox("any-key", SERVER + "/");
		assert.equal((await sandbox.run("console.log(2)", { language: "node", timeout: 10 })).stdout, "2\n");
		const results = await sandbox.runBatch(["echo 1", "echo 2"], { language: "sh" });
		assert.deepEqual(results.map((r) => r.stdout), ["1\n", "2\n"]);
	},
	"standard input, arguments, environment": async () => {
		const code = "import sys, os; print(list(sys.stdin.buffer.read()), sys.argv[1:], os.environ['A'])";
		const options = { stdin: everyByte, args: ["x", "", "ü"], env: { A: "b c" } };
		const r = await new Sandbox(undefined, SERVER).run(code, options);
		assert.equal(r.stdout, `[${[...everyByte].join(", ")}] ['x', '', 'ü'] b c\n`);
	},
	"files in and out, byte by byte": async () => {
		const code = "d = open('in/ü.bin', 'rb').read(); open('out.bin', 'wb').write(d[::-1]); open('t', 'w').write('ü')";
		for (const data of [everyByte, everyByte.buffer, new Uint8Array(everyByte.buffer, 0)]) {
			const options = { files: { "in/ü.bin": data }, outputs: ["*.bin", "t", "missing"] };
			const r = await new Sandbox(undefined, SERVER).run(code, options);
			assert.deepEqual(Object.keys(r.files).sort(), ["out.bin", "t"]);
			assert.deepEqual([...r.files["out.bin"]], [...everyByte].reverse());
			assert.equal(Buffer.from(r.files["t"]).toString(), "ü");
		}
	},
	"output that is not UTF-8": async () => {
		const code = "import sys; sys.stdout.buffer.write(bytes(range(256)))";
		const r = await new Sandbox(undefined, SERVER).run(code, { binary: true });
		assert.deepEqual([...r.stdout_bytes], [...everyByte.slice(0, 256)]);
		assert(r.stdout.includes("\ufffd"));
	},
	"timeout, signal, memory limit": async () => {
		const sandbox = new Sandbox(undefined, SERVER);
		const late = await sandbox.run("print('here', flush=True)\nwhile True: pass", { timeout: 1 });
		assert.deepEqual([late.exit_code, late.status, late.stdout], [-1, "timeout", "here\n"]);
		const killed = await sandbox.run("import os; os.kill(os.getpid(), 11)");
		assert.deepEqual([killed.exit_code, killed.status, killed.signal], [139, "signal", "SIGSEGV"]);
		assert.notEqual((await sandbox.run("x = bytearray(200 << 20)", { memory_mb: 100 })).exit_code, 0);
	},
	"a batch, of strings and of executions with their own options": async () => {
		const own = { code: "echo $1", language: "sh", args: ["own"] };
		const bytes = { code: "import sys; sys.stdout.buffer.write(b'\\xff')", binary: true };
		const codes = ["print(input())", own, bytes, "raise SystemExit(4)"];
		const results = await new Sandbox(undefined, SERVER).runBatch(codes, { stdin: "a\n" });
		assert.deepEqual(results.map((r) => r.exit_code), [0, 0, 0, 4]);
		assert.deepEqual(results.map((r) => Buffer.from(r.stdout_bytes).toString("hex")), ["610a", "6f776e0a", "ff", ""]);
	},
	"one program over many inputs": async () => {
		const sandbox = new Sandbox(undefined, SERVER);
		const code = "import sys, os; sys.stdout.buffer.write(sys.stdin.buffer.readline()); print(sys.argv[1:], os.environ.get('A'), file=sys.stderr)";
		const inputs = ["1 ü", Uint8Array.of(255), { stdin: everyByte.buffer.slice(1, 4), args: ["y"], env: { A: "b" } }];
		const results = await sandbox.runInputs(code, inputs, { args: ["x"], binary: true });
		assert.deepEqual(results.map((r) => Buffer.from(r.stdout_bytes).toString("hex")), ["3120c3bc", "ff", "010203"]);
		assert.deepEqual(results.map((r) => r.stderr), ["['x'] None\n", "['x'] None\n", "['y'] b\n"]);
		await raises(zeroboot.BadRequestError, sandbox.runInputs("1", []));
	},
	"health": async () => {
		const health = await new Sandbox(undefined, SERVER).health();
		assert(health.status === "ok" && health.templates.python.ready);
	},
	"what the server refuses is an error of its kind": async () => {
		const sandbox = new Sandbox(undefined, SERVER);
		const e = await raises(zeroboot.BadRequestError, sandbox.run("1", { language: "cobol" }));
		assert(e.status === 400 && e.reason.includes("cobol") && e instanceof zeroboot.ApiError);
		assert(e.message.startsWith("API error (400): "));
		await raises(zeroboot.NotFoundError, new Sandbox("k", SERVER + "/elsewhere").run("1"));
		await raises(zeroboot.TooLargeError, new Sandbox("k", SMALL).run("1", { stdin: "x".repeat(8000000) }));
	},
	"keys": async () => {
		await raises(zeroboot.AuthenticationError, new Sandbox("wrong", KEYED).run("1"));
		assert.equal((await new Sandbox("first-key", KEYED).run("print(1)")).exit_code, 0);
	},
	"a rate limit is an error with retryAfter, and passes with retries": async () => {
		const hasty = new Sandbox("third-key", KEYED, { retries: 0 });
		const codes = Array(100).fill({ code: "", language: "sh" });
		let error;
		for (let i = 0; i < 50 && !error; i++) error = await hasty.runBatch(codes).then(() => undefined, (e) => e);
		assert(error instanceof zeroboot.RateLimitError && error.retryAfter >= 1, String(error));
		assert.equal((await new Sandbox("third-key", KEYED).run("", { language: "sh" })).exit_code, 0);
	},
	"runs one after the other share a connection": async () => {
		await metric("zeroboot_http_connections_total"); // fetch keeps its own
		const before = await metric("zeroboot_http_connections_total");
		const sandbox = new Sandbox(undefined, SERVER);
		for (let i = 0; i < 20; i++) assert.equal((await sandbox.run(`print(${i})`)).stdout, `${i}\n`);
		assert((await metric("zeroboot_http_connections_total")) - before <= 2);
		sandbox.close();
	},
	"30 runs at once": async () => {
		const sandbox = new Sandbox(undefined, SERVER);
		const results = await Promise.all(Array.from({ length: 30 }, (_, i) => sandbox.run(`print(${i})`)));
		results.forEach((r, i) => assert.equal(r.stdout, `${i}\n`));
	},
	"lengths, chunks, answers up to the end of the connection": async () => {
		for (const scenario of ["good", "chunked", "to-the-end"]) {
			const [sandbox] = fake(scenario);
			for (const count of ["1", "2", "3"]) assert.equal((await sandbox.run("")).stdout, count);
		}
	},
	"a connection that ended while it was idle is not used again": async () => {
		const [sandbox] = fake("closes");
		for (const count of ["1", "2", "3", "4"]) {
			assert.equal((await sandbox.run("")).stdout, count);
			for (let i = 0; i < 5; i++) await new Promise(setImmediate); // its end is an event of its own
		}
	},
	"429 and 503 are asked again": async () => {
		for (const scenario of ["full-twice", "fast-twice"]) {
			const [sandbox, asked] = fake(scenario);
			assert.equal((await sandbox.run("")).stdout, "3");
			assert.equal(await asked(), 3);
		}
	},
	"not for ever, and not where the wait is long": async () => {
		const [sandbox, asked] = fake("full", { retries: 2 });
		await raises(zeroboot.UnavailableError, sandbox.run(""));
		assert.equal(await asked(), 3);
		const [other, count] = fake("full-for-long");
		assert.equal((await raises(zeroboot.UnavailableError, other.run(""))).retryAfter, 3600);
		assert.equal(await count(), 1);
	},
	"500, lost connections, answers of others are not": async () => {
		const { ServerError, ConnectionLostError, ProtocolError } = zeroboot;
		const kinds = {
			...{ fails: ServerError, gateway: ServerError, ends: ConnectionLostError, resets: ConnectionLostError },
			...{ cut: ConnectionLostError, "cut-chunk": ConnectionLostError, "no-http": ProtocolError },
			...{ "no-json": ProtocolError, "other-json": ProtocolError },
		};
		for (const [scenario, kind] of Object.entries(kinds)) {
			const [sandbox, asked] = fake(scenario);
			await raises(kind, sandbox.run(""));
			assert.equal(await asked(), 1, scenario);
		}
	},
	"an answer that comes before the body has gone is read": async () => {
		const [sandbox] = fake("early");
		await raises(zeroboot.TooLargeError, sandbox.run("x".repeat(8 << 20)));
	},
	"no answer in time": async () => {
		for (const scenario of ["hangs", "slow-body"]) {
			const [sandbox] = fake(scenario, { patience: 0.2 });
			await raises(zeroboot.AnswerTimeoutError, sandbox.run("", { timeout: 0 }));
		}
	},
	"no server": async () => {
		await raises(zeroboot.ConnectError, new Sandbox("k", "http://127.0.0.1:1").run(""));
	},
	"an aborted run ends": async () => {
		const before = await metric("zeroboot_cancelled_total");
		const abort = new AbortController();
		const run = new Sandbox(undefined, SERVER).run("while True: pass", { timeout: 280, signal: abort.signal });
		const settled = run.catch((e) => e);
		await until(async () => (await metric("zeroboot_concurrent_forks")) > 0);
		abort.abort();
		assert.equal((await settled).name, "AbortError");
		await until(async () => (await metric("zeroboot_cancelled_total")) > before);
	},
	"a stream: what is written, in order, and the result": async () => {
		const code = "import sys\nfor i in range(3):\n print('out', i)\n print('err é', i, file=sys.stderr)\nsys.exit(4)";
		const stream = new Sandbox(undefined, SERVER).stream(code);
		const text = { stdout: "", stderr: "" };
		for await (const output of stream) text[output.stream] += output.text;
		assert.deepEqual(text, { stdout: "out 0\nout 1\nout 2\n", stderr: "err é 0\nerr é 1\nerr é 2\n" });
		assert.deepEqual([stream.result.exit_code, stream.result.status, stream.result.stdout], [4, "error", ""]);
	},
	"a stream comes while the program runs, and who leaves ends it": async () => {
		const before = await metric("zeroboot_cancelled_total");
		const stream = new Sandbox(undefined, SERVER).stream("import time; print('here'); time.sleep(250)", { timeout: 280 });
		for await (const output of stream) {
			assert.equal(output.text, "here\n");
			break;
		}
		assert.equal(stream.result, undefined);
		await until(async () => (await metric("zeroboot_cancelled_total")) > before);
	},
	"a stream of bytes, of 3 MB, of one that its time cuts off": async () => {
		const sandbox = new Sandbox(undefined, SERVER);
		const write = "import sys\nfor i in range(3):\n sys.stdout.buffer.write(bytes(range(256))); sys.stdout.flush()";
		const parts = [];
		for await (const output of sandbox.stream(write, { binary: true })) parts.push(output.data);
		assert.deepEqual([...Buffer.concat(parts)], [...everyByte]);
		let size = 0;
		for await (const output of sandbox.stream("for i in range(3000): print('é' * 999)")) size += output.text.length;
		assert.equal(size, 3000000);
		const late = sandbox.stream("while True: pass", { timeout: 1 });
		for await (const output of late) assert.fail(output.text);
		assert(late.result.status === "timeout" && late.result.stderr.includes("timed out"));
	},
	"a stream's errors": async () => {
		const all = async (stream) => {
			const texts = [];
			try {
				for await (const output of stream) texts.push(output.text);
			} catch (error) {
				return [texts, error.constructor.name];
			}
			return [texts, "none"];
		};
		assert.deepEqual(await all(new Sandbox(undefined, SERVER).stream("1", { language: "cobol" })), [[], "BadRequestError"]);
		const kinds = {
			...{ "stream-cut": "ConnectionLostError", "stream-short": "ConnectionLostError", "stream-fails": "ServerError" },
			...{ "stream-bad": "ProtocolError", stream: "none" },
		};
		for (const [scenario, kind] of Object.entries(kinds)) {
			const [sandbox, asked] = fake(scenario);
			assert.deepEqual(await all(sandbox.stream("")), [["1 é"], kind], scenario);
			assert.equal(await asked(), 1, scenario);
		}
		const [full, asked] = fake("stream-full-twice");
		assert.deepEqual([await all(full.stream("")), await asked()], [[["3 é"], "none"], 3]);
		const [slow] = fake("hangs", { patience: 0.2 });
		assert.deepEqual(await all(slow.stream("", { timeout: 0 })), [[], "AnswerTimeoutError"]);
		const abort = new AbortController();
		const code = "import time; print(1); time.sleep(250)";
		const aborted = new Sandbox(undefined, SERVER).stream(code, { timeout: 280, signal: abort.signal });
		const error = await (async () => {
			for await (const output of aborted) abort.abort(output);
		})().catch((e) => e);
		assert(error instanceof zeroboot.ZerobootError, String(error));
	},
	"a session keeps its state, is found, listed, and gone when it is disposed of": async () => {
		const sandbox = new Sandbox(undefined, SERVER);
		const s = await sandbox.session();
		const r = await s.run("import sys\nx = [1, len(sys.stdin.read())]\nprint('out')", { stdin: "abc" });
		assert.deepEqual([s.id.length, s.language, r.stdout, r.result, r.exit_code], [36, "python", "out\n", undefined, 0]);
		assert.equal((await s.run("x.append(2)\nx")).result, "[1, 3, 2]");
		assert.equal((await s.run("1 / 0")).status, "error");
		assert.equal((await sandbox.sessions()).filter((one) => one.id === s.id).length, 1);
		const about = await s.info();
		assert.deepEqual([about.id, about.language, about.runs, about.idle_seconds, about.reason], [s.id, "python", 3, 600, undefined]);
		assert(about.memory_mb > 0 && about.created <= about.last_used && ["live", "parked"].includes(about.state));
		assert.equal((await (await sandbox.getSession(s.id)).run("x")).result, "[1, 3, 2]");
		await s[Symbol.asyncDispose]();
		for (const gone of [s.run("1"), s.fork(), s.info(), s.delete(), sandbox.getSession(s.id), sandbox.getSession("../exec")])
			await raises(zeroboot.NotFoundError, gone);
		await s.close();
	},
	"a session has options, its runs have, and it forks": async () => {
		const options = { language: "sh", idle_seconds: 50, env: { A: "b c" }, files: { "/tmp/f": everyByte } };
		const s = await new Sandbox(undefined, SERVER).session(options);
		assert.deepEqual([s.language, (await s.info()).idle_seconds], ["sh", 50]);
		const r = await s.run("n=$((n + 1)); cat /tmp/f; echo $A $1 >out", { args: ["x"], binary: true, outputs: ["out"] });
		assert.deepEqual([...r.stdout_bytes], [...everyByte]);
		assert.equal(Buffer.from(r.files.out).toString(), "b c x\n");
		const [a, b] = await s.fork(2);
		await a.run("n=a");
		await b.run("n=b");
		const texts = await Promise.all([s, a, b].map(async (one) => (await one.run("echo $n $D", { env: { D: "e" } })).stdout));
		assert.deepEqual(texts, ["1 e\n", "a e\n", "b e\n"]);
		await Promise.all([s, a, b].map((one) => one.close()));
		await raises(zeroboot.BadRequestError, new Sandbox(undefined, SERVER).session({ language: "cobol" }));
	},
	"a session becomes a template": async () => {
		const sandbox = new Sandbox(undefined, SERVER);
		const s = await sandbox.session({ language: "node" });
		await s.run("const x = [1, 2, 3]");
		const made = await s.template("data-node");
		assert.deepEqual([made.name, made.language, made.sessions], ["data-node", "node", 0]);
		assert.equal((await raises(zeroboot.NameTakenError, s.template("data-node"))).status, 409);
		await raises(zeroboot.BadRequestError, s.template("A"));
		assert.deepEqual((await sandbox.templates()).map((one) => one.name), ["data-node"]);
		assert.equal((await sandbox.run("x.push(4); console.log(x.length)", { language: "data-node" })).stdout, "4\n");
		await s.close();
		await sandbox.deleteTemplate("data-node");
		await raises(zeroboot.NotFoundError, sandbox.deleteTemplate("data-node"));
		assert.deepEqual(await sandbox.templates(), []);
	},
	"a session that ends, goes back, is too large, is deleted: errors of their kind": async () => {
		process.env.ZEROBOOT_BASE_URL = SERVER;
		const s = await Sandbox.session({ language: "node" });
		delete process.env.ZEROBOOT_BASE_URL;
		assert.equal((await s.run("process.exit(3)")).exit_code, 3);
		const e = await raises(zeroboot.SessionEndedError, s.run("1"));
		assert.deepEqual([e.status, e.reason], [410, (await s.info()).reason]);
		await s.close();
		const back = await new Sandbox(undefined, SERVER).session({ language: "node", on_timeout: "rollback" });
		await back.run("let x = 1");
		assert.equal((await back.run("x = 2; for (;;);", { timeout: 1 })).status, "timeout");
		assert.equal((await back.run("x")).result, "1");
		const forks = await metric("zeroboot_concurrent_forks");
		const run = back.run("for (;;);", { timeout: 280 });
		const refused = raises(zeroboot.SessionDeletedError, run);
		await until(async () => (await metric("zeroboot_concurrent_forks")) > forks);
		await back.delete();
		await refused;
		const small = await new Sandbox(undefined, SMALL).session();
		const large = await raises(zeroboot.SessionTooLargeError, small.run("import random; x = random.randbytes(8 << 20)"));
		assert(large.status === 507 && large instanceof zeroboot.ServerError);
		await small.close();
	},
	"a session streams, and is interrupted": async () => {
		const s = await new Sandbox(undefined, SERVER).session({ on_timeout: "interrupt" });
		const stream = s.stream("print('é')\nx = 1\nx + 1");
		for await (const output of stream) assert.equal(output.text, "é\n");
		assert.equal(stream.result.result, "2");
		const spins = s.stream("print('on', flush=True)\nwhile True: x += 1", { timeout: 280 });
		const texts = [];
		for await (const output of spins) if (texts.push(output.text) === 1) await s.interrupt();
		assert(texts[0] === "on\n" && texts.join("").includes("KeyboardInterrupt"));
		assert.equal(spins.result.exit_code, 130);
		for await (const _ of s.stream("y = 1; print('on', flush=True)\nwhile True: pass", { timeout: 280 })) break;
		assert.equal((await s.run("x > 1, y")).result, "(True, 1)");
		await s.interrupt();
		await s.close();
	},
	"a session's files, byte by byte": async () => {
		const s = await new Sandbox(undefined, SERVER).session();
		await s.run("import os; os.makedirs('/tmp/d/sub'); os.chdir('/tmp/d')");
		for (const [path, data] of [["a ü?%#.bin", everyByte], ["/tmp/d/sub/deep/b", new Uint8Array()], ["sub/c", everyByte.buffer]]) {
			await s.writeFile(path, data);
			assert.deepEqual([...(await s.readFile(path))], [...new Uint8Array(data)], path);
		}
		await s.writeFile("./text", "ü");
		assert.equal((await s.run("open('text').read()")).result, "'ü'");
		const found = (await s.listFiles()).sort((a, b) => (a.name < b.name ? -1 : 1));
		const file = (name, size) => ({ name, type: "file", size });
		assert.deepEqual(found, [file("a ü?%#.bin", 768), { name: "sub", type: "directory" }, file("text", 2)]);
		assert.deepEqual([(await s.listFiles(".")).length, (await s.listFiles("/tmp/d/sub")).length], [3, 2]);
		await s.deleteFile("text");
		await raises(zeroboot.NotFoundError, s.readFile("text"));
		await raises(zeroboot.NotFoundError, s.deleteFile("text"));
		await raises(zeroboot.ZerobootError, s.readFile("sub"));
		await raises(zeroboot.ZerobootError, s.listFiles("sub/c"));
		for (const bad of ["../x", "..", ".", "sub", ""]) {
			await raises(zeroboot.BadRequestError, s.writeFile(bad, "x"));
			await raises(zeroboot.BadRequestError, s.deleteFile(bad));
		}
		assert.equal((await s.info()).runs, 2);
		await s.close();
	},
	"keys and addresses that are none": () => {
		for (const [key, url] of [["a\nb"], ["ü"], ["k", "localhost"], ["k", "ftp://x"]])
			assert.throws(() => new Sandbox(key, url), TypeError);
	},
	"what is no content is named": async () => {
		const sandbox = new Sandbox(undefined, "http://127.0.0.1:1");
		const named = (call, name) => assert.rejects(call, { name: "TypeError", message: `${name}: a string or bytes is wanted` });
		await named(async () => sandbox.run("1", { stdin: 5 }), "stdin");
		await named(async () => sandbox.run("1", { files: { a: null } }), "files: a");
		await named(async () => sandbox.runInputs("1", [{ stdin: {} }]), "stdin");
	},
	"CommonJS has the same names": async () => {
		const required = createRequire(import.meta.url)("@zeroboot/sdk");
		assert.deepEqual(Object.keys(required).sort(), Object.keys(zeroboot).sort());
		assert.equal((await new required.Sandbox(undefined, SERVER).run("print(1)")).stdout, "1\n");
	},
};

for (const [name, test] of Object.entries(tests)) {
	try {
		await test();
		console.log(`ok - sdk: node: ${name}`);
	} catch (e) {
		failed++;
		console.log(`not ok - sdk: node: ${name}\n# ${String(e.stack).replaceAll("\n", "\n# ").slice(0, 1500)}`);
	}
}
process.exit(failed > 0 ? 1 : 0);
