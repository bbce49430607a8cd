"""Hosts to install on: a network, a tree of processes and the folders that matter
of their own, with sshd and, in systemd's place, a few lines of shell."""
import pathlib
import shutil
import subprocess

from harness import PATIENCE, answers, eventually, receive
import socket

SYSTEMCTL = """#!/bin/sh
# What is asked of systemd for one unit: its last ExecStart= is what starts.
case $1 in
daemon-reload | enable) exit ;;
restart) ;;
*) exit 1 ;;
esac
if [ -e /run/zeroboot.pid ]; then
	pid=$(cat /run/zeroboot.pid)
	kill "$pid"
	while [ -d "/proc/$pid" ]; do sleep 0.02; done
	rm /run/zeroboot.pid
fi
units=/etc/systemd/system
command=$(cat $units/zeroboot.service $units/zeroboot.service.d/*.conf | sed -n 's/^ExecStart=//p' | tail -n 1)
cd /var/lib/zeroboot
$command </dev/null >>log 2>&1 &
echo $! >/run/zeroboot.pid
"""

SSHD = """
HostKey {folder}/host_key
AuthorizedKeysFile {folder}/key.pub
PidFile none
StrictModes no
UsePAM no
PermitRootLogin yes
UseDNS no
"""

START = """
mount -t tmpfs tmpfs /run && mkdir /run/sshd
mount -t tmpfs tmpfs /var/lib && mkdir /var/lib/zeroboot
mount -t tmpfs tmpfs /root
mount -t tmpfs tmpfs /usr/local/bin
mount -t tmpfs tmpfs /etc/systemd/system
install -m 755 {folder}/systemctl /usr/local/bin/
ip link set lo up
exec /usr/sbin/sshd -D -e -f {folder}/sshd_config
"""


def command(*words):
    subprocess.run(words, check=True, stdin=subprocess.DEVNULL)


class Network:
    """A network of its own for this process, with a bridge for hosts, and keys."""

    def __init__(self, folder):
        self.folder = pathlib.Path(folder)
        command("ip", "link", "add", "hosts", "type", "bridge")
        command("ip", "address", "add", "10.0.0.1/24", "dev", "hosts")
        command("ip", "link", "set", "hosts", "up")
        for key in "key", "host_key":
            command("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", self.folder / key)
        (self.folder / "systemctl").write_text(SYSTEMCTL)
        (self.folder / "sshd_config").write_text(SSHD.format(folder=folder))

    def ssh(self):
        return (f"ssh -F none -o BatchMode=yes -o LogLevel=ERROR -o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null "
                f"-o ConnectTimeout={PATIENCE} -i {self.folder}/key")


class Host:
    """Use with `with`; it takes commands then."""

    def __init__(self, network, number):
        self.network, self.address = network, f"10.0.0.{number}"
        self.process = subprocess.Popen(
            ["setpriv", "--pdeathsig", "KILL", "unshare", "-n", "-m", "-p", "--fork", "--kill-child", "--mount-proc",
             "sh", "-ec", START.format(folder=network.folder)],
            stdin=subprocess.DEVNULL, stderr=open(network.folder / f"{self.address}.log", "w"))
        children = pathlib.Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children")
        here = pathlib.Path("/proc/self/ns/net").readlink()
        eventually(lambda: self.process.poll() is not None or
                   (pid := children.read_text().strip()) and pathlib.Path(f"/proc/{pid}/ns/net").readlink() != here)
        self.first = children.read_text().strip()
        command("ip", "link", "add", f"host{number}", "type", "veth", "peer", "name", "eth0", "netns", self.first)
        command("ip", "link", "set", f"host{number}", "master", "hosts", "up")
        inside = ["nsenter", "-t", self.first, "-n", "ip"]
        command(*inside, "address", "add", f"{self.address}/24", "dev", "eth0")
        command(*inside, "link", "set", "eth0", "up")
        eventually(self.takes_commands)

    def takes_commands(self):
        assert self.process.poll() is None, "sshd has ended"
        try:
            socket.create_connection((self.address, 22), PATIENCE).close()
        except OSError:
            return False
        return True

    def file(self, path):
        """As it is seen there."""
        return pathlib.Path(f"/proc/{self.first}/root{path}")

    def ask(self, request):
        with socket.create_connection((self.address, 8080), PATIENCE) as s:
            s.sendall(request)
            [answer] = answers(receive(s))
            return answer

    def runs(self):
        """How many its server has answered since it started."""
        text = self.ask(b"GET /v1/metrics HTTP/1.0\r\n\r\n").body.decode()
        name = 'zeroboot_total_executions{status="success"} '
        return next(int(line[len(name):]) for line in text.splitlines() if line.startswith(name))

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.wait()


def binary_of(folder, name, source=None, text=""):
    """A program file: source, with the text in a section of its own, or a script."""
    path = pathlib.Path(folder) / name
    if source:
        said = path.with_suffix(".text")
        said.write_text(text)
        subprocess.run(["objcopy", "--add-section", f".said={said}", source, path], check=True)
    else:
        path.write_text(text)
        path.chmod(0o755)
    return path
