'use strict';
// The agent: a module that Node.js preloads (`node --require agent /app/main.js`).
// It makes ready what programs want ready and stops for the request: the snapshot
// is taken there. Then it returns, and Node.js goes on to the main script as it
// would have anyway, with none of this on its stack.
//
// What remains visible: modules that were used before are loaded already.
const fs = require('fs');
const Module = require('module');

const MAIN = '/app/main.js';
const addon = {};
try {
  process.dlopen({ exports: addon }, '/usr/lib/zeroboot/addon.node');
} catch (e) {
  console.error('zeroboot: node agent: %s (docs/images.md says what it needs)', e.message);
  process.exit(1);
}
if (!fs.existsSync('/app')) fs.mkdirSync('/app');

// Loaded ahead. Nothing here may draw random numbers: see addon.cc.
const PRELOAD = [
  'assert', 'assert/strict', 'async_hooks', 'buffer', 'child_process', 'crypto', 'dns', 'events', 'fs/promises',
  'http', 'https', 'net', 'os', 'path', 'perf_hooks', 'process', 'querystring', 'readline', 'readline/promises',
  'stream', 'stream/promises', 'stream/web', 'string_decoder', 'timers', 'timers/promises', 'tls', 'url', 'util',
  'util/types', 'v8', 'vm', 'worker_threads', 'zlib',
];
const GLOBALS = [
  'AbortController', 'Blob', 'BroadcastChannel', 'CompressionStream', 'Event', 'EventTarget', 'FormData', 'Headers',
  'MessageChannel', 'ReadableStream', 'Request', 'Response', 'TextDecoder', 'TextEncoder', 'URL', 'URLSearchParams',
  'WebSocket', 'crypto', 'fetch', 'navigator', 'performance', 'queueMicrotask', 'structuredClone',
];

// What usual programs do, run as the main script is, so that it is compiled and
// its paths through Node.js are.
const COMMONJS = `
const { inspect, format, promisify } = require('util');
const path = require('path');
class Point { #x = 1; constructor(y) { this.y = y; } get x() { return this.#x; } }
console.log(1 + 1, 'text', [1, 2, { a: null }], new Map([[1, new Set([2])]]), new Point(3), 1n, Symbol('s'));
console.log('%s is %d and %j', 'a', 1.5, { b: [undefined, true] });
console.error(new Error('an error').stack.length, inspect(new TypeError('x')).length);
console.log(JSON.stringify(JSON.parse('{"a":[1,2.5,"x"]}'), null, 2), path.join('a', '..', 'b'));
console.log([3, 1, 2].sort((a, b) => a - b).map((x) => x * 2).filter(Boolean).reduce((a, b) => a + b, 0));
console.log('a-b-c'.replace(/-(\\w)/g, (_, c) => c.toUpperCase()), \`\${[...'xyz'].reverse().join('')}\`);
console.log(Buffer.from('text').toString('base64'), new Date(0).toISOString(), (1234.5).toLocaleString());
try { null.x; } catch (e) { console.log(e.message, e.stack.length); }
async function f(n) { await null; return n ? f(n - 1) : 'done'; }
f(3).then(console.log);
Promise.reject(new Error('x')).catch((e) => e.message);
setTimeout(() => {}, 1);
setImmediate(() => {});
process.nextTick(() => {});
queueMicrotask(() => {});
new (require('events'))().on('a', () => {}).emit('a');
console.log(new URL('https://a.example/b?c=d').searchParams.get('c'), process.hrtime.bigint() > 0n);
`;
const ESM = `
import { readFile } from 'node:fs/promises';
import path, { join } from 'path';
console.log(join('a', 'b'), import.meta.url, (await readFile('/app/main.js')).length > 0);
export default 1;
`;

// Until true() is, as the event loop would while a program runs.
function spin(until) {
  while (!until()) {
    process._tickCallback();
    if (!until()) addon.turn();
  }
  process._tickCallback();
}

function settle(promise) {
  let done = false;
  promise.then(() => { done = true; }, (e) => { throw e; });
  spin(() => done);
}

// Runs a program as the main script; Node.js then forgets it.
function rehearse(code) {
  let turns = 0;
  fs.writeFileSync(MAIN, code);
  Module.runMain(MAIN);
  setTimeout(() => { turns = 1; }, 3);
  spin(() => turns);
  forget(MAIN);
}

function forget(path) {
  delete require.cache[path];
  for (const key of Object.keys(Module._pathCache)) {
    if (Module._pathCache[key] === path) delete Module._pathCache[key];
  }
}

function rehearseModules() {
  fs.writeFileSync('/tmp/warm.mjs', ESM);
  settle(import('/tmp/warm.mjs'));
  fs.unlinkSync('/tmp/warm.mjs');
}

function rehearseWorker() {
  const { Worker } = require('worker_threads');
  const worker = new Worker('require("worker_threads").parentPort.postMessage(1)', { eval: true });
  settle(new Promise((resolve) => worker.on('exit', resolve)));
}

// The threads of the pool: all of them, with what each keeps for itself.
function rehearsePool() {
  const { pbkdf2 } = require('crypto');
  settle(Promise.all(Array.from({ length: 8 }, () =>
    new Promise((resolve) => pbkdf2('a', 'b', 2000, 32, 'sha512', resolve)))));
}

function prepare() {
  for (const id of PRELOAD) require(id);
  for (const name of GLOBALS) void globalThis[name];
  // Worker threads preload this file too.
  fs.writeFileSync(__filename, 'delete require.cache[__filename];\n');
  fs.writeFileSync(MAIN, '');
  for (let i = 0; i < 150; i++) {
    rehearse(COMMONJS);
    rehearseModules();
  }
  rehearseWorker();
  rehearsePool();
}

// Nothing is left that a program started plainly would not find.
function hide() {
  forget(__filename);
  module.parent.children.length = 0;
  process.execArgv.length = 0;
  Object.defineProperty(process, '_preload_modules', { value: [] });
  delete process.mainModule;
}

process.chdir('/app');
prepare();
hide();
const script = fs.openSync(MAIN, 'w', 0o644);
const request = fs.openSync('/dev/zeroboot', 'r+');
fs.writeSync(request, `${process.argv.join('\0')}\0`);
addon.collect();
addon.collect();
const more = addon.wait(request, script);
if (more) {
  process.argv.push(...more[0]);
  for (const variable of more[1]) {
    const at = variable.indexOf('=');
    process.env[variable.slice(0, at)] = variable.slice(at + 1);
  }
}
