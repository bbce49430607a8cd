#!/usr/bin/env python3
"""Random sequences of snippets: a session says what an interpreter says natively that is
fed the same, snippet by snippet. sequences.py [LANGUAGE [SEED]]; SEQUENCES=100 for more."""
import json
import os
import random
import re
import shutil
import subprocess
import sys

from exec_session import Session
from harness import TOP

HERE = TOP / "tests/sequences"
SEQUENCES = int(os.environ.get("SEQUENCES", 10))
SNIPPETS = 12  # of each
NAMES = "abcde"
ADDRESS = re.compile(r"0x[0-9a-f]+")


def choose(r, *makers):
    return r.choice(makers)()


class Python:
    """Snippets that may fail: what they leave must be the same all the same."""
    suffix = "py"
    prelude = "import os; os.mkdir('work'); os.chdir('work'); del os"
    first = """\
a, b, c, d, e = 1, "text", [1, 2], {1: 2}, None
def f(x=1): return [x]
def g(x): return (x, a)
class K:
    n = 0
    def __init__(self, x): self.x = x
    def m(self): return self.x
for n in "abcde": open(n, "w").write(n)"""

    def __init__(self, r):
        self.r = r

    def name(self):
        return self.r.choice(NAMES)

    def number(self):
        return str(self.r.randrange(-3, 12))

    def value(self, depth=2):
        r = self.r
        if depth == 0:
            return choose(r, self.name, self.number, lambda: repr(r.choice(["", "x", "\u20ac", "a b\n"])))
        inner = lambda: self.value(depth - 1)
        return choose(
            r, self.name, self.number,
            lambda: f"({inner()} {r.choice(['+', '-', '*', '//', '%', '==', '<', 'and', 'or'])} {inner()})",
            lambda: f"[{inner()}, {inner()}]",
            lambda: "{%s: %s}" % (self.number(), inner()),
            lambda: f"{r.choice(['len', 'str', 'repr', 'sorted', 'abs', 'type', 'f', 'g', 'next', 'tuple'])}({inner()})",
            lambda: f"[i * 2 for i in range({r.randrange(5)})]",
            lambda: f"f'{{{self.name()}!r:>6}}'",
            lambda: f"(lambda x: (x, {self.name()}))({inner()})",
            lambda: f"K({inner()}).m()",
        )

    def statement(self, depth=2):
        r = self.r
        body = lambda: "\n".join("    " + line for line in self.statement(depth - 1).split("\n")) if depth else "    pass"
        return choose(
            r,
            lambda: f"{self.name()} = {self.value()}",
            lambda: f"{self.name()} = {self.value()}",
            lambda: f"{self.name()} {r.choice(['+=', '-=', '*='])} {self.value(1)}",
            lambda: f"print({self.value()}, {self.name()})",
            lambda: f"def {r.choice('fg')}(x={self.number()}):\n{body()}\n    return {self.value(1)}",
            lambda: f"class K:\n    n = 0\n    def __init__(self, x): self.x = x; K.n += 1\n    def m(self): return (K.n, self.x)",
            lambda: f"for i in range({r.randrange(4)}):\n{body()}",
            lambda: f"if {self.value(1)}:\n{body()}\nelse:\n{body()}",
            lambda: f"try:\n{body()}\nexcept Exception as e:\n    print(type(e).__name__)\nfinally:\n{body()}",
            lambda: f"def h():\n    yield {self.value(1)}\n    yield {self.value(1)}\n{self.name()} = h()",
            lambda: f"with open('{self.name()}', 'a') as o: o.write(str({self.value(1)})[:40])",
            lambda: f"print(open('{self.name()}').read()[-80:])",
            lambda: f"import {r.choice(['math', 'json as f', 'os.path', 'nothing'])}",
            lambda: f"del {self.name()}",
            lambda: f"assert {self.value(1)}, {self.number()}",
            lambda: f"raise {r.choice(['ValueError', 'KeyError', 'E'])}({self.value(1)})",
            lambda: "class E(Exception): pass",
            lambda: f"global {self.name()}\nif True:\n{body()}",
        )

    def snippet(self):
        r = self.r
        lines = [self.statement() for _ in range(r.randrange(3))]
        if r.random() < 0.7:
            lines.append(self.value())
        if r.random() < 0.05:
            lines.append(r.choice(["x = = 1", "def", "'abc", "  y", "return 1", "break"]))
        return "\n".join(lines)

    @staticmethod
    def error(text):
        return text and text.splitlines()[-1] + "\n"


