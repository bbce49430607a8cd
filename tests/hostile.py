#!/usr/bin/env python3
"""Hostile guests against the real server: after each attack the answer is honest
and in time, and a run in the same worker finds every byte and register of the
template through every mapping of it.

The guest is tests/hostile; one server with one worker, recycling on. With an
argument HOST:PORT, that server is asked: it needs hostile.zbt and one worker.
With nested paging (paging.h in the top folder) a VM whose page tables were
written may be used again; --nested allows it.

So it is when the attack is an exec of a session, which stops behind it, is saved or
refused, and goes on: then a run finds the template, and after the session has gone
on in that run's VM another one does.
Usage: hostile.py [--nested] [HOST:PORT] [PART OF A NAME]...
"""
import itertools
import json
import os
import re
import sys
import time
import urllib.error
import urllib.request

from harness import PATIENCE, TOP, Report, Server

SESSIONS_EACH = int(os.environ.get("SESSIONS_EACH", 6))  # of the attacks, in sessions
SECONDS = 1  # of a run that is to be cut off, or may be; any other has PATIENCE

# Machine code that needs a privilege, or makes an odd thing of the CPU: by its
# name and bytes. At CPL3 it ends the program at most; CPL0 takes a page-table
# entry to get to, so the VM is never used again.
CODE = {
    "hlt": "f4", "cli": "fa", "sti": "fb", "clts": "0f06", "invd": "0f08", "wbinvd": "0f09",
    "swapgs": "0f01f8", "int3": "cc", "int 6": "cd06", "int 0x80": "cd80", "ud2": "0f0b", "icebp": "f1",
    "syscall": "0f05", "sysenter": "0f34", "sysret": "480f07", "sysexit": "480f35", "iret": "48cf",
    "vmcall": "0f01c1", "vmmcall": "0f01d9", "vmcall 1": "b8010000000f01c1", "vmmcall 9": "b8090000000f01d9",
    "vmxon": "f30fc73424", "vmrun": "0f01d8", "vmlaunch": "0f01c2", "rsm": "0faa", "getsec": "0f37",
    "forced emulation": "0f0b6b766d0fa2", "the backdoor of VMware": "b868584d56ba585600" + "00ed",
    "cpuid": "31c00fa2", "cpuid of the hypervisor": "b8000000400fa2", "the cpuid of PVM": "0f013c2550564dff0fa2",
    "monitor": "0f01c8", "mwait": "0f01c9", "rdpmc": "31c90f33", "invlpg": "0f013c24", "invpcid": "31c0660f38820424",
    "lidt": "6a000f011c24", "lgdt": "6a000f011424", "lldt": "31c00f00d0", "ltr": "b8400000000f00d8", "lmsw": "31c00f01f0",
    "sidt": "0f010c24", "smsw": "0f01e0",
    "xsetbv of x87 alone": "b80100000031d231c90f01d1", "xsetbv of all": "b8ff00000031d231c90f01d1",
    "CR0 without WP": "0f20c0480fbaf0100f22c0", "CR0 without paging": "0f20c0480fbaf01f0f22c0",
    "CR0.WP toggled": "0f20c0480fbaf0100f22c0480fbae8100f22c0",
    "CR3 of zero": "31c00f22d8", "CR3 again": "0f20d80f22d8", "CR3 with a PCID": "0f20d84883c8010f22d8",
    "CR4.PGE toggled": "0f20e04883f0" + "80" + "0f22e04883f0800f22e0", "CR4.PCIDE": "0f20e0480fbae8110f22e0",
    "CR4.SMEP": "0f20e0480fbae8140f22e0", "CR4.VMXE": "0f20e0480fbae80d0f22e0", "CR4.TSD": "0f20e04883c8040f22e0",
    "CR8": "b80f000000440f22c0",
    "a breakpoint on everything": "31c00f23c0b8ffff00000f23f8", "DR7.GD": "b8002400000f23f8",
    "a split lock": "488d4424c024c04883c03ef0ff00", "a transaction": "c7f802000000ebfe", "umwait": "31c9f20faef1",
    "tpause": "31c9660faef1", "rdpkru": "31c90f01ee", "wrpkru": "31c031c931d20f01ef", "tilerelease": "c4e27849c0",
    "enclu": "31c00f01d7", "senduipi": "31c0f30fc7f0", "clui": "f30f01ee", "incssp": "31c0f3480faee8",
    "ptwrite": "f30faee0", "xgetbv 1": "b9010000000f01d0", "xsaves": "480fc72c24", "wrss": "0f38f60424", "stac": "0f01cb",
    "a null stack segment": "31c08ed0", "the TSS for data": "b8430000008ed8", "the TSS for code": "6a436a0048cb",
    "32-bit code": "6a236a0048cb", "the kernel's code segment": "6a106a0048cb",
    "lsl of all": "b9ffff00000f03c1e2fb", "movs over the top": "48bff8ffffffff7f00004889fe" + "b910000000f3a4",
    "in": "ba425a0000ed", "ins": "6dc3", "a port": "e680", "a page of ports": "b90010000066baf000ef42e2fc",
}
# MSR number, and what is written to it.
MSRS = {
    "STAR": (0xC0000081, 0), "LSTAR": (0xC0000082, 0x1234), "SYSCALL_MASK": (0xC0000084, 0),
    "KERNEL_GS_BASE": (0xC0000102, 0x5678), "FS_BASE": (0xC0000100, 0x5678), "EFER": (0xC0000080, 0),
    "TSC": (0x10, 0), "TSC_ADJUST": (0x3B, 1), "TSC_AUX": (0xC0000103, 7), "APIC_BASE": (0x1B, 0xFEE00D00),
    "PAT": (0x277, 0), "DEBUGCTL": (0x1D9, 1), "SPEC_CTRL": (0x48, 1), "MISC_ENABLE": (0x1A0, 0), "x2APIC": (0x830, 0),
    "KVM's clock": (0x4B564D01, 0x900001), "KVM's steal time": (0x4B564D03, 0x900001),
    "KVM's asynchronous faults": (0x4B564D02, 0x900001), "KVM's wall clock": (0x4B564D00, 0x900000),
    "PVM's vCPU structure": (0x4B564DF1, 0x900000), "PVM's second CR3": (0x4B564DF7, 0x900000),
}
HANGS = {"jmp to itself": "ebfe", "cli and jmp to itself": "faebfe", "rep movs of all there is":
         "48b8" + "0000900000100000" + "4889c64889c7" + "48b9ffffffffffffff7f" + "f3a4",
         "pause for ever": "f390ebfc", "rdtsc for ever": "0f31ebfc", "cpuid for ever": "0fa2ebfc"}


