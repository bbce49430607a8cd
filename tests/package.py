#!/usr/bin/env python3
"""What is given away: make install, dist, deb; a package's life in a root of its own;
builds elsewhere, without .git, by clang."""
import os
import pathlib
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import threading

from harness import PATIENCE, TOP, Report, eventually, serve
from restart import Load, Manager

MODE = (TOP / "build/mode").read_text().strip()
STAGE = TOP / "build" / MODE / "stage"
DOCUMENTS = sorted(f"docs/{p.name}" for p in (TOP / "docs").glob("*.md"))
EXAMPLES = [f"deploy/{name}" for name in ["Containerfile", "alerts.yml", "fleet.sh", "grafana.json", "haproxy.cfg",
                                          "kubernetes.yaml", "nginx.conf", "zeroboot.nomad.hcl", "zeroboot.service",
                                          "zeroboot.socket"]]
FILES = ["bin/zeroboot", "lib/systemd/system/zeroboot.service", "lib/systemd/system/zeroboot.socket",
         "lib/sysusers.d/zeroboot.conf", "share/bash-completion/completions/zeroboot", "share/doc/zeroboot/CHANGES.md",
         "share/doc/zeroboot/CONTRIBUTING.md", "share/doc/zeroboot/LICENSE", "share/doc/zeroboot/README.md",
         "share/doc/zeroboot/SECURITY.md", *(f"share/doc/zeroboot/{f}" for f in [*EXAMPLES, *DOCUMENTS]), "share/man/man1/zeroboot.1", "share/zsh/site-functions/_zeroboot"]


def run(*command, **how):
    how = {"cwd": TOP, "stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True, **how}
    done = subprocess.run([str(c) for c in command], **how)
    assert done.returncode == 0, f"{command}: {done.returncode}: {done.stdout}"
    return done.stdout


def files(root):
    return sorted(str(p.relative_to(root)) for p in pathlib.Path(root).rglob("*") if not p.is_dir())


def version():
    return run("./zeroboot", "--version").split()[1]


# ---- install ----

def install(place):
    """DESTDIR, PREFIX, uninstall; nothing else is touched."""
    run("make", "-s", "install", f"DESTDIR={place}", "PREFIX=/opt/zb")
    assert files(place) == ["opt/zb/" + f for f in FILES], files(place)
    prefix = place / "opt/zb"
    assert "ExecStart=/opt/zb/bin/zeroboot serve" in (prefix / FILES[1]).read_text()
    assert run(prefix / "bin/zeroboot", "--version") == run("./zeroboot", "--version")
    assert (prefix / "share/man/man1/zeroboot.1").read_text() == run("./zeroboot", "manual")
    programs = {str(f.relative_to(prefix)) for f in prefix.rglob("*") if f.is_file() and f.stat().st_mode & 0o777 != 0o644}
    assert programs == {"bin/zeroboot", "share/doc/zeroboot/deploy/fleet.sh"}, programs
    assert all(oct((prefix / f).stat().st_mode & 0o777) == "0o755" for f in programs)
    lead_somewhere(prefix / "share/doc/zeroboot")
    (prefix / "bin/other").touch()
    run("make", "-s", "uninstall", f"DESTDIR={place}", "PREFIX=/opt/zb")
    assert files(place) == ["opt/zb/bin/other"], files(place)


def lead_somewhere(documents):
    """What the documents refer to is there: `docs/NAME`, `deploy/NAME`, `NAME.md`."""
    seen = 0
    for path in [*documents.glob("*.md"), *documents.glob("docs/*.md")]:
        if path.name in ("CHANGES.md", "CONTRIBUTING.md"):  # of the source
            continue
        for name in re.findall(r"`((?:docs/|deploy/)?[\w.-]+)`", path.read_text()):
            if name.startswith(("docs/", "deploy/")) or name.endswith(".md"):
                seen += 1
                assert (documents / name).exists() or (path.parent / name).exists(), f"{path.name}: {name}"
    assert seen > 30, seen


def units(place):
    """systemd takes the units and the account."""
    run("make", "-s", "install", f"DESTDIR={place}", "PREFIX=/usr")
    system = place / "usr/lib/systemd/system"
    service = system / "zeroboot.service"
    service.write_text(service.read_text().replace("/usr/bin/zeroboot", str(TOP / "zeroboot")))
    assert run("systemd-analyze", "verify", "--recursive-errors=no", system / "zeroboot.socket", service) == ""
    (place / "etc").mkdir()
    run("systemd-sysusers", f"--root={place}")
    assert "zeroboot:" in (place / "etc/passwd").read_text()
    assert "kvm:" in (place / "etc/group").read_text() and ":zeroboot\n" in (place / "etc/group").read_text()


# ---- elsewhere ----

def copy_of_source(place):
    """As a tarball has it: what git has, without .git, not built."""
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=TOP, stdout=subprocess.PIPE, check=False).stdout
    if listed:
        subprocess.run(["xargs", "-0", "cp", "--parents", "-t", place], cwd=TOP, input=listed, check=True)
    else:
        shutil.copytree(TOP, place, dirs_exist_ok=True, ignore=lambda d, names: {"build", "templates", "zeroboot"} & set(names)
                        if pathlib.Path(d) == TOP else set())