class Node(Python):
    suffix = "js"
    prelude = "require('fs').mkdirSync('work'); process.chdir('work')"
    first = """\
var a = 1, b = 'text', c = [1, 2]; let d = { a: 2 }, e = null;
function f(x = 1) { return [x]; }
function g(x) { return { x, a }; }
class K { constructor(x) { this.x = x; } m() { return this.x; } }
for (const n of 'abcde') require('fs').writeFileSync(n, n);"""

    def value(self, depth=2):
        r = self.r
        if depth == 0:
            return choose(r, self.name, self.number, lambda: json.dumps(r.choice(["", "x", "\u20ac", "a b\n"])))
        inner = lambda: self.value(depth - 1)
        return choose(
            r, self.name, self.number,
            lambda: f"({inner()} {r.choice(['+', '-', '*', '%', '===', '<', '&&', '||', '??'])} {inner()})",
            lambda: f"[{inner()}, {inner()}]",
            lambda: "({ %s: %s })" % (self.name(), inner()),
            lambda: f"{r.choice(['f', 'g', 'String', 'JSON.stringify', 'typeof', 'Object.keys'])}({inner()})",
            lambda: f"[1, 2, 3].map((x) => x * {self.number()})",
            lambda: "`<${%s}>`" % self.name(),
            lambda: f"await f({inner()})",
            lambda: f"new K({inner()}).m()",
        )

    def statement(self, depth=2):
        r = self.r
        body = lambda: "  " + self.statement(depth - 1).replace("\n", "\n  ") if depth else "  ;"
        plain = lambda: self.value(1).replace("await ", "")
        return choose(
            r,
            lambda: f"{r.choice(['let', 'const', 'var', ''])} {self.name()} = {self.value()};",
            lambda: f"let {self.name()} = {self.value()};",
            lambda: f"{self.name()} += {self.value(1)};",
            lambda: f"console.log({self.value()}, {self.name()});",
            lambda: f"function {r.choice('fg')}(x = {self.number()}) {{\n  return {plain()};\n}}",
            lambda: f"async function f(x) {{\n  await null;\n  return {self.value(0)};\n}}",
            lambda: "class K {\n  static n = 0;\n  #x;\n  constructor(x) { this.#x = x; K.n++; }\n  m() { return [K.n, this.#x]; }\n}",
            lambda: f"for (let i = 0; i < {r.randrange(4)}; i++) {{\n{body()}\n}}",
            lambda: f"if ({self.value(1)}) {{\n{body()}\n}} else {{\n{body()}\n}}",
            lambda: f"try {{\n{body()}\n}} catch (x) {{\n  console.log(x?.name ?? x);\n}}",
            lambda: f"const {{ {self.name()} = {self.number()} }} = {self.value(1)} ?? {{}};",
            lambda: f"require('fs').appendFileSync('{self.name()}', String({self.value(1)}).slice(0, 40));",
            lambda: f"console.log(require('fs').readFileSync('{self.name()}', 'utf8').slice(-80));",
            lambda: f"throw {r.choice(['new TypeError', 'new E', ''])}({self.value(1)});",
            lambda: "class E extends Error {}",
            lambda: f"delete globalThis.{self.name()};",
        )

    def snippet(self):
        r = self.r
        lines = [self.statement() for _ in range(r.randrange(3))]
        if r.random() < 0.7:
            lines.append(self.value())
        if r.random() < 0.05:
            lines.append(r.choice(["let = = 1", "if (", "'abc", "return 1", "break", "a b"]))
        return "\n".join(lines)

    @staticmethod
    def error(text):
        return next((line for line in text.splitlines() if line.startswith("Uncaught ")), "")


