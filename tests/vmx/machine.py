"""A machine with VMX, emulated by Bochs: Linux, kvm-intel, a shell at a serial
line, which carries requests to the server inside, too."""
import base64
import gzip
import os
import pty
import socket
import socketserver
import subprocess
import threading
import time

from emulated import machine
from emulated.machine import PATIENCE, TOP, Stopped, free_ports

OUT = TOP / "build/tests/vmx"
LISTEN = "127.0.0.1 8080"
# ips: its clock counts so many instructions a second, whatever this machine does.
CONFIG = """
config_interface: textconfig
display_library: rfb, options="timeout=0"
plugin_ctrl: usb_uhci=0, e1000=0, es1370=0, sb16=0, ne2k=0, voodoo=0
cpu: model=corei7_haswell_4770, count=1, ips=200000000
memory: guest=2048, host=2048
romimage: file=/usr/share/bochs/BIOS-bochs-latest, options=fastboot
vgaromimage: file=/usr/share/vgabios/vgabios.bin
pci: enabled=1, chipset=i440fx
ata0-master: type=disk, path=cd.iso, mode=flat, cylinders=0
ata0-slave: type=disk, path=disk.ext4, mode=flat, cylinders=0
boot: disk
clock: sync=none, time0=utc
com1: enabled=1, mode=file, dev=console
com2: enabled=1, mode=socket-server, dev=127.0.0.1:{port}
log: bochs.log
panic: action=fatal
error: action=ignore
info: action=ignore
debug: action=ignore
sound: driver=dummy
speaker: enabled=0
"""


class Machine(machine.Machine):
    """Use with `with`; it is up when that begins."""
    module, nested, listen = "kvm_intel", "ept", LISTEN.replace(" ", ":")

    def __init__(self):
        port, = free_ports(1)
        (OUT / "bochsrc").write_text(CONFIG.format(port=port))
        (OUT / "commands").write_text("c\n")  # Debian's waits for its debugger
        self.terminal, other = pty.openpty()
        (OUT / "console").write_text("")
        with open(OUT / "output", "w") as log:
            self.process = subprocess.Popen(
                ["setpriv", "--pdeathsig", "KILL", "bochs-bin", "-q", "-unlock", "-f", "bochsrc", "-rc", "commands"], cwd=OUT,
                stdin=other, stdout=log, stderr=log)
        os.close(other)
        self.port, self.serial, self.proxy = port, None, None
        self.lock, self.number, self.data = threading.Lock(), 0, b""

    def clock(self):
        return self.used()  # its own time, on a machine that is busy, too

    def __enter__(self):
        try:
            while self.serial is None:
                try:
                    self.serial = socket.create_connection(("127.0.0.1", self.port), 5)
                except ConnectionRefusedError:
                    if self.process.poll() is not None:
                        raise
                    time.sleep(0.1)
            self.serial.settimeout(1)
            while self.line(PATIENCE) != b"ready":
                pass
        except OSError as e:
            self.__exit__()
            said = [(OUT / name).read_text(errors="replace") for name in ("output", "bochs.log", "console")]
            raise Stopped(f"the machine does not come up: {e!r}" + "\n".join(s[-1000:] for s in said))
        self.proxy = Proxy(self)
        self.http_port = self.proxy.server_address[1]
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.wait()
        os.close(self.terminal)
        if self.serial:
            self.serial.close()
        if self.proxy:
            self.proxy.shutdown()
            self.proxy.server_close()

    def line(self, seconds):
        end = self.clock() + seconds
        while b"\n" not in self.data:
            if self.clock() > end:
                raise TimeoutError(f"nothing in {seconds} s")
            try:
                part = self.serial.recv(1 << 16)
            except TimeoutError:
                continue
            if not part:
                raise ConnectionError("the serial line is closed")
            self.data += part
        line, _, self.data = self.data.partition(b"\n")
        return line

    def exchange(self, script, timeout):
        with self.lock:
            self.number += 1
            packed = base64.b64encode(gzip.compress(script.encode(), 1))
            self.serial.sendall(b"%d %s\n" % (self.number, packed))
            while True:  # past what came too late
                number, _, answer = self.line(timeout).partition(b" ")
                if number == b"%d" % self.number:
                    return gzip.decompress(base64.b64decode(answer))


class Proxy(socketserver.ThreadingTCPServer):
    """Takes requests on a port of this machine to the server inside, one at a time.
    Each says that its connection is closed after it, and is less than a pipe holds."""
    daemon_threads = True

    def __init__(self, inside):
        class Handler(socketserver.StreamRequestHandler):
            def handle(self):
                request, size = b"", 0
                while (line := self.rfile.readline()).strip():
                    name, _, value = line.partition(b":")
                    if name.lower() == b"content-length":
                        size = int(value)
                    request += line
                request += line + self.rfile.read(size)
                # Who closes his end has left, to the server: hence no pipeline.
                self.wfile.write(inside.exchange(f"""
rm -f /tmp/pipe && mkfifo /tmp/pipe && exec 3<>/tmp/pipe && base64 -d >&3 <<. && exec nc {LISTEN} <&3
{base64.encodebytes(request).decode()}.
""", 2 * PATIENCE))

        super().__init__(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.serve_forever, daemon=True).start()
