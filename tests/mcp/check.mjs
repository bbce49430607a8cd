// The protocol's own client, over what the first argument says: stdio PROGRAM TEMPLATES, or
// http URL KEY.
import assert from "node:assert/strict";
import { createRequire } from "node:module";

const { resolve } = createRequire(new URL("../../build/cache/mcp/package.json", import.meta.url));
const part = (name) => import(resolve(`@modelcontextprotocol/sdk/${name}.js`));
const { Client } = await part("client/index");
const { StdioClientTransport } = await part("client/stdio");
const { StreamableHTTPClientTransport } = await part("client/streamableHttp");

const [kind, place, extra] = process.argv.slice(2);
const everyByte = Buffer.from(Uint8Array.from({ length: 768 }, (_, i) => i % 256));
let failed = 0;

function transport() {
	if (kind === "stdio")
		return new StdioClientTransport({ command: place, args: ["mcp", "--templates", extra, "--workers", "1"], stderr: "ignore" });
	const headers = { Authorization: `Bearer ${extra}` };
	return new StreamableHTTPClientTransport(new URL(place), { requestInit: { headers } });
}

const client = new Client({ name: "test", version: "1" });
await client.connect(transport());

const call = (name, args, options) => client.callTool({ name, arguments: args }, undefined, options);
const texts = (result) => result.content.filter((c) => c.type === "text").map((c) => c.text);
const codeOf = (promise) =>
	promise.then(
		() => assert.fail("nothing was thrown"),
		(e) => e.code,
	);

