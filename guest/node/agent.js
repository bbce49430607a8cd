'use strict';
// The agent: a module that Node.js preloads (`node --require agent /app/main.js`).
// It makes ready what programs want ready and stops for the request: the snapshot
// is taken there. Then it returns, and Node.js goes on to the main script as it
// would have anyway, with none of this on its stack.
//
// In a session the main script is empty. The event loop turns as it does for any
// program, and a handle of the addon's starts each exec from it, so that again nothing
// is beneath. The inspector evaluates them as its console does.
//
// What remains visible: modules that were used before are loaded already.
// A program may take away or replace what is global; not what the agent has of it.
const { JSON, Map, Math, Object, Reflect, RegExp, String, process } = globalThis;
const { parse, stringify } = JSON;
const { assign } = Object;
const { apply } = Reflect;
const { exit, reallyExit } = process;
const fs = require('fs');
const Module = require('module');
const { pathToFileURL } = require('url');
const { inspect } = require('util');

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

// ---- sessions ----

// What Node.js keeps to itself, through the scopes that the inspector shows of a
// function: a variable of the module that the function was made in.
function variableOf(f, name) {
  const take = { f };
  const post = (method, params) => {
    let answer;
    take.session.post(method, params, (error, result) => { answer = error ? undefined : result; });
    return answer;
  };
  take.session = new (require('inspector').Session)();
  take.session.connect();
  globalThis.__take = take;
  const properties = (objectId) => post('Runtime.getProperties', { objectId, ownProperties: true });
  const { objectId } = post('Runtime.evaluate', { expression: '__take.f' }).result;
  const scopes = properties(objectId).internalProperties.find((p) => p.name === '[[Scopes]]').value.objectId;
  for (const scope of properties(scopes).result) {
    const found = scope.value?.objectId && properties(scope.value.objectId).result.find((v) => v.name === name);
    if (!found) continue;
    post('Runtime.callFunctionOn',
      { objectId: found.value.objectId, functionDeclaration: 'function() { __take.value = this; }' });
  }
  take.session.disconnect();
  delete globalThis.__take;
  return take.value;
}

const session = {
  stage: 'ended', // then 'begun', 'running'
  once: false, // it is a run of a template that the session has become
  told: true, // of the exec before
  spare: undefined, // a Math.random that has not been asked yet
  count: 0,
  code: 0, // as which the exec will end, if nothing else happens
  text: undefined, // its result
  source: '',
  connection: undefined, // to the inspector
  clearCalls: undefined, // forgets what Node.js has noted of those under way
  handlers: new Map(), // of its answers, by id
  asked: 0, // the last id
};

function prepareSession() {
  const internal = variableOf(Module.runMain, 'require');
  session.binding = internal('internal/bootstrap/realm').internalBinding;
  session.import = variableOf(internal('internal/modules/esm/utils').initializeESM, 'importModuleDynamicallyCallback');
  session.loader = internal('internal/modules/esm/loader').getOrInitializeCascadedLoader();
  session.missing = 'ERR_VM_DYNAMIC_IMPORT_CALLBACK_MISSING';
  ({ randomInt: session.randomInt, randomUUID: session.randomUUID } = require('crypto'));
  session.runInNewContext = require('vm').runInNewContext;
}

function ask(method, params, handler) {
  const id = session.handlers.size ? Math.max(...session.handlers.keys()) + 1 : 1;
  session.handlers.set(id, handler);
  session.asked = id;
  return stringify({ id, method, params });
}

function answered(message) {
  try {
    const { id, result, error } = parse(message);
    const handler = session.handlers.get(id);
    session.handlers.delete(id);
    handler?.(result, error);
  } catch (e) {
    failed(e);
  }
}

// The value that the inspector speaks of.
function valueOf(remote) {
  if (remote.type === 'undefined' || 'value' in remote) return remote.value;
  let value;
  globalThis.__take = (v) => { value = v; };
  session.connection.dispatch(ask('Runtime.callFunctionOn', {
    functionDeclaration: 'function(v) { __take(v); }', executionContextId: 1,
    arguments: [{ objectId: remote.objectId, unserializableValue: remote.unserializableValue }],
  }));
  delete globalThis.__take;
  return value;
}

// As Node.js ends a program after an error: what 'exit' throws is not told.
function endRun(code) {
  attempt(() => { apply(exit, process, [code]); });
  apply(reallyExit, process, [code]);
}