def make_elsewhere(place, *arguments):
    environment = {k: v for k, v in os.environ.items() if not k.startswith(("MAKE", "MF"))}
    return run("make", "-s", f"-j{os.cpu_count()}", *arguments, cwd=place, env=environment)


def dist(place):
    """The same bytes from another folder without .git, by make -j; what comes out of it is installed
    as make install does."""
    epoch = "SOURCE_DATE_EPOCH=1700000000"
    name = f"zeroboot-{version()}"
    (TOP / "build" / f"{name}.tar.gz").unlink(missing_ok=True)
    run("make", "-s", "dist", epoch)
    ours = (TOP / "build" / f"{name}.tar.gz").read_bytes()
    source = place / "deeper/source"
    source.mkdir(parents=True)
    copy_of_source(source)
    make_elsewhere(source, "dist", epoch)
    assert (source / "build" / f"{name}.tar.gz").read_bytes() == ours, "the two differ"
    run("tar", "-xzf", source / "build" / f"{name}.tar.gz", cwd=place)
    environment = {**os.environ, "DESTDIR": f"{place}/root", "PREFIX": "/usr/local"}
    run(place / name / "install.sh", env=environment)
    assert files(place / "root/usr/local") == FILES, files(place / "root/usr/local")
    run(place / name / "install.sh", "-u", env=environment)
    assert files(place / "root") == []


def clang(place):
    """Host and kernel; what it makes runs."""
    copy_of_source(place)
    said = make_elsewhere(place, "all", "CC=clang")
    assert "warning" not in said, said
    (place / "templates").mkdir()
    shutil.copy(TOP / "build/sh.img", place / "templates")
    assert run("./zeroboot", "exec", "-l", "sh", "-c", "echo $((6 * 7))", cwd=place) .endswith("42\n")


# ---- the package ----

def make_package(place, number):
    output = place / f"zeroboot_{number}_amd64.deb"
    run("deploy/deb.sh", STAGE, number, output, "build/sh.img", env={**os.environ, "SOURCE_DATE_EPOCH": "1700000000"})
    return output


def lint(package):
    """lintian has nothing to say; the texts of all licences are in it."""
    said = run("lintian", "--fail-on", "error,warning", "--allow-root", package)
    assert "W:" not in said and "E:" not in said, said
    listed = run("dpkg-deb", "--contents", package)
    for name in ["bash", "libc6", "jq", "gcc-12-base"]:
        assert f"./usr/share/doc/zeroboot/payload/{name}.copyright.gz" in listed, name
    for name in ["usr/bin/zeroboot", "usr/lib/zeroboot/images/sh.img", "usr/lib/systemd/system/zeroboot.socket",
                 "usr/share/man/man1/zeroboot.1.gz", "usr/share/zsh/vendor-completions/_zeroboot",
                 "usr/share/doc/zeroboot/copyright", "usr/lib/sysusers.d/zeroboot.conf"]:
        assert f" ./{name}\n" in listed, name


class Root:
    """A small Debian, with dpkg's data, and a service manager that notes what it is asked for."""

    def __init__(self, place):
        self.path = place
        run("cp", "-a", f"{TOP}/build/sh-root/.", place)
        # somebody owns the directories, which dpkg would take away with the last package in them
        (place / "var/lib/dpkg/info").mkdir(parents=True)
        (place / "var/lib/dpkg/info/base-files.list").write_text("/.\n/lib\n/usr\n/usr/lib\n/var\n/var/lib\n")
        (place / "var/lib/dpkg/status").write_text("Package: base-files\nStatus: install ok installed\nArchitecture: amd64\n"
                                                   "Version: 1\nMaintainer: nobody <a@b.invalid>\nDescription: none\n\n")
        (place / "run/systemd/system").mkdir(parents=True)
        for name in ["deb-systemd-invoke", "systemctl", "systemd-sysusers"]:
            stub = place / "usr/bin" / name
            stub.unlink(missing_ok=True)
            stub.write_text(f'#!/bin/sh\necho "{name} $*" >>/calls\n'
                            'if [ "$1" = try-restart ] && [ -p /ask ]; then echo "$1" >/ask; read -r _ </done; fi\n')
            stub.chmod(0o755)
        (place / "proc").mkdir(exist_ok=True)
        run("mount", "--bind", "/proc", place / "proc")

    def calls(self):
        path = self.path / "calls"
        said = path.read_text() if path.exists() else ""
        path.unlink(missing_ok=True)
        return said

    def dpkg(self, *arguments):
        return run("dpkg", f"--root={self.path}", "--force-depends", *arguments)

    def binary(self):
        return self.path / "usr/bin/zeroboot"


