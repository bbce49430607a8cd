#!/usr/bin/env python3
"""The page at / in Chromium, as one uses it: with a mouse, with a keyboard alone, on a
phone; with files, pictures, keys. Pictures of it for a person to look at go to
build/page/."""
import json
import os
import pathlib
import re
import sys
import tempfile

from harness import TOP, Report, Server, answers, eventually
from webdriver import Browser

KEY = "page-test-0000000000000000"
PICTURES = TOP / "build/page"
LOOKS = {"desktop-light": ("light", 1280, 800), "desktop-dark": ("dark", 1280, 800), "phone-light": ("light", 390, 844, True),
         "phone-dark": ("dark", 390, 844, True)}
CONTRAST = """const style = getComputedStyle(document.documentElement);
const light = (name) => {
	const n = parseInt(style.getPropertyValue(name).trim().slice(1).replace(/^(.)(.)(.)$/, '$1$1$2$2$3$3'), 16);
	const [r, g, b] = [n >> 16, n >> 8 & 255, n & 255].map((c) => c / 255).map((c) => (c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4));
	return 0.2126 * r + 0.7152 * g + 0.0722 * b;
};
const ratio = (a, b) => (Math.max(light(a), light(b)) + 0.05) / (Math.min(light(a), light(b)) + 0.05);
const found = [];
for (const text of ['--ink', '--soft', '--accent', '--bad', '--good', '--word', '--text', '--number'])
	for (const under of ['--panel', '--sunk', '--ground']) if (ratio(text, under) < 4.5) found.push([text, under, ratio(text, under)]);
if (ratio('--accent', '--on') < 4.5) found.push(['--on', '--accent', ratio('--accent', '--on')]);
if (ratio('--accent', '--tint') < 4.5) found.push(['--accent', '--tint', ratio('--accent', '--tint')]);
for (const edge of ['--edge', '--note']) if (ratio(edge, '--panel') < 3) found.push([edge, ratio(edge, '--panel')]);
return found;
"""
REACHED = "document.activeElement === document.body ? '' : document.activeElement.id || document.activeElement.value || document.activeElement.textContent.trim().split(' ')[0]"


class Page:
    def __init__(self, browser, server):
        self.browser, self.server = browser, server

    def open(self):
        """Anew, with nothing kept."""
        url = f"http://127.0.0.1:{self.server.port}/"
        self.browser.open(url)
        self.browser.run("sessionStorage.clear()")
        self.browser.open(url)
        self.shows("#health", "ready")
        return self

    def text(self, selector):
        return self.browser.run("const e = document.querySelector(arguments[0]); return e && !e.hidden ? e.textContent : null", selector)

    def shows(self, selector, words):
        eventually(lambda: words in (self.text(selector) or ""))

    def write(self, language, code, **fields):
        if language:
            self.browser.run("document.querySelector(`input[value=${arguments[0]}]`).click()", language)
        for name, value in {"code": code, **fields}.items():
            self.browser.run("const e = document.getElementById(arguments[0]); e.value = arguments[1]; e.dispatchEvent(new Event('input', {bubbles: true}))",
                             name, value)

    def example(self, name):
        self.browser.run("const e = document.getElementById('examples'); e.value = arguments[0]; e.dispatchEvent(new Event('change', {bubbles: true}))", name)

    def running(self):
        return self.browser.run("document.body.classList.contains('running')")

    def ran(self, state):
        """The run has ended so."""
        eventually(lambda: not self.running())
        assert state in self.text("#state"), (self.text("#state"), self.text("#log"))

    def go(self, state):
        self.browser.click("#run")
        self.ran(state)
        return self.text("#log")


# ---- without a browser ----

def is_served(server):
    [answer] = answers(server.ask(b"GET / HTTP/1.0\r\n\r\n"))
    page = answer.body.decode()
    assert answer.status == 200 and answer.headers["content-type"] == "text/html; charset=utf-8"
    assert len(answer.body) < 30 << 10, len(answer.body)
    elsewhere = set(re.findall(r"https?://[\w.]+|url\(|@import|\bsrc=\"|<link[^>]*href=\"(?!data:)", page)) - {"http://www.w3.org", "http://localhost"}
    assert not elsewhere, elsewhere
    policy = answer.headers["content-security-policy"]
    assert policy.startswith("default-src 'none'; style-src 'sha256-") and "unsafe" not in policy, policy
    assert " style=" not in page and not re.search(r" on\w+=", re.sub(r"<script>.*</script>", "", page, flags=re.S))
    [same] = answers(server.ask(b"GET / HTTP/1.0\r\nIf-None-Match: %s\r\n\r\n" % answer.headers["etag"].encode()))
    assert (same.status, same.body) == (304, b"")