function endExec(code, text) {
  if (session.stage === 'ended') return;
  session.stage = 'ended';
  if (session.once) {
    addon.ended();
    if (code) endRun(code);
    return;
  }
  session.code = code || session.code;
  session.text = text;
  addon.wake();
}

// Where the code cannot be parsed.
function place({ lineNumber, columnNumber, stackTrace }) {
  if (stackTrace) return '';
  const lines = session.source.split('\n');
  const number = Math.min(lineNumber, lines.length - 1);
  const column = number < lineNumber ? lines[number].length : columnNumber;
  return `<exec-${session.count}>:${number + 1}\n${lines[number]}\n${' '.repeat(column)}^\n\n`;
}

// To standard error, as far as the program has left one.
function say(text) {
  try {
    process.stderr.write(text);
  } catch {
    try {
      fs.writeSync(2, text);
    } catch {
      // Nobody hears it.
    }
  }
}

function tell(error, before = '') {
  let text;
  try {
    text = before ? String(error) : inspect(error);
    const own = new RegExp(`^ +at .*\\b${__filename}:`);
    text = text.split('\n').filter((line) => !own.test(line)).join('\n');
  } catch {
    text ??= 'an error that cannot be shown';
  }
  say(`${before}Uncaught ${text}\n`);
}

function tellDetails(details) {
  let value, before = '';
  try {
    value = valueOf(details.exception);
    if (value instanceof SyntaxError) before = place(details);
  } catch (e) {
    value ??= e;
  }
  tell(value, before);
}

function evaluated(count, result, error) {
  if (count !== session.count || session.stage === 'ended' || error) return;
  if (result.exceptionDetails) {
    tellDetails(result.exceptionDetails);
    endExec(1);
    return;
  }
  if (session.once) {
    endExec(0);
    return;
  }
  try {
    const value = valueOf(result.result);
    endExec(0, value === undefined ? undefined : inspect(value));
  } catch (e) {
    tell(e);
    endExec(1);
  }
}

// JavaScript ends anywhere, also in the middle of a write: nobody would tell the stream
// that it is over, and what is written later would wait for that.
function endWrite({ _writableState: state, _handle: handle }) {
  if (!state?.writing || handle?.writeQueueSize) return;
  state.bufferProcessing = false;
  state.onwrite();
}

// The program may have put something else in their places.
function endWrites() {
  for (const name of ['stdout', 'stderr']) {
    try {
      endWrite(process[name]);
    } catch {
      // Then nobody waits for it.
    }
  }
}

// One that has come before the code was given to the inspector is the exec's, too. A run of
// a template goes on when its code has ended, until nothing is left to wait for.
function interrupted(unasked) {
  const over = session.stage === 'ended';
  session.clearCalls();
  if (unasked) session.handlers.delete(session.asked);
  if (over && !session.once) return;
  endWrites();
  say('Script execution was interrupted by `SIGINT`\n');
  if (over) endRun(130);
  endExec(130);
}

function failed(error) {
  tell(error);
  if (session.once) endRun(1);
  session.code = 1;
  if (session.stage === 'running') endExec(1);
}

// What nobody catches ends the exec, unless the program has said what it is to do.
function watchErrors() {
  const fatal = process._fatalException;
  process._fatalException = (error, fromPromise) => {
    if (process.listenerCount('uncaughtException') || process.hasUncaughtExceptionCaptureCallback())
      return fatal(error, fromPromise);
    process.setUncaughtExceptionCaptureCallback(failed);
    try {
      return fatal(error, fromPromise);
    } finally {
      process.setUncaughtExceptionCaptureCallback(null);
    }
  };
}

// An interrupt may end a timer's callback within the call that Node.js has taken note of there,
// and it would end with what it takes for a corrupted stack of those. on_sigint() empties it, and
// interrupted() what goes with it; the check is for one that comes while a call is noted.
// async_hooks puts the check on again.
function forgiveCalls() {
  const { async_hook_fields: fields, async_id_fields: ids, clearAsyncIdStack, constants } = session.binding('async_wrap');
  const { kCheck, kStackLength, kExecutionAsyncId, kTriggerAsyncId } = constants;
  fields[kCheck] = 0;
  session.clearCalls = clearAsyncIdStack;
  return [fields.subarray(kStackLength, kStackLength + 1), ids.subarray(kExecutionAsyncId, kTriggerAsyncId + 1)];
}