def first_install(root, package):
    """It starts nothing, and says what is next."""
    said = root.dpkg("-i", package)
    assert "not started. Next: systemctl enable --now zeroboot.socket" in said, said
    calls = root.calls()
    assert calls == "systemd-sysusers zeroboot.conf\nsystemctl --system daemon-reload\n", calls
    assert not running(root), running(root)
    assert run("chroot", root.path, "zeroboot", "--version") == run("./zeroboot", "--version")
    link = root.path / "var/lib/zeroboot/templates/sh.img"
    assert os.readlink(link) == "/usr/lib/zeroboot/images/sh.img"
    run("./zeroboot", "image", "info", root.path / os.readlink(link)[1:])


def running(root):
    """Processes of the installed file."""
    found = []
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            if os.path.samefile(f"/proc/{pid}/exe", root.binary()):
                found.append(int(pid))
        except OSError:
            pass
    return found


def upgrade(root, package):
    """Under load, with the socket of a service manager, which restarts the server when the package
    says so: nobody loses a request, and what serves afterwards is the new file."""
    manager = Manager()

    def start():
        return serve("--workers", "2", program=root.binary(), stderr=subprocess.DEVNULL, preexec_fn=manager.inherit,
                     pass_fds=[3])

    servers = [start()]
    for name in ["ask", "done"]:
        os.mkfifo(root.path / name)

    def answer():
        with open(root.path / "ask") as asked:
            assert asked.read() == "try-restart\n"
        servers[0].send_signal(signal.SIGTERM)
        assert servers[0].wait(PATIENCE) == 0
        servers.append(start())
        (root.path / "done").write_text("yes\n")

    restarter = threading.Thread(target=answer)
    restarter.start()
    before = root.binary().stat().st_ino
    load = Load(manager)
    eventually(lambda: load.count >= 50 or load.problems)
    said = root.dpkg("-i", package)
    restarter.join(PATIENCE)
    count = load.count
    eventually(lambda: load.count >= count + 50 or load.problems)
    load.end()
    for name in ["ask", "done"]:
        (root.path / name).unlink()
    assert not load.problems, (len(load.problems), load.problems[:5])
    assert root.calls().splitlines()[-1] == "deb-systemd-invoke try-restart zeroboot.service"
    assert "Next:" not in said, said
    assert root.binary().stat().st_ino != before
    assert servers[1].pid in running(root)
    return servers[1]


def remove(root, server):
    """No process is left, however it was started, and no file; data stays until it is purged."""
    assert running(root)
    waiter = threading.Thread(target=server.wait)
    waiter.start()
    root.dpkg("-r", "zeroboot")
    waiter.join(PATIENCE)
    said = root.calls()
    assert "deb-systemd-invoke stop zeroboot.socket zeroboot.service\n" in said, said
    assert "disable zeroboot.socket zeroboot.service\n" in said, said
    left = run("find", root.path, "-xdev", "-name", "*zeroboot*", "-not", "-path", "*/dpkg/*").splitlines()
    assert all(p.startswith(f"{root.path}/var/lib/zeroboot") for p in left), left
    # as systemd has moved them when the service ran
    (root.path / "var/lib/zeroboot").mkdir(exist_ok=True)
    for kind in ["lib", "cache"]:
        private = root.path / "var" / kind / "private"
        private.mkdir(parents=True)
        data = root.path / "var" / kind / "zeroboot"
        data.rename(private / "zeroboot") if data.exists() else (private / "zeroboot").mkdir()
        data.symlink_to("private/zeroboot")
        (data / "mine").touch()
    root.dpkg("-P", "zeroboot")
    left = run("find", root.path / "var", "-name", "*zeroboot*", "-not", "-path", "*/dpkg/*")
    assert not left, left


def life(report, place):
    packages = [make_package(place, "0.2.0"), make_package(place, "0.2.1")]
    if MODE == "release":
        report.check("the package is clean, and has every licence", lint, packages[0])
    (place / "root").mkdir()
    root = Root(place / "root")
    report.check("installing it starts nothing and says what is next", first_install, root, packages[0])
    server = []
    report.check("an upgrade under load loses no request", lambda: server.append(upgrade(root, packages[1])))
    if server:
        report.check("removal leaves no process and no file", lambda: remove(root, *server))
    for pid in running(root) if root.binary().exists() else []:
        os.kill(pid, signal.SIGKILL)
    run("umount", root.path / "proc")


def main():
    # mounts of its own
    if len(sys.argv) == 1:
        os.execvp("unshare", ["unshare", "-m", sys.executable, sys.argv[0], "inside"])
    report = Report("package")
    with tempfile.TemporaryDirectory(dir=TOP / "build/tests") as name:
        place = pathlib.Path(name)
        place.chmod(0o755)
        checks = [("install and uninstall, with DESTDIR and PREFIX", install),
                  ("systemd takes the units and the account", units)]
        if MODE == "release":
            checks += [("dist is the same from two folders, without .git, by make -j", dist),
                       ("clang makes host and kernel without a warning", clang)]
        for sentence, check in checks:
            (place / check.__name__).mkdir()
            report.check(sentence, check, place / check.__name__)
        (place / "life").mkdir()
        life(report, place / "life")
    return 1 if report.failed else 0


if __name__ == "__main__":
    sys.exit(main())