const tests = {
	"initialize": () => {
		assert.equal(client.getServerVersion().name, "zeroboot");
		assert.deepEqual(client.getServerCapabilities(), { tools: {} });
		assert(client.getInstructions().includes("virtual machine"));
	},
	"ping": () => client.ping(),
	"a tool for each language and two for sessions, with schemas and hints": async () => {
		const { tools } = await client.listTools();
		assert.deepEqual(tools.map((t) => t.name).sort(), ["end_session", "fork_session", "run_javascript", "run_python", "run_shell"]);
		for (const tool of tools.filter((t) => t.name.startsWith("run_"))) {
			assert.deepEqual(tool.inputSchema.required, ["code"]);
			assert(tool.title && tool.description.length > 80 && tool.annotations.readOnlyHint);
			for (const name of ["code", "stdin", "files", "outputs", "timeout_seconds", "session"]) assert(tool.inputSchema.properties[name]);
		}
		for (const tool of tools.filter((t) => t.name.endsWith("_session"))) {
			assert.deepEqual(tool.inputSchema.required, ["session"]);
			assert(tool.title && tool.description.length > 30 && tool.annotations.openWorldHint === false);
		}
	},
	"a session keeps its state: values, files, directory, images": async () => {
		const code = "import os; os.mkdir('/tmp/d'); os.chdir('/tmp/d'); x = [1]; x";
		const first = texts(await call("run_python", { code, session: "new", files: { "/tmp/given": "text" } }));
		assert.deepEqual([first[0], first[1].replace(/[0-9a-f-]{36}$/, "")], ["result:\n[1]", "session: "]);
		const session = first[1].split(" ")[1];
		const second = await call("run_python", { code: "print(open('/tmp/given').read()); x.append(2); x", session });
		assert.deepEqual(texts(second), ["text\n", "result:\n[1, 2]"]);
		const png = "open('a.png', 'wb').write(bytes.fromhex('89504e470d0a1a0a00ff')); open('a.csv', 'w').write('1')";
		const { content } = await call("run_python", { code: png, outputs: ["*.png", "*.csv"], session });
		assert.deepEqual(content.map((c) => c.type).sort(), ["image", "resource", "text"]);
		const failed = await call("run_python", { code: "x.append(3); 1 / 0", session });
		assert(failed.isError && texts(failed)[0].includes("ZeroDivisionError"));
		const late = await call("run_python", { code: "x = 0\nwhile True: pass", timeout_seconds: 1, session });
		assert.deepEqual(texts(late), ["timed out after 1 s"]);
		assert.deepEqual(texts(await call("run_python", { code: "len(x), os.getcwd()", session })), ["result:\n(3, '/tmp/d')"]);
		assert.deepEqual(texts(await call("run_shell", { code: "true", session })), ["the session is of another language"]);
		assert.deepEqual(texts(await call("end_session", { session })), ["ended"]);
		for (const name of ["run_python", "fork_session", "end_session"]) {
			const gone = await call(name, { code: "1", session });
			assert(gone.isError && texts(gone)[0].startsWith("no such session"), JSON.stringify(gone));
		}
	},
	"a session forks, and ends with its program": async () => {
		const [told] = texts(await call("run_javascript", { code: "let n = 1", session: "new" })).slice(-1);
		const session = told.split(" ")[1];
		const [list] = texts(await call("fork_session", { session, count: 2 }));
		const [, a, b] = list.split("\n");
		await call("run_javascript", { code: "n = 2", session: a });
		await call("run_javascript", { code: "n = 3", session: b });
		const values = await Promise.all([session, a, b].map((s) => call("run_javascript", { code: "n", session: s })));
		assert.deepEqual(values.map((v) => texts(v)[0]), ["result:\n1", "result:\n2", "result:\n3"]);
		const ended = await call("run_javascript", { code: "process.exit(4)", session: a });
		assert.deepEqual(texts(ended), ["exit code 4", "the session has ended, with its program"]);
		const over = await call("run_javascript", { code: "n", session: a });
		assert.deepEqual([texts(over), over.isError], [["the session's program has ended"], true]);
		for (const s of [session, a, b]) assert.deepEqual(texts(await call("end_session", { session: s })), ["ended"]);
	},
	"what each prints": async () => {
		const results = await Promise.all([
			call("run_python", { code: "print(1 + 1)" }),
			call("run_javascript", { code: "console.log(2 + 2)" }),
			call("run_shell", { code: "echo $((3 + 3)) $1", args: ["x"] }),
		]);
		assert.deepEqual(results.map(texts), [["2\n"], ["4\n"], ["6 x\n"]]);
		for (const result of results) assert.equal(result.isError, false);
	},
	"a program that prints nothing": async () => {
		assert.deepEqual(texts(await call("run_python", { code: "" })), ["no output"]);
	},
	"standard error, an exit code": async () => {
		const code = "import sys; print('a'); print('b\\\"\\u00fc', file=sys.stderr); sys.exit(3)";
		const result = await call("run_python", { code });
		assert.deepEqual(texts(result), ["a\n", 'stderr:\nb"ü\n', "exit code 3"]);
		assert.equal(result.isError, true);
	},
	"a timeout, a signal": async () => {
		const late = await call("run_python", { code: "print('here', flush=True)\nwhile True: pass", timeout_seconds: 1 });
		assert.deepEqual(texts(late), ["here\n", "timed out after 1 s"]);
		const killed = await call("run_shell", { code: "kill -9 $$" });
		assert.deepEqual([texts(killed), killed.isError], [["ended by signal 9"], true]);
	},
	"standard input and files": async () => {
		const code = "import lib; print(input(), lib.x, open('d/b', 'rb').read() == bytes(range(256)) * 3)";
		const files = { "lib.py": "x = 5", "d/b": { base64: everyByte.toString("base64") } };
		assert.deepEqual(texts(await call("run_python", { code, stdin: "line\n", files })), ["line 5 True\n"]);
	},
	"images and files come back as such": async () => {
		const code =
			"open('ü 1.png', 'wb').write(bytes.fromhex('89504e470d0a1a0a00ff'))\n" +
			"open('a ü.csv', 'w').write('1,ü\\n'); open('b.bin', 'wb').write(bytes(range(256)))";
		const { content } = await call("run_python", { code, outputs: ["*.png", "*.csv", "*.bin", "missing"] });
		assert.deepEqual(content.find((c) => c.type === "image").data, Buffer.from("89504e470d0a1a0a00ff", "hex").toString("base64"));
		assert.equal(content.find((c) => c.type === "image").mimeType, "image/png");
		const [csv, bin] = content.filter((c) => c.type === "resource").map((c) => c.resource);
		assert.deepEqual(csv, { uri: "file:///app/a%20%C3%BC.csv", mimeType: "text/csv", text: "1,ü\n" });
		assert.equal(bin.uri + bin.mimeType, "file:///app/b.binapplication/octet-stream");
		assert.deepEqual(Buffer.from(bin.blob, "base64"), everyByte.subarray(0, 256));
	},
	"a large result": async () => {
		const result = await call("run_python", { code: "print('\\x01é' * 200000)" });
		assert.equal(result.content[0].text, "\x01é".repeat(200000) + "\n");
		const cut = await call("run_python", { code: "print('x' * 2000000)" });
		assert(texts(cut).some((t) => t.includes("cut")));
	},
	"a large message": async () => {
		const stdin = "é".repeat(2 << 20);
		assert.deepEqual(texts(await call("run_python", { code: "print(len(input()))", stdin })), [`${2 << 20}\n`]);
	},
	"unknown arguments are named": async () => {
		assert.deepEqual(texts(await call("run_python", { code: "print(1)", lang: "x" }))[0], "1\n");
		assert(texts(await call("run_python", { code: "print(1)", lang: "x" }))[1].includes("lang"));
	},
	"what cannot be run is an error of the call": async () => {
		const result = await call("run_python", { code: "1", files: { "/proc/x": "y" } });
		assert(result.isError && texts(result)[0].startsWith("it did not run: "), JSON.stringify(result));
	},
	"bad arguments, unknown tools": async () => {
		assert.equal(await codeOf(call("run_python", {})), -32602);
		assert.equal(await codeOf(call("run_python", { code: 1 })), -32602);
		assert.equal(await codeOf(call("run_python", { code: "1", language: "node" })), -32602);
		assert.equal(await codeOf(call("run_python", { code: "1", files: { "../x": "y" } })), -32602);
		assert.equal(await codeOf(call("run_cobol", { code: "1" })), -32602);
	},
	"20 calls at once": async () => {
		const results = await Promise.all(Array.from({ length: 20 }, (_, i) => call("run_shell", { code: `echo ${i}` })));
		assert.deepEqual(results.map((r) => r.content[0].text), Array.from({ length: 20 }, (_, i) => `${i}\n`));
	},
	// It would hold the only worker for minutes.
	"a call that is given up ends": async () => {
		for (let i = 0; i < 2; i++) {
			const abort = new AbortController();
			const run = call("run_python", { code: "while True: pass", timeout_seconds: 280 }, { signal: abort.signal });
			setTimeout(() => abort.abort(), 200);
			await assert.rejects(run);
		}
		assert.deepEqual(texts(await call("run_python", { code: "print(1)" })), ["1\n"]);
	},
};

for (const [name, test] of Object.entries(tests)) {
	try {
		await test();
		console.log(`ok - mcp: ${kind}: ${name}`);
	} catch (e) {
		failed++;
		console.log(`not ok - mcp: ${kind}: ${name}\n# ${String(e.stack).replaceAll("\n", "\n# ").slice(0, 1500)}`);
	}
}
await client.close();
process.exit(failed > 0 ? 1 : 0);
