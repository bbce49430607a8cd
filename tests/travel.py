#!/usr/bin/env python3
"""README's second example: a box is copied by scp to a host that has sshd and /dev/kvm,
started there through ssh, and answers. bench/journey.py measures the same."""
import ctypes
import json
import os
import shlex
import socket
import subprocess
import sys
import tempfile
import time

from balance.hosts import Host, Network, command
from harness import PATIENCE, TOP, Report, answers, eventually, post, receive

CLONE_NEWNET = 0x40000000  # clone(2)
# In a root that has nothing else but /dev/kvm.
EMPTY = "mkdir -p empty/dev && mv box empty/ && cp -a /dev/kvm empty/dev/ && exec chroot empty /box serve"


def own_network():
    if ctypes.CDLL(None, use_errno=True).unshare(CLONE_NEWNET):
        raise OSError(ctypes.get_errno(), "unshare")
    command("ip", "link", "set", "lo", "up")


def make_network(folder):
    network = Network(folder)
    with open(network.folder / "sshd_config", "a") as config:
        config.write("Subsystem sftp internal-sftp\n")  # what scp asks for
    return network


def pack(folder, *images):
    # static, whatever ./zeroboot is
    subprocess.run([TOP / "build/release/zeroboot", "pack", "-o", f"{folder}/box", *images], check=True, capture_output=True)
    return f"{folder}/box"


def copy(network, host, box):
    words = shlex.split(network.ssh())
    subprocess.run(["scp", "-q", *words[1:], box, f"root@{host.address}:"], check=True, stdin=subprocess.DEVNULL)


class Served:
    """Use with `with`: a server that ssh has started, at a port of this side. It ends
    with its host."""

    def __init__(self, network, host, how="exec ./box serve"):
        self.process = subprocess.Popen(
            ["setpriv", "--pdeathsig", "KILL", *shlex.split(network.ssh()), "-o", "ExitOnForwardFailure=yes",
             "-L", "8080:127.0.0.1:8080", f"root@{host.address}", how],
            stdin=subprocess.DEVNULL, stderr=subprocess.PIPE)

    def ask(self, code, language):
        """What it prints, as soon as somebody answers."""
        end = time.monotonic() + PATIENCE
        request = post({"code": code, "language": language}, extra=b"Connection: close\r\n")
        while time.monotonic() < end:
            assert self.process.poll() is None, self.process.stderr.read()
            try:
                with socket.create_connection(("127.0.0.1", 8080), PATIENCE) as s:
                    s.sendall(request)
                    said = receive(s)
            except OSError:
                said = b""
            if said.startswith(b"HTTP/"):
                [answer] = answers(said)
                assert answer.status == 200, answer
                return json.loads(answer.body)["stdout"]
            time.sleep(0.005)
        raise AssertionError("nobody answers")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.wait()


def check_serves(network, host, box):
    copy(network, host, box)
    with Served(network, host) as server:
        assert server.ask("echo $((6 * 7))", "sh") == "42\n"
        eventually(lambda: ".zbt" in [p.suffix for p in host.file("/root/.cache/zeroboot").iterdir()])


def check_empty(network, host, box):
    copy(network, host, box)
    with Served(network, host, EMPTY) as server:
        assert server.ask("echo $((6 * 7))", "sh") == "42\n"
    files = sorted(str(p.relative_to(host.file("/root/empty"))) for p in host.file("/root/empty").rglob("*"))
    assert files == ["box", "dev", "dev/kvm"], files


def main():
    report = Report("travel")
    os.chdir(TOP)
    own_network()
    with tempfile.TemporaryDirectory(prefix="zeroboot-travel-") as folder:
        network = make_network(folder)
        box = pack(folder, "build/sh.img")
        with Host(network, 11) as host:
            report.check("a box that scp has copied serves through ssh, and keeps its template", check_serves, network, host, box)
        with Host(network, 12) as host:
            report.check("the same in a root that has nothing but /dev/kvm, where nothing is kept", check_empty, network, host, box)
    return 1 if report.failed else 0


if __name__ == "__main__":
    sys.exit(main())