def le(value, size):
    return value.to_bytes(size, "little").hex()


def wrmsr(number, value):
    return "b9" + le(number, 4) + "b8" + le(value & 0xFFFFFFFF, 4) + "ba" + le(value >> 32, 4) + "0f30"


def at_either(listed):
    """(outcome, request) at CPL3 and at CPL0."""
    for name, code in listed.items():
        yield "any", f"code {code}", f"{name} at CPL3"
        yield "lost", f"cpl0 {code}", f"{name} at CPL0"


class Guest:
    """A server that has the hostile template as a language."""

    def __init__(self, address):
        self.url = f"http://{address}"

    def ask(self, code, seconds=PATIENCE):
        """exit code, stdout and stderr; or 500 and the message."""
        body = {"code": code, "language": "hostile", "timeout_seconds": seconds}
        request = urllib.request.Request(self.url + "/v1/exec", json.dumps(body).encode(),
                                         {"Content-Type": "application/json"})
        try:
            answer = json.load(urllib.request.urlopen(request, timeout=seconds + PATIENCE))
        except urllib.error.HTTPError as e:
            return e.code, json.load(e)["error"], ""
        return answer["exit_code"], answer["stdout"], answer["stderr"]

    def post(self, path, body):
        """Status and answer."""
        request = urllib.request.Request(self.url + path, json.dumps(body).encode(), {"Content-Type": "application/json"})
        try:
            with urllib.request.urlopen(request, timeout=3 * PATIENCE) as answer:
                return answer.status, json.load(answer)
        except urllib.error.HTTPError as e:
            return e.code, json.load(e)

    def ask_live(self, code):
        """What a streamed run came to: the last event's data, or the refusal's."""
        body = {"code": code, "language": "hostile", "timeout_seconds": PATIENCE, "stream": True}
        request = urllib.request.Request(self.url + "/v1/exec", json.dumps(body).encode(),
                                         {"Content-Type": "application/json"})
        try:
            with urllib.request.urlopen(request, timeout=2 * PATIENCE) as answer:
                return json.loads(answer.read().rpartition(b"\ndata: ")[2])
        except urllib.error.HTTPError as e:
            return json.load(e)

    def metric(self, name):
        text = urllib.request.urlopen(self.url + "/v1/metrics", timeout=PATIENCE).read().decode()
        return int(float(re.search(rf"^{re.escape(name)} (\S+)$", text, re.M)[1]))

    def recycled(self):
        return self.metric('zeroboot_forks_total{kind="recycled"}')

    def restarts(self):
        return self.metric("zeroboot_worker_restarts_total")


