"""A machine with SVM, emulated: Linux, kvm-amd, a shell at a port."""
import pathlib
import socket
import subprocess
import time

TOP = pathlib.Path(__file__).resolve().parent.parent.parent
OUT = TOP / "build/tests/svm"
KERNEL = TOP / "build/cache/svm/boot"
SHELL_PORT, HTTP_PORT = 2222, 8080
PATIENCE = 290  # seconds: for whatever is to come about, on a machine that is busy


def free_ports(count):
    sockets = [socket.socket() for _ in range(count)]
    for s in sockets:
        s.bind(("127.0.0.1", 0))
    ports = [s.getsockname()[1] for s in sockets]
    for s in sockets:
        s.close()
    return ports


class Stopped(Exception):
    """The machine says nothing any more."""


class Machine:
    """Use with `with`; it is up when that begins."""

    def __init__(self):
        self.shell_port, self.http_port = free_ports(2)
        forward = ",".join(f"hostfwd=tcp:127.0.0.1:{here}-:{there}" for here, there in
                           ((self.shell_port, SHELL_PORT), (self.http_port, HTTP_PORT)))
        command = [
            "setpriv", "--pdeathsig", "KILL", "qemu-system-x86_64", "-accel", "tcg,thread=multi,tb-size=512", "-cpu", "EPYC-v1,+svm,+npt",
            "-smp", "2", "-m", "3072", "-nodefaults", "-display", "none", "-no-reboot",
            "-kernel", next(KERNEL.glob("vmlinuz-*")), "-initrd", OUT / "initramfs.cpio",
            "-append", "console=ttyS0 quiet panic=-1 mitigations=off", "-serial", f"file:{OUT}/console",
            "-drive", f"file={OUT}/disk.ext4,if=virtio,format=raw,readonly=on",
            "-nic", f"user,model=virtio-net-pci,{forward}"]
        with open(OUT / "qemu.log", "w") as log:
            self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log)

    def __enter__(self):
        end = time.monotonic() + PATIENCE
        while time.monotonic() < end and self.process.poll() is None:
            try:
                if self.run("test -c /dev/kvm && ls /disk", 20)[1] == 0:
                    return self
            except OSError:
                pass
            time.sleep(0.2)
        self.__exit__()
        said = [(OUT / name).read_text(errors="replace") for name in ("qemu.log", "console")]
        raise Stopped("the machine does not come up: " + "\n".join(said)[-1000:])

    def __exit__(self, *_):
        self.process.kill()
        self.process.wait()

    def alive(self):
        try:
            return self.run("echo alive") == ("alive\n", 0)
        except OSError:
            return False

    def run(self, script, timeout=PATIENCE):
        """Output (stdout and stderr) and status of a shell script."""
        with socket.create_connection(("127.0.0.1", self.shell_port), timeout) as s:
            s.sendall(f"(\n{script}\n) </dev/null 2>&1; echo; echo status $?; exit\n".replace(
                "; echo; echo status $?", "; s=$?; echo; echo status $s").encode())
            data, end = b"", time.monotonic() + timeout
            while part := s.recv(1 << 16):
                data += part
                s.settimeout(max(0.001, end - time.monotonic()))
        output, found, status = data.decode(errors="replace").rpartition("\nstatus ")
        if not found:
            raise ConnectionError(f"the shell said {data[-200:]!r}")
        return output, int(status)
