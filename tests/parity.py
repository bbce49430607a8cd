#!/usr/bin/env python3
"""Parity: every snippet prints the same natively and in a forked VM.

Natively: Debian's python3.11 of the image, in a chroot of the image's root,
with the snippet as /app/main.py. In the VM: POST /v1/exec to a server of this
test's own. stdout, stderr and exit code are compared byte for byte. Snippets
stand in tests/python/*.txt, separated by lines of `### name`.
"""
import json
import os
import pathlib
import re
import shutil
import socket
import subprocess
import sys
import time
import urllib.request

TOP = pathlib.Path(__file__).resolve().parent.parent
ROOT = TOP / "build/python-root"
ENVIRONMENT = {"PATH": "/usr/local/bin:/usr/bin:/bin", "HOME": "/root", "LANG": "C.UTF-8"}


def snippets():
    for path in sorted((TOP / "tests/python").glob("*.txt")):
        name, lines = None, []
        for line in path.read_text().splitlines(keepends=True):
            if line.startswith("### "):
                if name:
                    yield name, "".join(lines)
                name, lines = line[4:].strip(), []
            else:
                lines.append(line)
        if name:
            yield name, "".join(lines)


def native(code):
    (ROOT / "app/main.py").write_text(code)
    for leftover in (ROOT / "tmp").iterdir():
        shutil.rmtree(leftover) if leftover.is_dir() else leftover.unlink()
    done = subprocess.run(
        ["/usr/bin/python3", "/app/main.py"], stdin=subprocess.DEVNULL, capture_output=True, env=ENVIRONMENT,
        timeout=60, preexec_fn=lambda: (os.chroot(ROOT), os.chdir("/app")))
    code = done.returncode
    return done.stdout.decode(errors="replace"), done.stderr.decode(errors="replace"), 128 - code if code < 0 else code


def in_vm(port, code):
    request = urllib.request.Request(
        f"http://127.0.0.1:{port}/v1/exec", json.dumps({"code": code, "timeout_seconds": 60}).encode(),
        {"Content-Type": "application/json"})
    answer = json.load(urllib.request.urlopen(request, timeout=90))
    return answer["stdout"], answer["stderr"], answer["exit_code"]


def without_addresses(result):
    """Object addresses differ between any two runs, natively too."""
    return tuple(re.sub(r"\bat 0x[0-9a-f]+", "at 0x-", part) if isinstance(part, str) else part for part in result)


def start_server():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        port = s.getsockname()[1]
    with open(TOP / "build/tests/parity.log", "w") as log:
        server = subprocess.Popen([TOP / "zeroboot", "serve", "--listen", f"127.0.0.1:{port}",
                                   "--templates", TOP / "templates"], stderr=log)
    for _ in range(100):
        try:
            urllib.request.urlopen(f"http://127.0.0.1:{port}/v1/health", timeout=5)
            return server, port
        except OSError:
            if server.poll() is not None:
                break
            time.sleep(0.1)
    sys.exit(2)


def main():
    wanted = sys.argv[1:]
    # The chroot needs what the guest has: devices.
    for name, minor in (("null", 3), ("zero", 5), ("full", 7), ("urandom", 9)):
        path = ROOT / "dev" / name
        if not path.exists():
            os.mknod(path, 0o020666, os.makedev(1, minor))
    server, port = start_server()
    failed = 0
    try:
        for name, code in snippets():
            if wanted and name not in wanted:
                continue
            try:
                expected, got = without_addresses(native(code)), without_addresses(in_vm(port, code))
            except Exception as e:  # an error of either side is a failure
                expected, got = "an answer", repr(e)
            print(f"{'ok' if expected == got else 'not ok'} - parity: {name}", flush=True)
            if expected != got:
                failed += 1
                print("# native:", repr(expected)[-900:])
                print("# guest: ", repr(got)[-900:])
    finally:
        server.terminate()
        server.wait()
        for name in ("null", "zero", "full", "urandom"):
            (ROOT / "dev" / name).unlink(missing_ok=True)
        (ROOT / "app/main.py").unlink(missing_ok=True)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
