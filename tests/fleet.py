#!/usr/bin/env python3
"""deploy/fleet.sh on three hosts, and HAProxy and nginx with the configurations of
deploy/ in front of them: what is restarted or upgraded behind them loses no request.

Hosts are namespaces, their addresses those of the configurations. Which server has a
session is tried with stand-ins.
"""
import contextlib
import ctypes
import json
import os
import subprocess
import sys
import tempfile

from balance.balancer import HAProxy, Nginx
from balance.hosts import Host, Network, binary_of, command
from balance.stand_in import StandIn
from harness import PATIENCE, TOP, Report, eventually, post
from restart import CLOSING, Load

CLONE_NEWNET = 0x40000000  # clone(2)
RUN = post({"code": "echo $((6 * 7))", "language": "sh"})
HOSTS = ["10.0.0.11", "10.0.0.12", "10.0.0.13"]


def request(path, body=None, method="POST"):
    head = f"{method} {path} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n"
    if body is None:
        return f"{head}\r\n".encode()
    body = json.dumps(body)
    return f"{head}Content-Length: {len(body)}\r\n\r\n{body}".encode()


# ---- which server: with stand-ins ----


class StandIns:
    """Three, and a balancer in front of them."""
    net = "127.0.0."

    def __init__(self, kind, folder):
        self.kind, self.folder = kind, folder

    def __enter__(self):
        with contextlib.ExitStack() as stack:
            self.servers = [stack.enter_context(StandIn(f"{self.net}{number}", 8080)) for number in (11, 12, 13)]
            self.balancer = stack.enter_context(self.kind(self.folder, self.net))
            self.end = stack.pop_all().close
        return self

    def __exit__(self, *_):
        self.end()

    def ask(self, *what, status=200):
        answer = self.balancer.ask(request(*what))
        assert answer.status == status, (what, answer)
        return json.loads(answer.body)


def check_sessions(kind, folder):
    """Each request of a session, and of what was forked from it, finds its server."""
    with StandIns(kind, folder) as all:
        made = [all.ask("/v1/sessions", {}, status=201) for _ in range(12)]
        assert len({answer["server"] for answer in made}) == 3, made
        for count in 1, 2, 3:
            for one in made:
                got = all.ask(f"/v1/sessions/{one['id']}/exec", {"code": ""})
                assert (got["count"], got["server"]) == (count, one["server"]), (got, one)
        for one in made:
            for fork in all.ask(f"/v1/sessions/{one['id']}/fork", {}, status=201)["sessions"]:
                for count in 1, 2:
                    got = all.ask(f"/v1/sessions/{fork['id']}", None, "GET")
                    assert (got["count"], got["server"]) == (count, one["server"]), (got, one)
        # larger than any buffer
        big = {"code": "x" * 1_000_000}
        for one in made:
            got = all.ask(f"/v1/sessions/{one['id']}/exec", big)
            assert got["size"] > 1_000_000 and got["server"] == one["server"], got
        all.ask("/v1/sessions/none/exec", {"code": ""}, status=404)


def check_refusals(kind, folder):
    """What one server refuses another one takes; when all refuse, their answer comes."""
    with StandIns(kind, folder) as all:
        all.servers[0].refuses = True
        for _ in range(30):
            assert all.ask("/v1/exec", {"code": ""})["server"] != all.servers[0].name
        assert all.servers[0].refused > 0
        for server in all.servers:
            server.refuses = True
        answer = all.ask("/v1/exec", {"code": ""}, status=503)
        assert answer["error"] in ("the queue is full", "no server is free"), answer


def check_nobody(kind, folder):
    """Without a server the answer is one of the API's."""
    with kind(folder, StandIns.net) as balancer:
        answer = balancer.ask(request("/v1/exec", {"code": ""}))
        assert answer.status == 503 and json.loads(answer.body)["error"], answer
        assert answer.headers["retry-after"] == "1" and answer.headers["content-type"] == "application/json", answer


# ---- three hosts ----