def is_whole(server):
    """With the longest head that there can be."""
    origin = b"https://" + b"a" * 120
    [answer] = answers(server.ask(b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\nX-Request-Id: %s\r\nOrigin: %s\r\n\r\n" % (b"x" * 128, origin)))
    assert answer.status == 200 and answer.headers["access-control-allow-origin"] == origin.decode(), answer.headers
    assert answer.body.endswith(b"</html>\n")


def is_off():
    with Server("--workers", "1", "--no-page") as server:
        assert answers(server.ask(b"GET / HTTP/1.0\r\n\r\n"))[0].status == 404
        document = json.loads(answers(server.ask(b"GET /v1/openapi.json HTTP/1.0\r\n\r\n"))[0].body)
        assert "/" not in document["paths"] and "/v1/exec" in document["paths"]


# ---- as one uses it ----

def runs(page):
    page.open()
    templates = json.loads(answers(page.server.ask(b"GET /health HTTP/1.0\r\n\r\n"))[0].body)["templates"]
    assert page.browser.run("[...document.querySelectorAll('[name=language]')].map((e) => e.value)") == list(templates), templates
    assert "Hello from Python 3." in page.go("done, exit code 0")
    assert page.text("#figures dt") == "Fork" and page.browser.run("document.querySelectorAll('#figures dd').length") == 5
    page.write("node", "console.log(6 * 7)")
    assert page.go("exit code 0") == "42\n"
    page.write("sh", "true")
    assert page.go("exit code 0") == "It printed nothing."
    page.write("sh", "kill -SEGV $$")
    page.go("ended by SIGSEGV, exit code 139")


def errors(page):
    page.open().write("python", "import sys\nprint('one')\nprint('<b>two</b>', file=sys.stderr)\nsys.exit(3)")
    assert page.go("failed, exit code 3") == "one\n<b>two</b>\n"
    colours = page.browser.run("[...document.querySelectorAll('#log span')].map((e) => getComputedStyle(e).color)")
    assert len(set(colours)) == 2, colours
    page.write("python", "print(1)", limit="")
    assert page.go("exit code 0") == "1\n"


def times_out(page):
    page.open().write("sh", "echo begun; sleep 1000", limit="1")
    assert page.go("out of time") == "begun\nExecution timed out after 1s"


def streams(page):
    """What it writes is there while it runs, in order; much of it too."""
    page.open().write("sh", "for i in 1 2; do echo out $i; echo err $i >&2; done; printf 'caf\\303\\251'; sleep 200")
    page.browser.click("#run")
    page.shows("#log", "caf\u00e9")
    assert page.running() and page.text("#log") == "out 1\nerr 1\nout 2\nerr 2\ncaf\u00e9"
    assert page.browser.run("[...document.querySelectorAll('#log span')].map((e) => e.className)") == ["stdout", "stderr"] * 2 + ["stdout"]
    assert page.go("stopped").endswith("caf\u00e9")
    page.write("sh", "seq 50000")
    assert page.go("exit code 0") == "".join(f"{n}\n" for n in range(1, 50001))
    eventually(lambda: page.browser.run("const l = document.getElementById('log'); return l.scrollHeight - l.scrollTop - l.clientHeight") < 30)


def stops(page):
    before = page.server.metric("zeroboot_cancelled_total")
    page.open().write("sh", "sleep 200")
    page.browser.click("#run")
    eventually(lambda: page.server.metric("zeroboot_concurrent_forks") == 1)
    assert page.running() and page.text("#run") == "Stop"
    assert page.go("stopped") is not None and page.text("#run") == "Run"
    eventually(lambda: page.server.metric("zeroboot_cancelled_total") == before + 1)


def given(page):
    """Standard input, arguments, and files: dropped, chosen, taken away."""
    page.open().write("python", "import sys, os\nprint(sys.argv[1:], input(), sorted(os.listdir('.')), open('dropped.bin', 'rb').read())",
                      stdin="typed\n", args="a b\nc")
    page.browser.run("""const d = new DataTransfer();
        for (const name of ['dropped.bin', 'other']) d.items.add(new File([new Uint8Array([0, 255, 10])], name));
        document.dispatchEvent(new DragEvent('drop', {dataTransfer: d, bubbles: true, cancelable: true})); return 0""")
    with tempfile.NamedTemporaryFile("w", suffix=".txt") as file:
        file.write("chosen")
        file.flush()
        page.browser.fill("#pick", file.name)
        eventually(lambda: page.text("#given-badge") == "3")
        page.browser.click("#given li:nth-child(2) button")
        assert page.text("#given-badge") == "2"
        names = sorted(["dropped.bin", "main.py", os.path.basename(file.name)])
        assert page.go("exit code 0") == f"['a b', 'c'] typed {names} b'\\x00\\xff\\n'\n"


def pictures(page):
    page.open().example("A picture")
    assert "540 x 360" in page.go("exit code 0")
    eventually(lambda: page.browser.run("const i = document.querySelector('#files img'); return i && i.complete && i.naturalWidth") == 540)
    assert page.text("#files a") == "mandelbrot.bmp"
    page.write("sh", "echo '<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"9\" height=\"9\"/>' >a.svg; echo text >b.txt", outputs="*.svg *.txt")
    page.go("exit code 0")
    eventually(lambda: page.browser.run("[...document.querySelectorAll('#files img')].map((i) => i.naturalWidth)") == [9])
    assert page.browser.run("[...document.querySelectorAll('#files a')].map((a) => a.download)") == ["a.svg", "b.txt"]


def examples(page):
    """All of them run."""
    page.open()
    for language in "python", "node", "sh":
        page.write(language, "")
        for name in page.browser.run("[...document.querySelectorAll('#examples option')].slice(1).map((o) => o.value)"):
            page.example(name)
            assert len(page.go("exit code 0")) > 20, name


def remembers(page):
    """Over a reload, for each language; no key is in it."""
    page.open().write("sh", "echo mine")
    page.go("exit code 0")
    page.browser.open(f"http://127.0.0.1:{page.server.port}/")
    page.shows("#health", "ready")
    assert page.browser.run("document.getElementById('code').value") == "echo mine"
    assert page.go("exit code 0") == "mine\n"


def told(page):
    """How sessions stand, by the server."""
    return json.loads(answers(page.server.ask(b"GET /v1/sessions HTTP/1.0\r\n\r\n"))[0].body)["sessions"]


def keeps_state(page):
    """Of each language its own, over a reload, until it is forgotten."""
    browser = page.open().browser
    page.write("python", "x = [1]\nprint('set')\nx")
    assert page.go("exit code 0") == "set\n" and told(page) == []
    browser.click("#stay")
    assert page.text("#forget") is None
    assert page.go("done, exit code 0") == "set\n[1]" and page.text("#log .value") == "[1]"
    page.write(None, "x.append(2)\nlen(x)", outputs="")
    assert page.go("exit code 0") == "2"
    page.write("node", "let y = 7; y * 6")
    assert page.text("#forget") is None and page.go("exit code 0") == "42" and page.text("#forget") == "Forget"
    page.write("node", "console.log(y)")
    assert page.go("exit code 0") == "7\n"
    assert [one["language"] for one in told(page)] == ["node", "python"]
    browser.open(f"http://127.0.0.1:{page.server.port}/")
    page.shows("#health", "ready")
    page.write("python", "x.append(3)\nimport time\nprint('on', flush=True)\ntime.sleep(200)")
    browser.click("#run")
    page.shows("#log", "on")
    assert page.running() and page.go("stopped") == "on\n"
    page.write("python", "x")
    assert page.go("exit code 0") == "[1, 2]"
    browser.click("#stay")
    assert page.text("#forget") is None and "NameError" in page.go("exit code 1")
    browser.click("#stay")
    browser.click("#forget")
    page.shows("#state", "forgotten")
    eventually(lambda: [one["language"] for one in told(page)] == ["node"])
    assert page.text("#forget") is None and browser.run(REACHED) == "stay"
    page.write(None, "'x' in globals()")
    assert page.go("exit code 0") == "False" and len(told(page)) == 2


def starts_anew(page):
    """Where the session has ended or is gone, it says so."""
    page.open().write("sh", "n=1; exit 3")
    page.browser.click("#stay")
    page.go("failed, exit code 3")
    page.write(None, "echo n=$n")
    assert page.go("exit code 0") == "The state is gone: the session's program has ended. It starts anew.\nn=\n"
    number = told(page)[0]["id"]
    assert page.server.ask(f"DELETE /v1/sessions/{number} HTTP/1.0\r\n\r\n".encode()).startswith(b"HTTP/1.1 204")
    assert page.go("exit code 0") == "The state is gone: no such session. It starts anew.\nn=\n"
    page.write(None, "n=5")
    page.go("exit code 0")
    page.write(None, "n=6; sleep 200", limit="1")
    page.go("out of time")
    page.write(None, "echo n=$n", limit="30")
    assert page.go("exit code 0") == "n=5\n"


def asks_for_a_key(browser, server):
    page = Page(browser, server).open()
    assert browser.run("document.getElementById('key').hidden")
    browser.click("#run")
    eventually(lambda: browser.run("document.getElementById('ask').open"))
    browser.press("not-the-key", "Enter")
    page.shows("#ask-why.wrong", "does not know")
    browser.picture(PICTURES / "desktop-light-key.png")
    browser.press(KEY, "Enter")
    page.shows("#state", "exit code 0")
    page.ran("exit code 0")
    assert not browser.run("document.getElementById('ask').open") and not browser.run("document.getElementById('key').hidden")
    page.go("exit code 0")
    browser.click("#stay")
    page.write("python", "x = 6 * 7")
    page.go("exit code 0")
    page.write(None, "x")
    assert page.go("exit code 0") == "42"
    assert KEY not in browser.run("document.documentElement.outerHTML")


# ---- for whom it is ----

def by_keyboard(page):
    browser = page.open().browser
    reached = []
    browser.run("document.activeElement.blur()")
    for _ in range(40):
        browser.press("Escape", "Tab")
        reached.append(browser.run(REACHED))
        if len(reached) > 1 and reached[-1] in ("", reached[0]):
            break
    assert {"python", "examples", "code", "Standard", "Files", "Arguments", "run", "stay", "log"} <= set(reached), reached
    assert reached.index("code") < reached.index("run") < reached.index("log"), reached
    browser.run("document.getElementById('code').focus()")
    browser.press("Control+a", "Backspace", "for i in range(2):", "Enter", "print(i)", "Control+Enter")
    page.ran("exit code 0")
    assert page.text("#log") == "0\n1\n", page.text("#log")
    browser.press("Enter", "Tab", "print('x')", "Shift+Tab", "Control+Enter")
    page.ran("exit code 0")
    assert page.browser.run("document.getElementById('code').value") == "for i in range(2):\n    print(i)\n    print('x')", page.browser.run("document.getElementById('code').value")
    browser.press("Escape", "Tab", "Enter", "Tab", "words", "Tab")
    assert browser.run("document.getElementById('stdin').value") == "words"
    browser.run("document.getElementById('run').focus()")
    browser.press("Tab", "Space", "Control+Enter")
    page.ran("exit code 0")
    browser.press("Tab", "Enter")
    page.shows("#state", "forgotten")


def has_names(page):
    """Whatever can be focused has a name, all that is text can be read."""
    page.open().write("sh", "echo x >a.txt", outputs="*.txt")
    page.browser.click("#stay")
    page.go("exit code 0")
    page.browser.run("for (const d of document.querySelectorAll('details')) d.open = true; return 0")
    focusable = page.browser.run("return [...document.querySelectorAll('a, button, input, select, textarea, summary, [tabindex]')].filter((e) => e.checkVisibility())")
    assert len(focusable) > 15
    names = [page.browser.label(element) for element in focusable]
    assert all(names), list(zip(names, [page.browser.run("arguments[0].outerHTML.slice(0, 80)", element) for element in focusable]))


def can_be_read(page, scheme):
    page.browser.looks(scheme, 1280, 800)
    assert not (found := page.browser.run(CONTRAST)), found


def fits(page):
    for width in 320, 390, 768, 900, 1280, 1920:
        page.browser.looks("light", width, 800, width < 800)
        page.open().write("sh", "seq -s- 999; echo '<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"3000\" height=\"9\"/>' >a.svg", stdin="x" * 999)
        page.go("exit code 0")
        page.browser.run("for (const d of document.querySelectorAll('details')) d.open = true; return 0")
        sizes = page.browser.run("[document.documentElement.scrollWidth, innerWidth]")
        assert sizes[0] <= sizes[1], (width, sizes)
    page.browser.looks("light", 1280, 800)


def photograph(page):
    PICTURES.mkdir(parents=True, exist_ok=True)
    for look, size in LOOKS.items():
        page.browser.looks(*size)
        page.open()
        page.browser.picture(PICTURES / f"{look}-start.png")
        page.browser.run("for (const d of document.querySelectorAll('details')) d.open = true; document.getElementById('run').scrollIntoView()")
        page.browser.picture(PICTURES / f"{look}-more.png")
        page.open()
        page.example("A picture")
        page.go("exit code 0")
        eventually(lambda: page.browser.run("document.querySelector('#files img').complete"))
        show(page, look, "picture")
        page.write("python", "import json\n\ndef total(rows):\n    return sum(row['n'] for row in rows)\n\nprint('adding up')\nprint(total([{'n': 1}, {'m': 2}]))\n")
        page.go("failed")
        show(page, look, "error")
        page.write("python", "import pandas as pd\n\nprint('a table')\npd.DataFrame({'n': [1, 2], 'square': [1, 4]})")
        page.browser.click("#stay")
        page.go("exit code 0")
        show(page, look, "state")
        page.browser.run("document.querySelector('#run').scrollIntoView(); return 0")
        page.browser.picture(PICTURES / f"{look}-keep.png")
        page.browser.click("#stay")
        page.write("sh", "echo 'this takes a while'; sleep 200")
        page.browser.click("#run")
        page.shows("#log", "a while")
        show(page, look, "running")
        page.go("stopped")
    page.browser.looks("light", 1280, 800)


def show(page, look, name):
    page.browser.run("document.querySelector('#result').scrollIntoView(); return 0")
    page.browser.picture(PICTURES / f"{look}-{name}.png")


def quiet(browser, *but):
    said = [line for line in browser.complaints() if not any(word in line for word in but)]
    assert not said, said


def main():
    report = Report("page")
    os.chdir(TOP)
    with Server("--workers", "1", "--cors", "https://" + "a" * 120) as server:
        report.check("it is one small file with a strict policy and an ETag", is_served, server)
        report.check("it is whole with the longest head", is_whole, server)
        with Browser() as browser:
            page = Page(browser, server)
            for name, check in {
                    "it runs programs in each language, and says how they ended and what they used": runs,
                    "standard error has another colour, and is text": errors, "a run that its time cuts off": times_out, "output comes while it runs": streams,
                    "Stop ends the run": stops, "standard input, arguments, files": given, "files come back, pictures as pictures": pictures,
                    "every example runs": examples, "a reload loses nothing": remembers,
                    "state is kept for each language until it is forgotten": keeps_state, "a session that is gone starts anew, and says so": starts_anew, "a keyboard alone": by_keyboard,
                    "whatever can be focused has a name": has_names, "nothing is wider than the window": fits}.items():
                report.check(name, check, page)
            for scheme in "light", "dark":
                report.check(f"{scheme}: every text has the contrast that WCAG 2 wants", can_be_read, page, scheme)
            report.check(f"pictures in {PICTURES.relative_to(TOP)}", photograph, page)
            report.check("the browser has nothing to complain of", quiet, browser, "410 (Gone)", "404 (Not Found)")
            with tempfile.NamedTemporaryFile("w", suffix=".json") as keys:
                json.dump([KEY], keys)
                keys.flush()
                with Server("--workers", "1", environment={**os.environ, "ZEROBOOT_API_KEYS_FILE": keys.name}) as locked:
                    report.check("it asks for a key, again after a wrong one", asks_for_a_key, browser, locked)
                    report.check("and complains of nothing else", quiet, browser, "401 (Unauthorized)")
        report.line("the server has nothing to say about it", server.unexpected() or None)
    report.check("--no-page: it is not there, nor in the document", is_off)
    return 1 if report.failed else 0


if __name__ == "__main__":
    sys.exit(main())
