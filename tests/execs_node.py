"""What tests/execs.py has Node.js do: by name, with a session of its own each."""
import time

from exec_session import EXIT, interrupted, same, says


def names_stay(s):
    says(s, "let x = 1; const y = 2; class A {}; function f() { return x + y; }")
    says(s, "f()", result="3")
    says(s, "let x = 5; const y = 6; class A { m() { return [1, { a: 'b' }]; } }")
    says(s, "console.log(f()); new A().m()", out="11\n", result="[ 1, { a: 'b' } ]")
    says(s, "undefined")
    says(s, "null", result="null")
    says(s, "[-0, NaN, 10n, Symbol('s')].map((v) => v)", result="[ -0, NaN, 10n, Symbol(s) ]")
    says(s, "10n", result="10n")
    says(s, "const [p, { q }] = [1, { q: 2 }]; p + q", result="3")


def loads_modules(s):
    says(s, "const os = require('os'); os.EOL", result=r"'\n'")
    says(s, "const { join } = await import('node:path'); join('a', 'b')", result="'a/b'")
    same(s.run("require('./m.cjs') + (await import('./m.mjs')).default",
               files={"m.cjs": b"module.exports = 1;", "m.mjs": b"export default 2;"}), result="3")
    says(s, "await import('./nothing.mjs').catch((e) => e.code)", result="'ERR_MODULE_NOT_FOUND'")


def errors_end_an_exec(s):
    says(s, "function f() {\n  throw new TypeError('no');\n}")
    says(s, "1;\nf()", code=1, err="Uncaught TypeError: no\n    at f (<exec-1>:2:9)\n    at <exec-2>:2:1\n")
    says(s, "let a = 1;\na ===", code=1, err="<exec-3>:2\na ===\n     ^\n\nUncaught SyntaxError: Unexpected end of input\n")
    says(s, "a = )", code=1, err="<exec-4>:1\na = )\n    ^\n\nUncaught SyntaxError: Unexpected token ')'\n")
    says(s, "throw 5", code=1, err="Uncaught 5\n")
    says(s, "void Promise.reject(new Error('lost'))", code=1, err="Uncaught Error: lost\n    at <exec-6>:1:21\n")
    got = s.run("setTimeout(() => { throw new Error('late'); }, 1); await new Promise((r) => setTimeout(r, 1000))")
    same(got, code=1, err=got.err)
    assert got.err.startswith("Uncaught Error: late\n    at Timeout._onTimeout (<exec-7>:1:26)\n"), got
    got = s.run("({ [require('util').inspect.custom]() { throw new Error('shown'); } })")
    same(got, code=1, err=got.err)
    assert got.err.startswith("Uncaught Error: shown\n    at [nodejs.util.inspect.custom] (<exec-8>:1:47)\n"), got
    says(s, "process.on('uncaughtException', (e) => console.log('mine', e.message)); 0", result="0")
    says(s, "process.nextTick(() => { throw new Error('x'); }); 1", out="mine x\n", result="1")


def waits(s):
    says(s, "const later = (ms, v) => new Promise((r) => setTimeout(r, ms, v))")
    says(s, "const v = await later(20, 'v'); v", result="'v'")
    says(s, "for await (const n of [later(2, 1), 2]) console.log(n)", out="1\n2\n")
    says(s, "let done = 0; setTimeout(() => { done++; }, 30); done", result="0")
    time.sleep(0.2)
    says(s, "done", result="0")
    says(s, "await later(100); done", result="1")
    says(s, "setImmediate(() => console.log('immediate'))\nundefined")
    says(s, "2", out="immediate\n", result="2")


def errors_are_not_told(s):
    """An exec of which nothing can be told ends all the same."""
    says(s, "const { write } = process.stderr; const kept = process; const later = () => new Promise((r) => setTimeout(r, 1)); 0", result="0")
    thrown = "process.stderr.write = () => { throw 1; };"
    says(s, f"{thrown} throw 'a'", code=1, err="Uncaught 'a'\n")
    says(s, "await later(); throw 'b'", code=1, err="Uncaught 'b'\n")
    says(s, "setTimeout(() => { throw 'c'; }, 0); await later(); await later()", code=1, err="Uncaught 'c'\n")
    says(s, "({ [require('util').inspect.custom]() { throw 'd'; } })", code=1, err="Uncaught 'd'\n")
    says(s, "process.stderr.write = write; 1", result="1")
    says(s, "const { assign } = Object, { parse, stringify } = JSON; Object.assign = JSON.parse = JSON.stringify = null; 5", result="5")
    says(s, "throw 'j'", code=1, err="Uncaught 'j'\n")
    says(s, "Object.assign = assign; JSON.parse = parse; JSON.stringify = stringify; 6", result="6")
    says(s, "delete globalThis.process; delete globalThis.JSON; throw 'e'", code=1, err="Uncaught 'e'\n")
    says(s, "globalThis.process = kept; 2", result="2")
    says(s, "const { split } = String.prototype; String.prototype.split = null; throw 'f'", code=1, err="Uncaught 'f'\n")
    says(s, "String.prototype.split = split; kept.argv = null; kept.env = null; 3", result="3")
    same(s.run("4", args=["a"], env={"A": "b"}), result="4")
    says(s, "Object.preventExtensions(globalThis); throw 'g'", code=1, err="Uncaught 'g'\n")
    s.order("forked")
    says(s, "Object.freeze(Math); throw 'h'", code=1, err="Uncaught 'h'\n")
    s.order("forked")
    says(s, "throw 'i'", code=1, err="Uncaught 'i'\n")