class Suite:
    def __init__(self, guest, nested):
        self.guest = guest
        self.reused = ("thrown", "lost") if nested else ()
        self.seen = {}
        for _ in range(2):  # in a new VM and in a recycled one
            self.honest("cpu")
            self.honest("check")

    def honest(self, what):
        """A run that sees what the first of its kind saw."""
        code, out, err = self.guest.ask(what)
        if code or err or "segment" not in out:
            raise ValueError(f"an honest run failed: {code} {out[-300:]!r} {err!r}")
        then = self.seen.setdefault(what, out)
        if out != then:
            raise ValueError(f"a later run saw: {sorted(set(out.splitlines()) ^ set(then.splitlines()))}")

    def attack(self, outcome, request):
        """Raises what is wrong."""
        start, restarts = time.monotonic(), self.guest.restarts()
        code, out, err = self.guest.ask(request, SECONDS if outcome in ("times-out", "any", "lost") else PATIENCE)
        took = time.monotonic() - start
        seen = "faults" if code == 500 else "times-out" if code == -1 else "ends" if 0 <= code <= 255 else "?"
        wanted = {"kept": "ends", "thrown": "ends"}.get(outcome, outcome)
        if seen == "?" or wanted not in ("any", "lost", seen):
            raise ValueError(f"{seen} instead of {wanted}: {code} {out[-300:]!r} {err[-300:]!r}")
        if seen == "times-out" and took < SECONDS:
            raise ValueError(f"{took:.1f} s for a timeout of {SECONDS} s")
        if seen == "faults" and not out:
            raise ValueError("no reason given")
        before = self.guest.recycled()
        self.honest("cpu")
        recycled = self.guest.recycled() - before
        if recycled:
            self.honest("check")
        thrown = outcome in ("thrown", "lost") and outcome not in self.reused
        if recycled and (thrown or seen in ("faults", "times-out")):
            raise ValueError("the VM was used again")
        if not recycled and outcome == "kept":
            raise ValueError("the VM was thrown away")
        if self.guest.restarts() != restarts:
            raise ValueError("the worker ended")

    def unharmed(self):
        """Runs in the same worker see the template."""
        self.honest("cpu")
        self.honest("check")

    def session(self, outcome, request):
        """The attack as an exec, and one that goes on behind it."""
        restarts = self.guest.restarts()
        status, session = self.guest.post("/v1/sessions", {"language": "hostile"})
        if status != 201:
            raise ValueError(f"no session: {status} {session}")
        path, seen = f"/v1/sessions/{session['id']}/exec", []
        for code in request, "goes on", "has ended":
            seen.append(self.guest.post(path, {"code": code, "timeout_seconds": SECONDS, "on_timeout": "rollback"}))
            self.unharmed()
        for status, answer in seen:
            if status not in (200, 410, 500) or (status == 500) != ("error" in answer and status != 410):
                raise ValueError(f"{seen}")
        statuses = [status for status, _ in seen]
        if outcome == "kept" and statuses != [200, 200, 410] and seen[0][1].get("status") != "signal":
            raise ValueError(f"it does not go on: {seen}")
        if self.guest.restarts() != restarts:
            raise ValueError("the worker ended")

    def registers(self):
        """Some that no program can have are found before the exec is answered: it says so itself,
        and the session is as it was."""
        lost = self.guest.metric("zeroboot_sessions_lost_total")
        _, session = self.guest.post("/v1/sessions", {"language": "hostile"})
        path = f"/v1/sessions/{session['id']}/exec"
        status, answer = self.guest.post(path, {"code": "the end with TF"})
        if status != 500 or "registers that no program can have" not in answer["error"]:
            raise ValueError(f"{status} {answer}")
        status, answer = self.guest.post(path, {"code": "cpu"})
        if status != 200 or answer["stdout"] != self.seen["cpu"]:
            raise ValueError(f"behind it: {status} {answer}")
        if self.guest.metric("zeroboot_sessions_lost_total") != lost:
            raise ValueError("it counts as answered and lost")
        self.unharmed()

    def sessions(self):
        """Some of all attacks."""
        yield from itertools.islice(self.attacks(), 0, None, SESSIONS_EACH)
        for offset in range(0, 216, 8 * SESSIONS_EACH):
            for value in "0", "100001", "ffffffffffffffff":
                yield "any", f"control {offset:x} {value}", f"the control page at {offset}: {value}"

    def listed(self):
        code, out, _ = self.guest.ask("list")
        if code or not out:
            raise ValueError("no list of attacks")
        for line in out.splitlines():
            outcome, name = line.split(" ", 1)
            yield outcome, name, name

    def attacks(self):
        yield from self.listed()
        yield from at_either(CODE)
        yield from at_either(HANGS)
        yield "any", "code " + wrmsr(*MSRS["LSTAR"]), "an MSR written at CPL3"
        for name, msr in MSRS.items():
            yield "lost", "cpl0 " + wrmsr(*msr), f"{name} written at CPL0"
        yield "lost", "cpl0 ba425a0000b802000000ef", "the end at CPL0"

    def controls(self):
        """The control page's fields with values at every edge, at the end."""
        for value in (0, 1, 0xFFFFF, 0x100000, 0x100001, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF, 1 << 32, (1 << 63) - 1,
                      1 << 63, (1 << 64) - 1, 0x8000000080000000):
            for offset in range(128, 216, 8):
                self.attack("ends", f"control {offset:x} {value:x}")
        for offset in range(0, 128, 8):
            self.attack("ends", f"control {offset:x} ffffffffffffffff")

    def hypercalls(self):
        for code in [0, *range(8, 256), 0x100, 0x101, 0x102, 0x10002, 0x7FFFFFFF, 0x80000002, 0xFFFFFFFF]:
            got = self.guest.ask(f"hypercall {code:x}")
            if got[0] != 500 or "unexpected exit" not in got[1]:
                raise ValueError(f"code {code:#x}: {got}")
        self.attack("faults", "hypercall 0")

    def rings(self):
        """Counters of a streamed run's rings that cannot be: the run fails, and its VM goes. What the host
        keeps for itself the guest cannot change."""
        restarts = self.guest.restarts()
        out, ring = lambda size, stream=1: size << 32 | stream, 0x10000
        nonsense = [(out(1), 513, 600), (out(1), 1 << 63, 1), (out(1), (1 << 64) - 1, 1), (out(1, 0), 1, 1), (out(1, 3), 1, 1),
                    (out(1, 1 << 31), 1, 1), (out(0), 1, 1), (out(2), 1, 1), (out(1), 2, 1), (out(ring + 1), 1, ring + 1),
                    (out(1), 1, ring + 1), (out(1), 1, (1 << 64) - 1), (out(0xFFFFFFFF), 1, 0xFFFFFFFF), (out(1), 512, 511)]
        honest = [(out(1), 0, 0), (out(1), 0, (1 << 64) - 1), (out(ring), 1, ring), (out(128, 2), 512, ring), (out(1), 512, 512)]
        for hypercall in 2, 3, 6:
            for entry, count, size in nonsense:
                got = self.guest.ask_live(f"rings {entry:x} {count:x} {size:x} {hypercall}")
                if got.get("error") != "guest: it wrote nonsense into the rings of its output":
                    raise ValueError(f"{entry:#x} {count:#x} {size:#x} {hypercall}: {got}")
            for entry, count, size in honest:
                got = self.guest.ask_live(f"rings {entry:x} {count:x} {size:x} {hypercall}")
                if got.get("status") != "ok":
                    raise ValueError(f"{entry:#x} {count:#x} {size:#x} {hypercall}: {got}")
        self.honest("cpu")
        self.honest("check")
        if self.guest.restarts() != restarts:
            raise ValueError("the worker ended")

    def ghosts(self):
        """Tables of its own, used and put back; then a run makes a table of a
        frame that was one of them."""
        self.attack("thrown", "tables of its own, used and put back")
        for _ in range(2):
            code, out, _ = self.guest.ask("a frame that was a table before")
            if code != 139 or out:
                raise ValueError(f"a mapping that memory does not have: {code} {out!r}")