class Fleet:
    def __init__(self, network, hosts):
        self.network, self.hosts = network, hosts
        folder = network.folder
        # other files of the same program
        self.binaries = [binary_of(folder, f"zeroboot-{n}", TOP / "zeroboot", "\n" * n) for n in (1, 2)]
        self.refused = binary_of(folder, "refused", text="#!/bin/sh\necho no such instruction >&2\nexit 1\n")
        self.sick = binary_of(folder, "sick", text='#!/bin/sh\n[ "$1" = --version ]\n')

    def install(self, binary, *options, hosts=HOSTS):
        """Its exit code, and what it said."""
        done = subprocess.run([TOP / "deploy/fleet.sh", "-s", self.network.ssh(), "-b", binary, "-t", TOP / "templates/sh.img",
                               "-t", TOP / "templates/sh.zbt", "-o", "--listen :8080 --workers 1", "-w", str(PATIENCE), "-p", "1", *options, *hosts],
                              stdin=subprocess.DEVNULL, capture_output=True, text=True)
        assert not done.stdout, done.stdout
        return done.returncode, done.stderr.splitlines()

    def has(self, host, binary):
        return host.file("/usr/local/bin/zeroboot").read_bytes() == binary.read_bytes()


def check_first(fleet):
    status, said = fleet.install(fleet.binaries[0])
    expected = [f"fleet: {host}: {what}" for host in HOSTS for what in ("installing", "healthy")]
    assert (status, said) == (0, expected + ["fleet: 3 hosts are healthy"]), (status, said)
    for host in fleet.hosts:
        assert fleet.has(host, fleet.binaries[0]) and not host.file("/usr/local/bin/zeroboot.old").exists()
        assert b'"stdout":"42\\n"' in host.ask(RUN.replace(b"\r\n", b"\r\n" + CLOSING, 1)).body


def check_refused(fleet):
    """A binary that does not run there takes nobody's place."""
    status, said = fleet.install(fleet.refused)
    assert (status, said[1:]) == (1, [f"fleet: {HOSTS[0]}: the binary does not run: no such instruction ",
                                      f"fleet: left as they were: {HOSTS[1]} {HOSTS[2]}"]), (status, said)
    assert all(fleet.has(host, fleet.binaries[0]) for host in fleet.hosts)


def check_cut(fleet):
    """What did not arrive whole takes nobody's place."""
    cutting = binary_of(fleet.network.folder, "cutting", text=f"""#!/bin/sh
case $* in
*'cat >'*) head -c 1000 | {fleet.network.ssh()} "$@" ;;
*) exec {fleet.network.ssh()} "$@" ;;
esac
""")
    status, said = fleet.install(fleet.binaries[1], "-s", cutting)
    assert status == 1 and said[1].startswith(f"fleet: {HOSTS[0]}: /usr/local/bin/zeroboot did not arrive whole"), (status, said)
    assert all(fleet.has(host, fleet.binaries[0]) for host in fleet.hosts)


def check_away(fleet):
    """A host that is not there is the end."""
    status, said = fleet.install(fleet.binaries[1], hosts=["10.0.0.1", *HOSTS])
    assert status == 1 and "10.0.0.1" in said[1] and "Connection refused" in said[1], (status, said)
    assert all(fleet.has(host, fleet.binaries[0]) for host in fleet.hosts)


def check_usage(fleet):
    for options, hosts in (("-w", "x"), HOSTS), (("-q",), HOSTS), ((), []), ((), ["a b"]), (("-t", "none"), HOSTS):
        status, said = fleet.install(fleet.binaries[0], *options, hosts=hosts)
        assert status == 2 and "fleet.sh -h" in said[-1], (options, status, said)


@contextlib.contextmanager
def loads(balancers):
    """Under load through each; whoever failed is told at the end."""
    some = [Load(balancer, RUN, 0.02) for balancer in balancers]
    try:
        yield some
    finally:
        for load in some:
            load.end()
    for load, balancer in zip(some, balancers):
        print(f"# {balancer.name}: {load.count} requests, {len(load.problems)} failed")
        assert load.count > 50 and not load.problems and not load.late, (balancer.name, load.problems[:5], load.late)


