'use strict';
// A warm Node.js process that runs each request in a fresh worker_threads Worker, or
// in a fresh vm context, which is no boundary at all.
// Usage: node_rival.js PORT worker|vm
const http = require('http');
const vm = require('vm');
const { Worker } = require('worker_threads');
const { format } = require('util');

function inWorker(code, done) {
  const worker = new Worker(code, { eval: true, stdout: true, stderr: true });
  const out = [], err = [];
  worker.stdout.on('data', (d) => out.push(d));
  worker.stderr.on('data', (d) => err.push(d));
  worker.on('error', (e) => err.push(Buffer.from(`${e.stack}\n`)));
  worker.on('exit', (exit_code) => done({ stdout: Buffer.concat(out).toString(), stderr: Buffer.concat(err).toString(), exit_code }));
}

function inContext(code, done) {
  let stdout = '', stderr = '', exit_code = 0;
  const context = vm.createContext({ console: { log: (...a) => { stdout += format(...a) + '\n'; }, error: (...a) => { stderr += format(...a) + '\n'; } } });
  try {
    vm.runInContext(code, context);
  } catch (e) {
    stderr += `${e.stack}\n`;
    exit_code = 1;
  }
  done({ stdout, stderr, exit_code });
}

const run = process.argv[3] === 'vm' ? inContext : inWorker;
http.createServer((request, response) => {
  const parts = [];
  request.on('data', (d) => parts.push(d)).on('end', () => run(JSON.parse(Buffer.concat(parts)).code, (result) => {
    const body = JSON.stringify(result);
    response.writeHead(200, { 'Content-Type': 'application/json', 'Content-Length': Buffer.byteLength(body) });
    response.end(body);
  }));
}).listen(Number(process.argv[2]), '127.0.0.1');