// The code of an exec has no module: import() in it is that of a file in the working
// directory.
function watchImports() {
  session.binding('module_wrap').setImportModuleDynamicallyCallback(async (symbol, specifier, ...more) => {
    try {
      return await session.import(symbol, specifier, ...more);
    } catch (e) {
      if (e?.code !== session.missing) throw e;
    }
    const [attributes] = more.filter((a) => a && typeof a === 'object');
    return session.loader.import(specifier, pathToFileURL(`${process.cwd()}/exec`).href, attributes ?? {});
  });
}

// One that was read to its end is made anew for the next exec.
function renewInput() {
  const { get } = Object.getOwnPropertyDescriptor(process, 'stdin');
  let stream, again = false;
  Object.defineProperty(process, 'stdin', {
    configurable: true, enumerable: true,
    get: () => stream ??= again ? new fs.ReadStream(null, { fd: 0, autoClose: false }) : get.call(process),
  });
  session.renewInput = () => {
    if (!stream?.readableEnded) return;
    stream = undefined;
    again = true;
  };
}

// Random numbers are drawn ahead of a copy. Those of a generator that have been are over
// once it has made others, and none is left when it is about to.
const DRAWN_MOST = 3000;
function untilDrawn(draw) {
  let count = 1;
  for (draw(); !addon.draws() && count < DRAWN_MOST; count++) draw();
  return count;
}

function useUp(draw) {
  addon.draws();
  untilDrawn(draw);
  for (let left = untilDrawn(draw) - 1; left > 0; left--) draw();
}

function otherRandom() {
  return session.runInNewContext('Math.random');
}

// Before the template is taken, what each copy would have to do.
function prepareTemplate() {
  useUp(() => session.randomInt(2));
  useUp(() => session.randomUUID());
  session.spare = otherRandom();
  addon.draws();
}

// Each by itself, as the program may have taken one of them apart.
function drawAnew() {
  const { spare } = session;
  session.spare = undefined;
  attempt(() => { Math.random = spare ?? otherRandom(); });
  if (spare) return;
  attempt(() => { for (let i = 0; i < 1100; i++) session.randomInt(2); });
  attempt(() => { for (let i = 0; i < 130; i++) session.randomUUID(); });
}

// What the program has taken apart stays so.
function attempt(action) {
  try {
    action();
  } catch {
    // It goes on without.
  }
}

function takeRequest([args, variables, code, copy, once]) {
  addon.wake();
  assign(session,
    { stage: 'begun', count: session.count + 1, code: 0, text: undefined, source: code, once, told: false });
  if (args.length) attempt(() => { process.argv.splice(2, Infinity, ...args); });
  attempt(() => { setEnvironment(variables); });
  attempt(session.renewInput);
  if (copy) drawAnew();
}

// Called by the addon at a turn of the loop: what it is to give to the inspector, if
// anything. Timers that are due have run when an exec begins.
function step() {
  if (session.stage === 'ended') {
    if (!session.told) addon.report(session.code, session.code ? undefined : session.text);
    session.told = true;
    const request = addon.next();
    if (request) {
      takeRequest(request);
    } else {
      attempt(prepareTemplate);
      addon.wake();
    }
    return undefined;
  }
  if (session.stage !== 'begun') return undefined;
  session.stage = 'running';
  const { count } = session;
  return ask('Runtime.evaluate', {
    expression: `${session.source}\n//# sourceURL=<exec-${count}>`, replMode: true, awaitPromise: true,
  }, (result, error) => evaluated(count, result, error));
}

function beginSession() {
  prepareSession();
  const { Connection } = session.binding('inspector');
  session.connection = new Connection(answered);
  const hidden = { configurable: true, writable: true, enumerable: false };
  Object.defineProperty(globalThis, 'require', { ...hidden, value: Module.createRequire(`${process.cwd()}/exec`) });
  process._kill = addon.kill;
  watchErrors();
  watchImports();
  renewInput();
  addon.begin(step, interrupted, session.connection, ...forgiveCalls());
}

function setEnvironment(variables) {
  for (const variable of variables) {
    const at = variable.indexOf('=');
    process.env[variable.slice(0, at)] = variable.slice(at + 1);
  }
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
if (more === true) {
  beginSession();
} else if (more) {
  process.argv.push(...more[0]);
  setEnvironment(more[1]);
}
