#!/usr/bin/env python3
"""The appliance in emulated machines: its disk by UEFI and by BIOS, its kernel and
initramfs; settings from all sources. In the first one, which has SVM, it answers runs.

Machines are emulated one after the other. What they say is in build/tests/appliance/log.
"""
import json
import os
import pathlib
import re
import socket
import subprocess
import sys
import time

from emulated.machine import PATIENCE, PATIENCE_HERE, TOP, Stopped, free_ports
from harness import Report, answers, post, receive

OUT = TOP / "build/tests/appliance"
LOG = OUT / "log"
CPU_SECONDS = 200  # of one machine, which takes 20 to 40
OVMF = "/usr/share/OVMF/OVMF_CODE.fd"
SVM, NO_SVM = ["-cpu", "EPYC-v1,+svm,+npt"], ["-cpu", "qemu64,-svm"]
DISK = ["-drive", f"file={OUT}/zeroboot.disk,if=virtio,format=raw,readonly=on"]


class Machine:
    """Use with `with`. Its time is what it has executed, so that other work here is
    not seen inside."""

    def __init__(self, name, *words):
        self.console, [self.port] = LOG / name, free_ports(1)
        self.console.write_text("")
        with open(LOG / f"{name}.qemu", "w") as log:
            self.process = subprocess.Popen(
                ["setpriv", "--pdeathsig", "KILL", "nice", "qemu-system-x86_64", "-accel", "tcg,thread=single,tb-size=512",
                 "-icount", "shift=3", "-smp", "1", "-m", "1536", "-nodefaults", "-display", "none", "-no-reboot",
                 "-serial", f"file:{self.console}", "-nic", f"user,model=virtio-net-pci,hostfwd=tcp:127.0.0.1:{self.port}-:8080",
                 *words], stdin=subprocess.DEVNULL, stdout=log, stderr=log)

    def said(self):
        return self.console.read_text(errors="replace").replace("\r", "")

    def says(self, pattern, times=1):
        """What matches, once it has been said so often."""
        end = time.monotonic() + PATIENCE_HERE
        while len(found := list(re.finditer(pattern, self.said(), re.M))) < times:
            if self.process.poll() is not None or self.cpu_seconds() > CPU_SECONDS or time.monotonic() > end:
                raise Stopped(self.said()[-1500:])
            time.sleep(0.1)
        return found[-1]

    def run(self, code, key):
        request = post({"code": code, "language": "sh", "timeout_seconds": 300},
                       extra=f"Connection: close\r\nAuthorization: Bearer {key}\r\n".encode())
        with socket.create_connection(("127.0.0.1", self.port), PATIENCE) as s:
            s.sendall(request)
            [answer] = answers(receive(s))
            return answer

    def cpu_seconds(self):
        fields = pathlib.Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.wait()


def check_uefi():
    """Answers who has one of the keys, from SMBIOS and from fw_cfg; options too."""
    with Machine("uefi", *SVM, "-drive", f"if=pflash,format=raw,readonly=on,file={OVMF}", *DISK,
                 "-smbios", 'type=11,value=zeroboot.key=of"smbios,value=zeroboot.options=--workers 1',
                 "-fw_cfg", "name=opt/zeroboot/config,string=zeroboot.key=of-fw\\cfg") as machine:
        machine.says(r"^appliance: keys given: 2, options: --workers 1$")
        found = machine.says(r"^appliance: answers, ([\d.]+) s after Linux began: 10\.0\.2\.15:8080 $")
        for key in 'of"smbios', "of-fw\\cfg":
            answer = machine.run("echo $((6 * 7))", key)
            assert answer.status == 200 and json.loads(answer.body)["stdout"] == "42\n", answer
        assert machine.run("echo 1", "another").status == 401
        # workers have all their locks
        assert "level=warning" not in machine.said() and "has ended" not in machine.said(), machine.said()
        print(f"# by UEFI it answers {found[1]} s of the machine after Linux began; {machine.cpu_seconds():.0f} s of CPU here")


def check_uefi_again():
    """QEMU's nested SVM stops now and then, Linux inside with it."""
    for more in 2, 1, 0:
        try:
            return check_uefi()
        except (Stopped, OSError) as e:
            if not more:
                raise
            print("# the emulated machine has stopped, once more:", *str(e).splitlines()[-4:], sep="\n# ", flush=True)


def check_bios():
    """Takes its settings from a config drive; starts zeroboot again when it ends."""
    drive = OUT / "drive"
    drive.write_bytes(b"\0" * (1 << 20))
    (OUT / "user-data").write_text("#cloud-config\nzeroboot.key=one\nzeroboot.key=two\r\nzeroboot.options=--workers 2:3 --fresh\n")
    subprocess.run(["mkfs.vfat", "-n", "CIDATA", drive], check=True, stdout=subprocess.DEVNULL)
    subprocess.run(["mcopy", "-i", drive, OUT / "user-data", "::user-data"], check=True)
    with Machine("bios", *NO_SVM, *DISK, "-drive", f"file={drive},if=virtio,format=raw,readonly=on") as machine:
        machine.says(r"^appliance: no /dev/kvm")
        machine.says(r"^appliance: keys given: 2, options: --workers 2:3 --fresh$")
        machine.says(r"^appliance: zeroboot has ended with 1, and is started again$", times=2)
        print(f"# by BIOS: {machine.cpu_seconds():.0f} s of CPU here")


def check_kernel():
    """Takes its settings from the command line; without a key it makes one."""
    with Machine("kernel", *NO_SVM, "-kernel", OUT / "vmlinuz", "-initrd", OUT / "initramfs",
                 "-append", 'console=ttyS0 quiet panic=10 zeroboot.options="--listen :8081 --workers 7"') as machine:
        machine.says(r"^appliance: keys given: 0, options: --listen :8081 --workers 7$")
        machine.says(r"^appliance: zeroboot has ended with 1")
        machine.says(r"^appliance: no key was given; this one is good until the next start: [\w-]{32}$")


def main():
    report = Report("appliance")
    os.chdir(TOP)
    LOG.mkdir(exist_ok=True)
    report.check("its disk starts by UEFI, and answers who has a key of SMBIOS's or fw_cfg's", check_uefi_again)
    report.check("its disk starts by BIOS, with the settings of a config drive, and starts zeroboot again", check_bios)
    report.check("its kernel takes settings from the command line, and a key is made where none is", check_kernel)
    return 1 if report.failed else 0


if __name__ == "__main__":
    sys.exit(main())
