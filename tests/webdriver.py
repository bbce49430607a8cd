"""A browser for tests: chromedriver by WebDriver (W3C), with what Python has."""
import base64
import json
import pathlib
import re
import subprocess
import tempfile
import urllib.error
import urllib.request

from harness import PATIENCE, eventually

ELEMENT = "element-6066-11e4-a52e-4f735466cecf"  # WebDriver, 12.1
KEYS = {"Tab": "\ue004", "Enter": "\ue007", "Control": "\ue009", "Shift": "\ue008", "Escape": "\ue00c", "Space": " ", "Backspace": "\ue003",
        "ArrowRight": "\ue014", "ArrowDown": "\ue015"}
ARGUMENTS = ["--headless=new", "--no-sandbox", "--disable-dev-shm-usage", "--disable-gpu", "--hide-scrollbars", "--window-size=1280,800",
             "--disable-background-networking", "--disable-component-update", "--no-first-run"]


class Browser:
    """One window; use with `with`."""

    def __init__(self):
        self.folder = tempfile.TemporaryDirectory(prefix="zeroboot-browser-")
        self.log = open(f"{self.folder.name}/log", "w+")
        self.process = subprocess.Popen(["chromedriver", "--port=0"], stdin=subprocess.DEVNULL, stdout=self.log, stderr=self.log)
        self.port = self.session = None
        eventually(self.started)
        options = {"args": [*ARGUMENTS, f"--user-data-dir={self.folder.name}/profile"]}
        made = self.call("POST", "/session", {"capabilities": {"alwaysMatch": {
            "browserName": "chrome", "goog:chromeOptions": options, "goog:loggingPrefs": {"browser": "ALL"}}}})
        self.session = f"/session/{made['sessionId']}"

    def started(self):
        assert self.process.poll() is None, self.said()
        found = re.search(r"started successfully on port (\d+)", self.said())
        self.port = found and int(found[1])
        return self.port

    def said(self):
        return pathlib.Path(self.log.name).read_text()

    def call(self, method, path, body=None):
        data = json.dumps(body or {}).encode() if method == "POST" else None
        request = urllib.request.Request(f"http://127.0.0.1:{self.port}{path}", data, {"Content-Type": "application/json"}, method=method)
        try:
            with urllib.request.urlopen(request, timeout=PATIENCE) as answer:
                return json.load(answer)["value"]
        except urllib.error.HTTPError as e:
            raise AssertionError(f"{path}: {json.load(e)['value']['message'][:300]}") from None

    def __enter__(self):
        return self

    def __exit__(self, *_):
        try:
            self.call("DELETE", self.session)
        finally:
            self.process.terminate()
            self.process.wait(PATIENCE)
            self.log.close()
            self.folder.cleanup()

    # ---- what one does with it ----

    def open(self, url):
        self.call("POST", f"{self.session}/url", {"url": url})

    def run(self, script, *arguments):
        """The value of an expression, or of statements with a return."""
        script = script if script.startswith(("const ", "for ", "return ")) else f"return {script}"
        return self.call("POST", f"{self.session}/execute/sync", {"script": script, "args": arguments})

    def find(self, selector):
        return self.call("POST", f"{self.session}/element", {"using": "css selector", "value": selector})[ELEMENT]

    def click(self, selector):
        self.call("POST", f"{self.session}/element/{self.find(selector)}/click")

    def fill(self, selector, text):
        """As if it were typed or chosen; of a file input, a path."""
        self.call("POST", f"{self.session}/element/{self.find(selector)}/value", {"text": text})

    def label(self, element):
        """Its name as a screen reader has it."""
        return self.call("GET", f"{self.session}/element/{element[ELEMENT]}/computedlabel")

    def press(self, *keys):
        """Each a key, keys that go with one (Control+Enter), or text to type."""
        for key in keys:
            words = key.split("+") if all(word in KEYS for word in key.split("+")[:-1]) else [key]
            if words[-1] in KEYS or len(words) > 1:
                codes = [KEYS.get(word, word) for word in words]
                actions = [{"type": "keyDown", "value": code} for code in codes] + [{"type": "keyUp", "value": code} for code in reversed(codes)]
            else:
                actions = [{"type": kind, "value": letter} for letter in key for kind in ("keyDown", "keyUp")]
            self.call("POST", f"{self.session}/actions", {"actions": [{"type": "key", "id": "keyboard", "actions": actions}]})

    def devtools(self, command, **parameters):
        return self.call("POST", f"{self.session}/goog/cdp/execute", {"cmd": command, "params": parameters})

    def looks(self, scheme, width, height, phone=False):
        self.devtools("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": scheme}])
        self.devtools("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=2 if phone else 1, mobile=phone)

    def complaints(self):
        """What its console has complained of since."""
        return [line["message"] for line in self.call("POST", f"{self.session}/se/log", {"type": "browser"})
                if line["level"] in ("WARNING", "SEVERE")]

    def picture(self, path):
        pathlib.Path(path).write_bytes(base64.b64decode(self.call("GET", f"{self.session}/screenshot")))
