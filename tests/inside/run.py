#!/usr/bin/env python3
"""Runs a command in an emulated machine that has /dev/kvm and this machine's files:
`run.py [--back FILE]... COMMAND [ARGUMENT...]`, for machines that have none.

Output and exit code are the command's. What it writes is lost with the machine, but
for each FILE, which is copied here when the command has succeeded. The machine has a
loopback only, one CPU, and takes ten seconds to start; programs take three times as
long in it, and VMs some ten times.
"""
import argparse
import os
import pathlib
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile

TOP = pathlib.Path(__file__).resolve().parent.parent.parent
OUT = TOP / "build/tests/inside"
KERNEL = TOP / "build/cache/inside/boot"
ARGUMENTS = TOP / "tests/emulated/arguments"
CPU = "EPYC-v1,+svm,+npt"
MEMORY_MB = 4096
# What a shim of a version manager would add is slow here.
PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
PASSED = ("ASAN_OPTIONS", "UBSAN_OPTIONS", "XDG_CACHE_HOME")


def script(command, back):
    lines = [f"export PATH={PATH} HOME=/root LC_ALL=C.UTF-8"]
    lines += [f"export {name}={shlex.quote(os.environ[name])}" for name in PASSED if name in os.environ]
    lines += [f"cd {shlex.quote(os.getcwd())} || exit", "ulimit -n 65536", shlex.join(command) + " || exit"]
    lines += [f"cp {shlex.quote(name)} /out/{n} || exit" for n, name in enumerate(back)]
    return "\n".join(lines) + "\n"


def share(path, tag, more=""):
    return ["-virtfs", f"local,path={path},mount_tag={tag},security_model=none,multidevs=remap{more}"]


def start(folder):
    command = [
        "setpriv", "--pdeathsig", "KILL", "qemu-system-x86_64", "-accel", "tcg,thread=single,tb-size=1024",
        "-smp", "1", "-cpu", CPU, "-m", str(MEMORY_MB), "-nodefaults", "-display", "none", "-no-reboot",
        "-kernel", next(KERNEL.glob("vmlinuz-*")), "-initrd", OUT / "initramfs.cpio",
        "-append", ARGUMENTS.read_text().strip(), "-serial", f"file:{folder}/console",
        *share("/", "files", ",readonly=on"), *share(folder, "out")]
    with open(folder / "qemu", "w") as log:
        return subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log)


def run(folder, command, back):
    """The command's exit code."""
    (folder / "run").write_text(script(command, back))
    (folder / "log").touch()
    machine = start(folder)
    try:
        machine.wait()
    finally:
        machine.kill()
        machine.wait()
        sys.stdout.flush()
        with open(folder / "log", "rb") as log:
            shutil.copyfileobj(log, sys.stdout.buffer)
        sys.stdout.flush()
    status = folder / "status"
    if not status.exists():
        said = "".join((folder / name).read_text(errors="replace")[-1000:] for name in ("console", "qemu"))
        raise SystemExit(f"inside: the machine has ended before the command: {said}")
    code = int(status.read_text())
    if code == 0:
        for n, name in enumerate(back):
            shutil.copyfile(folder / str(n), name)
    return code


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--back", action="append", default=[])
    parser.add_argument("command", nargs=argparse.REMAINDER)
    arguments = parser.parse_args()
    subprocess.run([TOP / "tests/inside/build.sh"], check=True)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(124))
    with tempfile.TemporaryDirectory(dir=OUT) as folder:
        sys.exit(run(pathlib.Path(folder), arguments.command, arguments.back))


main()
