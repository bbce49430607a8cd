'use strict';
// What a session of Node should say: reads a list of snippets, evaluates each as the
// inspector's console does, and writes a list of [stdout, result, exit code, first line
// of stderr].
const { readFileSync } = require('fs');
const { Session } = require('inspector/promises');
const { inspect } = require('util');

async function main() {
  const session = new Session();
  const write = process.stdout.write.bind(process.stdout);
  const all = [];
  let out;
  session.connect();
  globalThis.require = require;
  process.stdout.write = (text) => { out += text; return true; };
  for (const snippet of JSON.parse(readFileSync('/app/snippets.json'))) {
    out = '';
    const answer = await session.post('Runtime.evaluate', { expression: snippet, replMode: true, awaitPromise: true });
    const { objectId, unserializableValue, value } = answer.exceptionDetails?.exception ?? answer.result;
    let taken;
    globalThis.take = (v) => { taken = v; };
    await session.post('Runtime.callFunctionOn', {
      functionDeclaration: 'function(v) { take(v); }', executionContextId: 1,
      arguments: [{ objectId, unserializableValue, value }],
    });
    delete globalThis.take;
    if (answer.exceptionDetails) all.push([out, '', 1, `Uncaught ${inspect(taken).split('\n')[0]}`]);
    else all.push([out, taken === undefined ? '' : inspect(taken), 0, '']);
  }
  write(JSON.stringify(all));
}
main();