def run(suite, report, only):
    for outcome, request, name in suite.attacks():
        if not only or any(part in name for part in only):
            report.check(name, suite.attack, outcome, request)
    if only:
        return
    report.check("a session's attacks, and what goes on behind them", in_sessions, suite)
    report.check("registers that no program can have, at an exec's end", suite.registers)
    report.check("each field of the control page with each kind of value", suite.controls)
    report.check("every hypercall code that is none", suite.hypercalls)
    report.check("rings whose counters cannot be", suite.rings)
    report.check("no mapping is left of tables that are gone", suite.ghosts)


def in_sessions(suite):
    for outcome, request, name in suite.sessions():
        try:
            suite.session(outcome, request)
        except Exception as e:
            raise ValueError(f"{name}: {e}") from e


def check_log(server, began):
    """20 lines of one worker's guests at once, and one in 10 s, with how many more
    there were."""
    time.sleep(11)
    Guest(f"127.0.0.1:{server.port}").ask("log lines of every size")
    lines = [line for line in server.logged().splitlines() if line.startswith(b"zeroboot: guest: ")]
    if not 20 <= len(lines) <= 22 + (time.monotonic() - began) / 10:
        raise ValueError(f"{len(lines)} lines")
    if not any(re.fullmatch(rb"zeroboot: guest: [1-9]\d* more lines", line) for line in lines):
        raise ValueError("nobody says how many more there were")


def main():
    report = Report("hostile")
    nested = "--nested" in sys.argv[1:]
    arguments = [a for a in sys.argv[1:] if a != "--nested"]
    if arguments and ":" in arguments[0]:
        run(Suite(Guest(arguments[0]), nested), report, arguments[1:])
    else:
        with Server("--workers", "1", templates=TOP / "build/tests/hostile") as server:
            began = time.monotonic()
            run(Suite(Guest(f"127.0.0.1:{server.port}"), nested), report, arguments)
            if not arguments:
                report.check("no guest fills the log", check_log, server, began)
    return 1 if report.failed else 0


if __name__ == "__main__":
    sys.exit(main())