def go_on(some, by=50):
    """Each load has been answered so many more."""
    before = [load.count for load in some]
    eventually(lambda: all(load.count >= count + by or load.problems for load, count in zip(some, before)))


def check_upgrade(fleet, balancers):
    with loads(balancers) as some:
        go_on(some)
        status, said = fleet.install(fleet.binaries[1])
        assert status == 0, said
        go_on(some)
    for host in fleet.hosts:
        assert fleet.has(host, fleet.binaries[1])
        assert host.file("/usr/local/bin/zeroboot.old").read_bytes() == fleet.binaries[0].read_bytes()
        assert host.runs() > 0, host.address


def check_sick(fleet, balancers):
    """A server that does not become healthy is the end, and the others go on."""
    with loads(balancers) as some:
        status, said = fleet.install(fleet.sick, "-w", "2")
        go_on(some)
    assert status == 1 and said[-1] == f"fleet: left as they were: {HOSTS[1]} {HOSTS[2]}", (status, said)
    assert said[1] == f"fleet: {HOSTS[0]}: not healthy after 2 s: nothing answers at 127.0.0.1:8080", said
    assert [fleet.has(host, fleet.binaries[1]) for host in fleet.hosts] == [False, True, True]


def check_mended(fleet, balancers):
    """A host that failed comes back, and into the load."""
    with loads(balancers) as some:
        status, said = fleet.install(fleet.binaries[1], hosts=HOSTS[:1])
        assert status == 0, said
        eventually(lambda: fleet.hosts[0].runs() > 50)
    del some


def check_drained(fleet, balancer):
    """A server that is taken out by hand gets no more, and more when it is back."""
    host = fleet.hosts[1]
    eventually(lambda: balancer.state("b") == "UP")
    with loads([balancer]) as some:
        eventually(lambda: host.runs() > 0)
        balancer.order("set server runs/b state drain")
        eventually(lambda: "DRAIN" in balancer.state("b"))
        # those on their way
        before = -1
        while before != (now := host.runs()):
            before = now
            go_on(some, 10)
        go_on(some)
        assert host.runs() == before
        balancer.order("set server runs/b state ready")
        eventually(lambda: host.runs() > before)


def main():
    report = Report("fleet")
    os.chdir(TOP)
    # what the hosts' addresses mean is ours, and so is port 8000
    if ctypes.CDLL(None, use_errno=True).unshare(CLONE_NEWNET):
        raise OSError(ctypes.get_errno(), "unshare")
    command("ip", "link", "set", "lo", "up")
    with tempfile.TemporaryDirectory(prefix="zeroboot-fleet-") as folder:
        for kind in HAProxy, Nginx:
            report.check(f"{kind.name}: a session's requests find its server", check_sessions, kind, folder)
            report.check(f"{kind.name}: what one server refuses another one takes", check_refusals, kind, folder)
            report.check(f"{kind.name}: without a server the answer says so", check_nobody, kind, folder)
        with contextlib.ExitStack() as stack:
            network = Network(folder)
            fleet = Fleet(network, [stack.enter_context(Host(network, number)) for number in (11, 12, 13)])
            report.check("installs on three hosts, and they are healthy", check_first, fleet)
            report.check("a binary that does not run takes nobody's place", check_refused, fleet)
            report.check("nor does one that did not arrive whole", check_cut, fleet)
            report.check("a host that is not there is the end", check_away, fleet)
            report.check("wrong usage is 2", check_usage, fleet)
            balancers = [stack.enter_context(kind(folder)) for kind in (HAProxy, Nginx)]
            report.check("an upgrade of all three behind HAProxy and nginx loses no request", check_upgrade, fleet, balancers)
            report.check("a server that does not become healthy is the end, and the others go on", check_sick, fleet, balancers)
            report.check("it comes back", check_mended, fleet, balancers)
            report.check("HAProxy drains a server by hand, and takes it back", check_drained, fleet, balancers[0])
    return 1 if report.failed else 0


if __name__ == "__main__":
    sys.exit(main())
