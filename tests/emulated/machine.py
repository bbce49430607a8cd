"""An emulated machine: Linux with KVM in it, and a shell that runs scripts."""
import os
import pathlib
import socket
import time

TOP = pathlib.Path(__file__).resolve().parent.parent.parent
PATIENCE = 290  # seconds inside: for whatever is to come about
PATIENCE_HERE = 900  # the same here, where other work may take most of the CPUs


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
    """What has to be there: module and nested, the names of KVM's module and of its
    parameter for nested paging; listen, where a server inside is to listen; http_port,
    where it is asked from here; process, the emulator; exchange()."""

    def exchange(self, script, timeout):
        """What a shell inside says to a script, up to its end."""
        raise NotImplementedError

    def clock(self):
        """Seconds: what patience is measured by."""
        return time.monotonic()

    def used(self):
        """Seconds of CPU that the emulator has used."""
        fields = open(f"/proc/{self.process.pid}/stat").read().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def alive(self):
        try:
            return self.run("echo alive", PATIENCE) == ("alive\n", 0)
        except OSError:
            return False

    def run(self, script, timeout=PATIENCE_HERE):
        """Output (stdout and stderr) and status of a shell script."""
        data = self.exchange(f"(\n{script}\n) </dev/null 2>&1; s=$?; echo; echo status $s", timeout)
        output, found, status = data.decode(errors="replace").rpartition("\nstatus ")
        if not found:
            raise ConnectionError(f"the shell said {data[-200:]!r}")
        return output, int(status)
