"""A machine with SVM, emulated: Linux, kvm-amd, a shell at a port."""
import socket
import subprocess
import time

from emulated import machine
from emulated.machine import PATIENCE_HERE, TOP, Stopped, free_ports

OUT = TOP / "build/tests/svm"
KERNEL = TOP / "build/cache/svm/boot"
ARGUMENTS = TOP / "tests/emulated/arguments"
CPU = "EPYC-v1,+svm,+npt"
SHELL_PORT, HTTP_PORT = 2222, 8080


class Machine(machine.Machine):
    """Use with `with`; it is up when that begins."""
    module, nested, listen = "kvm_amd", "npt", f"10.0.2.15:{HTTP_PORT}"

    def __init__(self, cpu=CPU, name="machine"):
        self.said = [OUT / f"{name}.{what}" for what in ("qemu", "console")]
        self.shell_port, self.http_port = free_ports(2)
        forward = ",".join(f"hostfwd=tcp:127.0.0.1:{here}-:{there}" for here, there in
                           ((self.shell_port, SHELL_PORT), (self.http_port, HTTP_PORT)))
        command = [
            "setpriv", "--pdeathsig", "KILL", "qemu-system-x86_64", "-accel", "tcg,thread=single,tb-size=512",
            # Its time is what it has executed, 8 ns each: other work on this machine is
            # not seen inside.
            "-icount", "shift=3", "-smp", "1", "-cpu", cpu,
            "-m", "3072", "-nodefaults", "-display", "none", "-no-reboot",
            "-kernel", next(KERNEL.glob("vmlinuz-*")), "-initrd", OUT / "initramfs.cpio",
            "-append", ARGUMENTS.read_text().strip(), "-serial", f"file:{self.said[1]}",
            "-drive", f"file={OUT}/disk.ext4,if=virtio,format=raw,readonly=on",
            "-nic", f"user,model=virtio-net-pci,{forward}"]
        with open(self.said[0], "w") as log:
            self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log)

    def __enter__(self):
        end = time.monotonic() + PATIENCE_HERE
        while time.monotonic() < end and self.process.poll() is None:
            try:
                if self.run("test -c /dev/kvm && ls /disk", 60)[1] == 0:
                    return self
            except OSError:
                pass
            time.sleep(0.2)
        self.__exit__()
        said = [path.read_text(errors="replace") for path in self.said]
        raise Stopped("the machine does not come up: " + "\n".join(said)[-1000:])

    def __exit__(self, *_):
        self.process.kill()
        self.process.wait()

    def exchange(self, script, timeout):
        with socket.create_connection(("127.0.0.1", self.shell_port), timeout) as s:
            s.sendall(f"{script}; exit\n".encode())
            data, end = b"", time.monotonic() + timeout
            while part := s.recv(1 << 16):
                data += part
                s.settimeout(max(0.001, end - time.monotonic()))
        return data
