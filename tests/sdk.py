#!/usr/bin/env python3
"""The SDKs: packages that sdk/build.sh has made in build/sdk, each installed into a
place of its own and used there, against servers and a fake one; their READMEs; types."""
import json
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile

from harness import TOP, Report, Server

sys.path.insert(0, str(TOP / "tests/sdk"))
from fake import Fake  # noqa: E402

BUILT = TOP / "build/sdk"
PYTHON = "/usr/bin/python3"  # Debian's, whose packages setup.sh has
KEYS = ["first-key", "second-key", "third-key"]
report = Report("sdk")


def one(pattern):
    found = list(BUILT.glob(pattern))
    assert len(found) == 1, (pattern, found)
    return found[0]


def command(*words, cwd=None, env=None):
    done = subprocess.run([str(word) for word in words], cwd=cwd, env=env, capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, f"{words}: {done.returncode}\n{done.stdout}{done.stderr}"
    return done.stdout


def install_python(place):
    command(PYTHON, "-m", "venv", place / "venv")
    command(place / "venv/bin/pip", "install", "--quiet", "--no-index", "--no-deps", one("zeroboot-*.whl"))
    shown = command(place / "venv/bin/pip", "show", "-f", "zeroboot")
    assert "zeroboot/py.typed" in shown and "Requires: \n" in shown, shown


def install_node(place):
    (place / "app").mkdir()
    (place / "app/package.json").write_text('{ "private": true }\n')
    command("npm", "install", "--silent", "--offline", "--no-audit", "--no-fund", one("zeroboot-sdk-*.tgz"),
            cwd=place / "app")
    installed = json.loads((place / "app/node_modules/@zeroboot/sdk/package.json").read_text())
    assert "dependencies" not in installed, installed
    assert [p.name for p in (place / "app/node_modules").iterdir() if p.name[0] != "."] == ["@zeroboot"]


def check_sdist():
    """The other form of the package has all that it is built of."""
    names = command("tar", "tzf", one("zeroboot-*.tar.gz"))
    for path in (TOP / "sdk/python/zeroboot").glob("*.py"):
        assert f"/zeroboot/{path.name}\n" in names, (path, names)
    assert "/pyproject.toml\n" in names and "/zeroboot/py.typed\n" in names, names


def check_versions():
    """One for all."""
    makefile = re.search(r"^VERSION := (.+)$", (TOP / "Makefile").read_text(), re.M)[1]
    for path in "python/pyproject.toml", "python/zeroboot/protocol.py", "node/package.json", "node/src/client.ts":
        found = re.search(r'(?i)\bversion"?(?::| =) "([^"]+)"', (TOP / "sdk" / path).read_text())
        assert found and found[1] == makefile, (path, found)


def check_mypy(place):
    python = place / "venv/bin/python"
    command("/usr/bin/mypy", "--strict", "--cache-dir", place / "mypy", "--python-executable", python,
            "-m", "typed", "-p", "zeroboot", cwd=TOP / "tests/sdk")


def check_tsc(place):
    tsc = TOP / "build/cache/sdk/node_modules/.bin/tsc"
    for suffix in "mts", "cts":
        shutil.copy(TOP / "tests/sdk/types.ts", place / f"app/types.{suffix}")
    (place / "app/tsconfig.json").write_text(json.dumps({
        "compilerOptions": {"noEmit": True, "strict": True, "target": "es2022", "module": "node16", "types": []},
        "files": ["types.mts", "types.cts"]}))
    command(tsc, "-p", "tsconfig.json", cwd=place / "app")


def examples(readme, language):
    """Pairs of an example and what it prints."""
    text = (TOP / "sdk" / readme).read_text()
    blocks = re.findall(r"```(\w+)\n(.*?)```", text, re.S)
    codes = [code for kind, code in blocks if kind == language]
    shown = [code for kind, code in blocks if kind == "text"]
    assert len(codes) == len(shown) >= 3 and len(blocks) == 2 * len(codes), readme
    return zip(codes, shown)


def check_readme(readme, language, file, program, url):
    for code, shown in examples(readme, language):
        file.write_text(code)
        printed = command(*program, file, env={**os.environ, "ZEROBOOT_BASE_URL": url}, cwd=file.parent)
        assert printed == shown, f"{code}\n{printed}"


def url_of(server):
    return f"http://127.0.0.1:{server.port}"


def run_checks(program, environment, cwd):
    """Prints lines of its own."""
    done = subprocess.run(program, env=environment, cwd=cwd, timeout=900)
    if done.returncode not in (0, 1):
        report.line(f"{program[-1]} ends", done.returncode)
    return done.returncode


def main():
    place = pathlib.Path(tempfile.mkdtemp(prefix="sdk-"))
    keys = place / "keys.json"
    keys.write_text(json.dumps(KEYS))
    report.check("the wheel is installed into a fresh venv, without a network", install_python, place)
    report.check("the npm package into a fresh folder, without a network", install_node, place)
    report.check("the source package is whole", check_sdist)
    report.check("one version in all of them", check_versions)
    report.check("mypy --strict: the package, and who uses it", check_mypy, place)
    report.check("tsc --strict: who uses it, as ES module and CommonJS", check_tsc, place)
    with Server() as server, Server(environment={**os.environ, "ZEROBOOT_API_KEYS_FILE": str(keys)}) as keyed, \
            Server("--max-body", "1", "--session-memory", "4") as small:
        python, fake = place / "venv/bin/python", Fake()
        environment = {**os.environ, "SERVER": url_of(server), "KEYED": url_of(keyed), "SMALL": url_of(small),
                       "FAKE": fake.url}
        report.check("python: the README's examples print what it says", check_readme, "python/README.md", "python",
                     place / "example.py", [python, "-W", "error"], url_of(server))
        report.check("node: the README's examples print what it says", check_readme, "node/README.md", "js",
                     place / "app/example.mjs", ["node"], url_of(server))
        shutil.copy(TOP / "tests/sdk/check.mjs", place / "app")
        bad = run_checks([python, "-W", "error", "-W", "ignore::ResourceWarning", TOP / "tests/sdk/check.py"], environment, place)
        bad += run_checks(["node", "check.mjs"], environment, place / "app")
        lines = [line for s in (server, keyed, small) for line in s.unexpected()]
        report.line("the servers' logs have nothing else", lines or None)
    shutil.rmtree(place)
    sys.exit(report.failed > 0 or bad > 0)


main()