def interrupts(s):
    stopped = "Script execution was interrupted by `SIGINT`\n"
    same(interrupted(s, "let x = 1; console.log('go'); while (true);"), code=130, out="go\n", err=stopped)
    says(s, "x", result="1")
    same(interrupted(s, "console.log('go'); await new Promise(() => {})"), code=130, out="go\n", err=stopped)
    says(s, "process.once('SIGINT', () => console.log('mine')); 0", result="0")
    same(interrupted(s, "console.log('go'); await new Promise((r) => process.once('SIGINT', r))"), out="go\nmine\n")
    same(interrupted(s, "console.log('go'); while (true);"), code=130, out="go\n", err=stopped)
    says(s, "process.kill(process.pid, 'SIGINT'); while (true);", code=130, err=stopped)
    says(s, "process.kill(process.pid, 'SIGWINCH')", result="true")
    loop = "setTimeout(() => { process.kill(process.pid, 'SIGINT'); while (true); }, 1); await new Promise(() => {})"
    says(s, loop, code=130, err=stopped)
    says(s, "require('async_hooks').createHook({ before() {}, after() {} }).enable(); 0", result="0")
    says(s, loop, code=130, err=stopped)
    says(s, "await new Promise((r) => setTimeout(r, 1)); await new Promise(setImmediate); 0", result="0")
    says(s, "x", result="1")


def interrupted_early(s):
    """In what the agent does once it has read the code, before and after it has taken note of it."""
    stopped = "Script execution was interrupted by `SIGINT`\n"
    says(s, """
const { writeSync } = require('fs'), { splice } = Array.prototype, iterate = Array.prototype[Symbol.iterator];
const wait = () => {
  writeSync(1, 'go\\n');
  for (const end = performance.now() + 1000; performance.now() < end;);
};
Array.prototype[Symbol.iterator] = function () {
  if (this[2] === "console.log('one')") {
    Array.prototype[Symbol.iterator] = iterate;
    wait();
  }
  return iterate.call(this);
};
process.argv.splice = function (...some) {
  wait();
  return splice.apply(this, some);
};
0""", result="0")
    same(interrupted(s, "console.log('one')"), code=130, out="go\n", err=stopped)
    says(s, "1", result="1")
    same(interrupted(s, "console.log('two')", args=["a"]), code=130, out="go\n", err=stopped)
    says(s, "process.argv.slice(2)", result="[ 'a' ]")


def ends(s):
    says(s, "process.on('exit', (code) => console.log('bye', code)); 0", result="0")
    says(s, "process.exit(4)", event=EXIT, code=4, out="bye 4\n")


def has_parts(s):
    same(s.run("require('fs').readFileSync(0, 'utf8')", stdin="one"), result="'one'")
    read = "let d = ''; for await (const c of process.stdin) d += c; d"
    same(s.run(read, stdin="two"), result="'two'")
    same(s.run(read, stdin="three"), result="'three'")
    says(s, read, result="''")
    same(s.run("[process.argv.slice(2), process.env.A, process.cwd()]", args=["p", "q"], env={"A": "b"}),
         result="[ [ 'p', 'q' ], 'b', '/app' ]")
    same(s.run("require('fs').readFileSync('d/f', 'utf8')", files={"d/f": b"text"}), result="'text'")


def forks(s):
    says(s, "let { random } = Math; random === Math.random", result="true")
    s.order("forked")
    says(s, "random === Math.random || random() === Math.random()", result="false")
    says(s, "typeof Math.random()", result="'number'")
    says(s, "require('crypto').randomInt = require('vm').runInNewContext = () => { throw 1; }; ({ random } = Math); 0", result="0")
    s.order("forked")
    says(s, "random === Math.random", result="false")


def draws_numbers(s):
    says(s, "const a = [Math.random(), crypto.randomUUID()]")
    says(s, "a.includes(Math.random()) || a.includes(crypto.randomUUID())", result="false")


CASES = {
    "names stay and may be declared again, the last expression is the result": names_stay,
    "require and import find what programs find": loads_modules,
    "what is not caught ends its exec, with where it was": errors_end_an_exec,
    "an exec ends whatever becomes of what errors are told by": errors_are_not_told,
    "await, and timers that go on in the next exec": waits,
    "SIGINT ends the exec, unless the program listens": interrupts,
    "one that comes as an exec begins is that exec's": interrupted_early,
    "process.exit ends the session": ends,
    "input, arguments, environment and files come with each exec": has_parts,
    "numbers are not drawn twice": draws_numbers,
    "the generators of a copy are its own": forks,
}