class Shell(Python):
    suffix = "sh"
    prelude = "mkdir -p work; cd work; unset _"
    first = """\
a=(1 'x y') b=text c=3 d='p q'
f() { echo "f $1"; return 2; }
for n in a b c d e; do echo $n >$n; done"""

    def word(self):
        r = self.r
        return choose(
            r, lambda: f"${self.name()}", lambda: f'"${self.name()}"', self.number, lambda: "'x y'", lambda: '"${a[@]}"',
            lambda: f"${{{self.name()}:-none}}", lambda: f"${{#{self.name()}}}", lambda: f"${{{self.name()}%?}}",
            lambda: f"$(( {self.name()} {r.choice('+-*')} {self.number()} ))", lambda: f"$(echo {self.name()}; f 1)",
            lambda: "$?", lambda: "$#", lambda: "{1..3}", lambda: "*")

    def statement(self, depth=2):
        r = self.r
        body = lambda: self.statement(depth - 1) if depth else ":"
        return choose(
            r,
            lambda: f"{self.name()}={self.word()}",
            lambda: f"{self.name()}={self.word()}",
            lambda: f"{self.name()}+={self.number()}",
            lambda: f"a=({self.word()} {self.word()})",
            lambda: f"echo {self.word()} {self.word()}",
            lambda: f"f() {{ local b={self.number()}; echo \"f $1 $b\"; return {r.randrange(4)}; }}",
            lambda: f"f {self.word()}",
            lambda: f"for i in {self.word()}; do\n{body()}\ndone",
            lambda: f"if [ {self.word()} = {self.word()} ]; then\n{body()}\nelse\n{body()}\nfi",
            lambda: f"case {self.word()} in *x*)\n{body()}\n;; *)\n{body()}\n;; esac",
            lambda: f"({body()}\n); echo $?",
            lambda: f"echo {self.word()} >>{self.name()}; cat {self.name()} | tail -n 2",
            lambda: f"[[ {self.word()} == *1* ]] && echo yes || echo no",
            lambda: f"set -- {self.word()} {self.word()}",
            lambda: f"mkdir -p d{self.name()}; cd d{self.name()}; basename \"$PWD\"",
            lambda: "cd /app/work; basename \"$PWD\"",
            lambda: f"unset {self.name()}",
            lambda: f"readonly {self.name()}; echo after",
            lambda: f"cat <<END\n{self.word()}\nEND",
            lambda: f"sleep 0 & wait $!; echo $?",
            lambda: f"(exit {r.randrange(9)})",
            lambda: "nosuch",
        )

    def snippet(self):
        r = self.r
        lines = [self.statement() for _ in range(r.randrange(1, 4))]
        if r.random() < 0.05:
            lines.append(r.choice(["if true; then", "echo )", "echo 'abc", "done"]))
        return "\n".join(lines)

    @staticmethod
    def error(text):
        return str(bool(text))


LANGUAGES = {"python": Python, "node": Node, "sh": Shell}
COMMANDS = {"py": "/usr/bin/python3", "js": "/usr/bin/node", "sh": "/usr/bin/bash"}


def make_root(suite, language):
    """The image's root once more, for the model to write to, and what starts programs there."""
    top = TOP / f"build/tests/{suite}/{language}"
    shutil.rmtree(top, ignore_errors=True)
    top.parent.mkdir(parents=True, exist_ok=True)
    subprocess.run(["cp", "-al", TOP / f"build/{language}-root", top], check=True)
    subprocess.run(["gcc", "-std=c11", "-O2", "-o", top.with_suffix(".launch"), TOP / "tests/compat/launch.c"], check=True)
    return top


def native(top, maker, snippets):
    """What each says: [stdout, result, exit code, of standard error what is compared]."""
    app = top / "app"
    shutil.rmtree(app)
    app.mkdir()
    (app / "work").mkdir()
    model = f"model.{maker.suffix}"
    shutil.copy(HERE / model, app)
    (app / "snippets.json").write_text(json.dumps(snippets))
    for n, snippet in enumerate(snippets):
        (app / f"snippet.{n}").write_text(snippet)
    done = subprocess.run([top.with_suffix(".launch"), top, "/app/work", COMMANDS[maker.suffix], f"/app/{model}"],
                          stdin=subprocess.DEVNULL, capture_output=True, check=True)
    if maker.suffix != "sh":
        return json.loads(done.stdout)
    of = lambda what, n: (app / f"{what}.{n}").read_text()
    return [[of("out", n), "", int(of("code", n)), maker.error(of("err", n))] for n in range(len(snippets))]


def in_session(language, maker, snippets):
    with Session(language) as session:
        session.run(maker.prelude)
        for snippet in snippets:
            got = session.run(snippet)
            yield [got.out, got.result, got.code, maker.error(got.err)]


def same(got, want):
    """But for addresses."""
    return ADDRESS.sub("0x-", repr(got)) == ADDRESS.sub("0x-", repr(want))


def compare(language, top, seed):
    r = random.Random(f"{language} {seed}")
    maker = LANGUAGES[language](r)
    snippets = [maker.first] + [maker.snippet() for _ in range(SNIPPETS)]
    wanted = native(top, maker, snippets)
    for n, (got, want) in enumerate(zip(in_session(language, maker, snippets), wanted)):
        if not same(got, want):
            print(f"not ok - sequences: {language}: {seed}")
            for snippet in snippets[:n + 1]:
                print("# ---\n# " + snippet.replace("\n", "\n# "))
            print(f"# natively: {want}\n# session:  {got}", flush=True)
            return False
    return True


def main():
    failed = 0
    seeds = sys.argv[2:] or range(SEQUENCES)
    for language in sys.argv[1:2] or LANGUAGES:
        top = make_root("sequences", language)
        good = [compare(language, top, seed) for seed in seeds]
        if all(good):
            print(f"ok - sequences: {language}: {len(good)} random sequences of {SNIPPETS} snippets say what they say natively",
                  flush=True)
        failed |= not all(good)
    sys.exit(failed)


if __name__ == "__main__":
    main()
