#!/usr/bin/env python3
"""Sessions that are kept in a directory (--state): what a server that ends, or is killed, leaves to the next
one; files that are damaged, hostile or of another version; a full disk; memory that is less than they have."""
import contextlib
import ctypes
import hashlib
import json
import os
import pathlib
import re
import resource
import shutil
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import time

from faults import alive
from harness import PATIENCE, TOP, Report, answers, eventually, post, receive
from sessions import Client, Session
from state_place import (ABI, BUILD_NS, HEAD, SIZE, TEMPLATE_HEAD, UNSAVED, VERSION, Place, again, fill_disk, keepers, kill,
                         make, saved, seal, sealed, signal_all, value)

PTRACE = ctypes.CDLL(None).ptrace
PTRACE.restype, PTRACE.argtypes = ctypes.c_long, [ctypes.c_long] * 4
UNREMOVED = "zeroboot_sessions_unremoved"
ROOM = 4 << 30  # what all tests leave, above all templates


# ---- restarts ----

def restart(top):
    place = Place(top, "restart", all_languages=True)
    codes = {"python": ("import json\nx = [41]", "x[0] + 1, json.dumps(x)", "(42, '[41]')"),
             "node": ("let x = 41", "x + 1", "42"), "sh": ("x=41; cd /tmp; echo kept > f", "echo $((x + 1)) $(cat f)", "42 kept\n")}
    with place.serve() as server:
        client = Client(server)
        made = {language: client.make(language=language, idle_seconds=1000) for language in codes}
        fresh = client.make(language="sh", files={"/tmp/given": "text"}, env={"A": "b"})
        for language, s in made.items():
            s.run(codes[language][0])
        about = {s.id: s.about() for s in [*made.values(), fresh]}
        listed = [s["id"] for s in client.ask("GET", "/v1/sessions")[1]["sessions"]]
    assert not server.unexpected(), server.unexpected()
    assert place.state.stat().st_mode & 0o777 == 0o700
    assert all(place.file(s).stat().st_mode & 0o777 == 0o600 for s in made.values())
    assert not list(place.state.glob("*.tmp")), list(place.state.iterdir())
    with place.serve() as server:
        client = Client(server)
        # The newest first, to the millisecond.
        assert [s["id"][:13] for s in client.ask("GET", "/v1/sessions")[1]["sessions"]] == [number[:13] for number in listed]
        for number, before in about.items():
            after = again(server, Session(client, number)).about()
            assert after["saved"] and {**before, "saved": 1, "memory_mb": 0} == {**after, "saved": 1, "memory_mb": 0}, (before, after)
        for language, s in made.items():
            answer = again(server, s).run(codes[language][1])
            assert codes[language][2] in (answer.get("result"), answer["stdout"]), answer
        assert again(server, fresh).run("echo $A $(cat /tmp/given)")["stdout"] == "b text\n"
        forked, = again(server, made["node"]).fork()
        assert forked.value("x") == "41"
    assert not server.unexpected(), server.unexpected()


def killed(top):
    """What was answered and is on the disk is there, whatever the server was doing when it was killed."""
    place = Place(top, "killed")
    with place.serve() as server:
        s = make(Client(server), "1")
        saved(server)
        assert s.about()["saved"]
        s.run("x=2")
        kill(server)
    for i in range(3, 5):
        with place.serve() as server:
            s = again(server, s)
            before = int(value(s))
            assert before in (i - 2, i - 1), before
            s.run(f"x={i - 1}; y=$(head -c 3000000 /dev/zero | tr '\\0' {i - 1})")
            saved(server)
            s.run(f"x={i}; y=$(head -c 3000000 /dev/zero | tr '\\0' {i})")
            kill(server)
    with place.serve() as server:
        s = again(server, s)
        assert s.run("echo $x ${#y} ${y:0:1}${y: -1}")["stdout"] in ("3 3000000 33\n", "4 3000000 44\n")
        saved(server)
        assert not list(place.state.glob("*.tmp")), list(place.state.iterdir())


def ends(top):
    """What is over is over after a restart: sessions that have ended, were deleted, or not used for too long."""
    place = Place(top, "ends")
    with place.serve() as server:
        client = Client(server)
        ended, deleted, kept = make(client), make(client), make(client)
        late = make(client, idle_seconds=2)
        ended.run("exit 3")
        saved(server)
        assert place.file(deleted).exists()
        deleted.delete()
        eventually(lambda: not place.file(deleted).exists())
    eventually(lambda: time_since(place.file(late)) > 2.5)
    with place.serve() as server:
        ended, deleted, late, kept = (again(server, s) for s in (ended, deleted, late, kept))
        about = ended.about()
        assert about["state"] == "ended" and "program has ended" in about["reason"], about
        assert ended.exec("echo")[0] == 410 and deleted.ask()[0] == late.ask()[0] == 404
        eventually(lambda: not place.file(late).exists())
        assert value(kept) == "1"
        ended.delete()
        kept.delete()
        eventually(lambda: not list(place.state.glob("*.zbs")))
    # Nobody is of it any more.
    assert place.kept() == [], place.kept()


def time_since(path):
    """Its last change; of one that is gone, long ago."""
    with contextlib.suppress(FileNotFoundError):
        return time.time() - path.stat().st_mtime
    return float("inf")


def keys(top):
    place = Place(top, "keys")
    one, two = "key-one-000000000000", "key-two-000000000000"
    file = top / "keys.json"
    environment = {**os.environ, "ZEROBOOT_API_KEYS_FILE": str(file)}
    file.write_text(json.dumps([one, two]))
    with place.serve(environment=environment) as server:
        s = make(Client(server, one))
        saved(server)
    assert one.encode() not in place.file(s).read_bytes()
    file.write_text(json.dumps(["key-new-000000000000", two]))
    with place.serve(environment=environment) as server:
        assert Session(Client(server, two), s.id).ask()[0] == 404 and again(server, s).ask()[0] == 401
        file.write_text(json.dumps([two, one]))
        server.process.send_signal(signal.SIGHUP)
        eventually(lambda: again(server, s).ask()[0] != 401)
        assert value(again(server, s)) == "1"
        assert Session(Client(server, two), s.id).ask()[0] == 404


def deleted_in_a_read(top):
    """What was to be deleted goes although the server was killed while another one was being read."""
    place = Place(top, "deleted")
    with place.serve() as server:
        client = Client(server)
        kept, *made = [make(client) for _ in range(4)]
    with place.serve() as server, server.connect() as s:
        processes = keepers(server)
        assert len(processes) == 2, processes
        signal_all(processes, signal.SIGSTOP)
        s.sendall(post(b'{"code": "echo $x"}', f"/v1/sessions/{kept.id}/exec"))
        eventually(lambda: server.metric(UNSAVED) == 0 and again(server, kept).about()["state"] == "parked")
        for one in made:
            again(server, one).delete()
        kill(server)
        signal_all(processes, signal.SIGCONT)
        eventually(lambda: not any(place.file(one).exists() for one in made))
    with place.serve() as server:
        assert value(again(server, kept)) == "1"


def lost_keeper(top):
    """A keeper that is killed costs nothing that it had been given."""
    place = Place(top, "keeper")
    with place.serve() as server:
        s = make(Client(server))
        many = [one for _ in range(10) for one in s.fork(100)]
        saved(server)
        processes = keepers(server)
        signal_all(processes, signal.SIGSTOP)
        for one in many:
            one.delete()
        assert server.metric(UNREMOVED) == 1000
        signal_all(processes, signal.SIGKILL)
        assert value(s) == "1"
        s.run("x=2")
        saved(server)
        eventually(lambda: server.metric(UNREMOVED) == 0)
        assert [file.name for file in place.state.glob("*.zbs")] == [place.file(s).name]
    with place.serve() as server:
        assert value(again(server, s)) == "2"


def not_removed(top):
    """What the disk does not remove is tried until it does, and it is said once."""
    place = Place(top, "unremoved")
    with place.serve() as server:
        client = Client(server)
        stays, goes = make(client), make(client)
        saved(server)
        file, aside = place.file(stays), place.state / "aside"
        file.rename(aside)
        file.mkdir()
        stays.delete()
        goes.delete()
        eventually(lambda: not place.file(goes).exists() and server.metric(UNREMOVED) == 1)
        tries = re.compile(rb"%s.zbs cannot be removed" % stays.id.encode())
        assert len(tries.findall(server.logged())) == 1, server.logged()
        file.rmdir()
        aside.rename(file)
        eventually(lambda: server.metric(UNREMOVED) == 0)
        assert not file.exists() and len(tries.findall(server.logged())) == 1 and not server.unexpected()
    with place.serve() as server:
        assert again(server, stays).ask()[0] == 404


def no_keeper(top):
    """A keeper that cannot be started is when it can."""
    place = Place(top, "unstarted")
    with place.serve() as server:
        client = Client(server)
        s = make(client)
        saved(server)
        files = pathlib.Path(f"/proc/{server.process.pid}/fd")
        there = len(list(files.iterdir()))
        signal_all(keepers(server), signal.SIGKILL)
        eventually(lambda: len(list(files.iterdir())) == there - 2)
        used, limit = {int(file.name) for file in files.iterdir()}, 0
        # For the connection of whoever asks, and no other.
        while len(set(range(limit)) - used) < 1:
            limit += 1
        before = resource.prlimit(server.process.pid, resource.RLIMIT_NOFILE, (limit, limit))
        s.delete()
        eventually(lambda: b"cannot be removed" in server.logged())
        resource.prlimit(server.process.pid, resource.RLIMIT_NOFILE, before)
        eventually(lambda: not place.file(s).exists())


def kill_after_rename(process):
    """Ends a process that is traced when it has given a file its name."""
    renameat, rax, orig_rax = 264, 10 * 8, 15 * 8
    while True:
        assert PTRACE(24, process, 0, 0) == 0  # PTRACE_SYSCALL
        _, status = os.waitpid(process, 0x40000000)
        assert os.WIFSTOPPED(status), status
        # PTRACE_PEEKUSER; before a call there is ENOSYS.
        if PTRACE(3, process, orig_rax, 0) == renameat and PTRACE(3, process, rax, 0) == 0:
            os.kill(process, signal.SIGKILL)
            return


def lost_answer(top):
    """A session that was written, and nobody knows it, is deleted all the same."""
    place = Place(top, "answer")
    with place.serve() as server:
        writer = min(keepers(server))
        assert PTRACE(16, writer, 0, 0) == 0  # PTRACE_ATTACH
        os.waitpid(writer, 0x40000000)
        s = make(Client(server))
        kill_after_rename(writer)
        eventually(lambda: server.metric("zeroboot_sessions_write_failures_total") == 1)
        assert place.file(s).exists()
        s.delete()
        eventually(lambda: not place.file(s).exists())


def hung_disk(top):
    """An end does not wait for a disk that never answers."""
    place = Place(top, "hung")
    with place.serve() as server:
        client = Client(server)
        s = make(client)
        saved(server)
        processes = keepers(server)
        signal_all(processes, signal.SIGSTOP)
        made = [make(client) for _ in range(2)]
        server.process.terminate()
        assert server.process.wait(PATIENCE) == 0
        assert b"2 sessions could not be written" in server.logged(), server.unexpected()
        signal_all(processes, signal.SIGCONT)
        eventually(lambda: not any(map(alive, processes)))
    with place.serve() as server:
        assert value(again(server, s)) == "1" and not all(again(server, one).ask()[0] == 200 for one in made)


def storing(server):
    """The process that keeps a template, held; None: it is over already."""
    for child in server.children():
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):
            if b"\0--store\0" in pathlib.Path(f"/proc/{child}/cmdline").read_bytes():
                os.kill(int(child), signal.SIGSTOP)
                return int(child)


def hung_template(top):
    """Nor does it wait for what keeps a template there."""
    for i in range(20):
        place = Place(top, f"hung{i}")
        with place.serve() as server:
            make(Client(server))
            end = time.monotonic() + 2
            process = None
            while not process and time.monotonic() < end and not list(place.state.glob("kept/*.zbt")):
                process = storing(server)
            if not process or list(place.state.glob("kept/*.zbt")):
                continue
            try:
                server.process.terminate()
                assert server.process.wait(PATIENCE) == 0
            finally:
                os.kill(process, signal.SIGCONT)
            eventually(lambda: not alive(process))
            assert not [name for name in place.kept() if name.endswith(".tmp")], place.kept()
            return
    raise AssertionError("it was never caught")


# ---- files that are not as they were ----

def refused(top):
    place = Place(top, "refused")
    with place.serve() as server:
        client = Client(server)
        made = [make(client, str(i)) for i in range(10)]
    whole = {s.id: bytearray(place.file(s).read_bytes()) for s in made}
    good, abi, version, cut, state, head, hostile, huge, other, fifo = made

    def spoil(s, data):
        place.file(s).write_bytes(data)

    def patched(s, at, form, number):
        data = whole[s.id]
        struct.pack_into(form, data, at, number)
        return data
    spoil(abi, sealed(patched(abi, ABI, "<I", 1)))
    spoil(version, sealed(patched(version, VERSION, "<I", 77)))
    spoil(cut, whole[cut.id][:-8])
    whole[state.id][-100] ^= 1
    spoil(state, whole[state.id])
    whole[head.id][200] ^= 1
    spoil(head, whole[head.id])
    spoil(hostile, sealed(whole[hostile.id][:HEAD + 200] + bytes(range(256)) * ((len(whole[hostile.id]) - HEAD - 200) // 256)
                          + bytes((len(whole[hostile.id]) - HEAD - 200) % 256)))
    spoil(huge, sealed(patched(huge, SIZE, "<Q", 1 << 62)))
    spoil(other, whole[good.id])
    place.file(fifo).unlink()
    os.mkfifo(place.file(fifo))
    (place.state / f"{'0' * 36}.zbs").mkdir()
    (place.state / "notes").write_text("somebody's")
    # Of one that will be written, and of one that nobody knows.
    for number in good.id, f"{good.id[:-4]}ffff":
        (place.state / f"{number}.zbs.tmp").write_text("half")
    with place.serve() as server:
        now = {s.id: again(server, s) for s in made}
        # Listed, as its head can be read.
        for s, why in (abi, "another version"), (state, "damaged"), (hostile, ""):
            status, answer = now[s.id].exec("echo $x")
            assert status == 410 and why in answer["error"], (status, answer)
        for s in version, cut, head, huge, other, fifo:
            assert now[s.id].exec("echo $x")[0] == 404, s.id
        assert now[abi.id].about()["state"] == "ended"
        assert value(now[good.id]) == "0"
        said = server.unexpected()
        assert not said, said
        assert sum(b"left as it is" in line for line in server.logged().splitlines()) == 7
        assert server.metric("zeroboot_sessions_damaged_total") == 8
        now[state.id].delete()
        eventually(lambda: not place.file(state).exists())
    assert all(place.file(s).exists() for s in made if s is not state) and (place.state / "notes").exists()
    assert not list(place.state.glob("*.tmp"))


def others_files(top):
    """Nothing goes but what is of the server's own making; what a file that cannot be read needs stays."""
    place = Place(top, "others")
    with place.serve() as server:
        s = make(Client(server))
    kept, whole = place.kept(), place.file(s).read_bytes()
    theirs = ["sh.img", "sh.zbt", "a.tmp", "f" * 64, "f" * 16 + "-1", f"{'f' * 64}.zbt.1.tmpx", f"{'f' * 64}.zbt.tmp", f"{'f' * 17}-1.img"]
    own = ["f" * 16 + "-1.img", f"{'f' * 64}.zbt.123.tmp", "f" * 16 + "-1.img.1.tmp"]
    for name in theirs + own:
        (place.state / "kept" / name).write_text("")
    draft = place.state / f"{s.id}.zbsx.tmp"
    draft.write_text("")
    data = bytearray(whole)
    struct.pack_into("<I", data, VERSION, 77)
    place.file(s).write_bytes(sealed(data))
    (place.state / "templates").symlink_to(place.templates)
    with place.serve() as server:
        assert value(make(Client(server), "2")) == "2"
        saved(server)
    assert place.kept() == sorted([*theirs, *kept]), place.kept()
    assert draft.exists() and sorted(f.name for f in place.templates.iterdir()) == ["sh.img", "sh.zbt"]
    place.file(s).write_bytes(whole)
    with place.serve() as server:
        assert value(again(server, s)) == "1"


def places(top):
    """Where sessions cannot be kept is said at the start."""
    file = top / "file"
    file.write_text("")
    shared = Place(top, "shared")
    script = 'mount -t tmpfs -o ro none /mnt && exec "$0" "$@"'
    command = [TOP / "zeroboot", "serve", "--listen", "127.0.0.1:0", "--templates", shared.templates, "--state"]
    kept, link, open_to_all, others = (top / name for name in ("catalog", "link", "open", "foreign"))
    for directory in kept, link, open_to_all, others:
        directory.mkdir(0o700)
    shared.templates.rename(kept / "kept")
    shared.templates.symlink_to(kept / "kept")
    (link / "kept").symlink_to(link)
    open_to_all.chmod(0o770)
    os.chown(others, 65534, -1)
    with shared.serve():
        for prefix, state, why in ([], file, "Not a directory"), ([], top / "none/none", "No such file"), ([], shared.state, "another server"), \
                (["unshare", "-m", "sh", "-c", script], "/mnt", "Read-only"), ([], kept, "directory of templates"), ([], link, "kept: "), \
                ([], open_to_all, "others can write"), ([], others, "another user"):
            done = subprocess.run([*prefix, *command, state], capture_output=True, text=True, timeout=PATIENCE)
            assert done.returncode == 1 and why in done.stderr and done.stderr.count("\n") == 1, (state, done)


# ---- templates ----

def kept_template(top):
    """A session goes on with the template it was made with, whatever its language has by now."""
    place = Place(top, "template")
    new = place.templates / "new"

    def replace():
        subprocess.run([TOP / "zeroboot", "template", "build", "-o", new, TOP / "templates/sh.img"], check=True, capture_output=True,
                       timeout=PATIENCE)
        new.rename(place.templates / "sh.zbt")
    with place.serve() as server:
        s = make(Client(server))
        saved(server)
        eventually(lambda: any(name.endswith(".zbt") for name in place.kept()))
        # While it serves: those that are made from then on are of the new one.
        replace()
        second = s
        while first_name(place, second) == first_name(place, s):
            second = make(Client(server))
            saved(server)
        assert value(s) == "1" and value(second) == "1"
        saved(server)
        eventually(lambda: len([name for name in place.kept() if name.endswith(".zbt")]) == 2)
    replace()
    with place.serve() as server:
        s, second = again(server, s), again(server, second)
        assert value(s) == "1" and value(second) == "1"
        second.delete()
    assert place.kept() == sorted([first_name(place, s) + ".zbt", *(n for n in place.kept() if n.endswith(".img"))]), place.kept()
    file = place.state / "kept" / (first_name(place, s) + ".zbt")
    data = bytearray(file.read_bytes())
    data[-5000] ^= 1
    file.write_bytes(data)
    # Nor is another one made in its place, as of a language's whose file nobody is writing any more.
    os.utime(file, (1e9, 1e9))
    with place.serve() as server:
        status, answer = again(server, s).exec("echo $x")
        assert status == 410 and "template is damaged" in answer["error"], (status, answer)
        assert file.read_bytes() == data and again(server, s).about()["state"] != "ended"
    file.write_bytes((place.templates / "sh.zbt").read_bytes())
    with place.serve() as server:
        status, answer = again(server, s).exec("echo $x")
        assert status == 410 and "another one is in its place" in answer["error"], (status, answer)
        # Once its own is put back it goes on.
        data[-5000] ^= 1
        file.write_bytes(data)
        assert value(again(server, s)) == "1"
    # What may be read a moment later is no reason to give it up.
    file.unlink()
    file.symlink_to(file)
    with place.serve() as server:
        status, answer = again(server, s).exec("echo $x")
        assert status == 503, (status, answer)
        file.unlink()
        file.write_bytes(data)
        assert value(again(server, s)) == "1"
    for file in (place.state / "kept").iterdir():
        file.unlink()
    with place.serve() as server:
        s = again(server, s)
        status, answer = s.exec("echo $x")
        assert status == 410 and "template is not there" in answer["error"], (status, answer)
        # Another one is made all the same.
        assert value(make(Client(server))) == "1"


def not_loaded(top):
    """A template that cannot be loaded for a moment is no reason to give its sessions up."""
    place = Place(top, "not_loaded")
    with place.serve() as server:
        s = make(Client(server))
    subprocess.run([TOP / "zeroboot", "template", "build", "-o", place.templates / "new", TOP / "templates/sh.img"], check=True,
                   capture_output=True, timeout=PATIENCE)
    (place.templates / "new").rename(place.templates / "sh.zbt")
    with place.serve() as server:
        s, unlimited = again(server, s), (resource.RLIM_INFINITY,) * 2
        # What loads it gets no memory: its files may not be so large.
        resource.prlimit(server.process.pid, resource.RLIMIT_FSIZE, (1 << 20, resource.RLIM_INFINITY))
        answer, = answers(server.ask(post({"code": "echo $x"}, f"/v1/sessions/{s.id}/exec", b"Connection: close\r\n")))
        assert answer.status == 503 and answer.headers["retry-after"], answer
        assert s.about()["state"] != "ended"
        resource.prlimit(server.process.pid, resource.RLIMIT_FSIZE, unlimited)
        eventually(lambda: s.exec("echo $x")[0] == 200)
        assert value(s) == "1"


def upgraded(top):
    """A zeroboot with another kernel or agent runs templates that are not its own, if only their guest's ABI is."""
    place = Place(top, "upgraded")
    with place.serve() as server:
        s = make(Client(server))
    program = (TOP / "zeroboot").read_bytes()
    comment = b"executes this file as a script."
    assert program.count(comment) == 1
    with tempfile.TemporaryDirectory(dir=TOP / "build") as directory:
        other = pathlib.Path(directory) / "zeroboot"
        other.write_bytes(program.replace(comment, comment.replace(b"executes", b"Executes")))
        other.chmod(0o755)
        with place.serve(program=other) as server:
            s = again(server, s)
            assert b"made by another zeroboot" in server.logged()
            assert value(s) == "1" and value(make(Client(server), "2")) == "2"
            s.run("x=3")
    with place.serve() as server:
        assert value(again(server, s)) == "3"


def renamed(data, old, new):
    """A session's file, of one segment, for a template of another name."""
    data = bytearray(data.replace(old.encode(), new.encode()))
    seal(data, HEAD, len(data) - HEAD)
    return sealed(data)


def many_templates(top):
    """More of them than may be run at a time: one that is not used makes room."""
    place = Place(top, "numerous")
    with place.serve() as server:
        s = make(Client(server))
    name, whole = first_name(place, s), place.file(s).read_bytes()
    file = place.state / "kept" / f"{name}.zbt"
    template, made = bytearray(file.read_bytes()), []
    for i in range(17):
        struct.pack_into("<Q", template, BUILD_NS, i)
        seal(template, 0, TEMPLATE_HEAD)
        other = hashlib.sha256(template[:TEMPLATE_HEAD]).hexdigest()
        (place.state / "kept" / f"{other}.zbt").write_bytes(template)
        number = f"{i:08x}{s.id[8:]}"
        made.append(number)
        (place.state / f"{number}.zbs").write_bytes(renamed(whole.replace(s.id.encode(), number.encode()), name, other))
    with place.serve() as server:
        for number in [*made, made[0]]:
            assert value(Session(Client(server), number)) == "1"
        assert not server.unexpected(), server.unexpected()


def first_name(place, s):
    """The name of the template that a session's file says."""
    return place.file(s).read_bytes()[136:200].decode()


# ---- memory and disk ----

def large(client, **what):
    """One that has 2 MB and has not run."""
    return client.make(language="sh", files={"/tmp/f": "x" * 2000000}, **what)


def cut_off(top):
    """A first exec that is cut off changes nothing: what is on the disk is still the session's."""
    place = Place(top, "cut_off")
    with place.serve("--session-memory", "4", "--sessions-memory", "8") as server:
        client = Client(server)
        s = large(client, on_timeout="rollback")
        saved(server)
        assert s.run("sleep 100", timeout_seconds=1)["status"] == "timeout"
        saved(server)
        for _ in range(4):
            large(client)
            saved(server)
        assert server.metric("zeroboot_sessions_away") >= 1
        assert s.run("wc -c < /tmp/f")["stdout"].strip() == "2000000"
        assert not server.unexpected(), server.unexpected()


def shared(top):
    """Forks that have all in common stay in memory while there are others: they would free nothing."""
    place = Place(top, "forks")
    with place.serve("--session-memory", "4", "--sessions-memory", "8") as server:
        client = Client(server)
        s = large(client)
        forked = s.fork(3)
        for _ in range(4):
            large(client)
            saved(server)
        assert server.metric("zeroboot_sessions_away") <= 3
        for one in s, forked[0]:
            assert one.run("wc -c < /tmp/f")["stdout"].strip() == "2000000"
        assert server.metric("zeroboot_sessions_read_total") == 0


def inherited(server, least):
    """Large pieces of the server's own memory that its children would get."""
    maps = re.split(r"^(?=[0-9a-f]+-[0-9a-f]+ )", pathlib.Path(f"/proc/{server.process.pid}/smaps").read_text(), flags=re.M)[1:]
    own = [m for m in maps if "rw-p" in m.split("\n")[0] and int(re.search(r"Rss: +(\d+)", m)[1]) << 10 >= least]
    return [m for m in own if " dc" not in re.search(r"VmFlags:.*", m)[0]]


def no_room(top):
    """A key that has no room while the disk is behind keeps nobody else's sessions from coming back."""
    place = Place(top, "room")
    keys = ["key-one-000000000000", "key-two-000000000000"]
    file = top / "room.json"
    file.write_text(json.dumps(keys))
    how = {**os.environ, "ZEROBOOT_API_KEYS_FILE": str(file)}
    with place.serve(environment=how) as server:
        away = [large(Client(server, key)) for key in keys]
    with place.serve("--session-memory", "4", "--sessions-memory", "8", environment=how) as server, server.connect() as s:
        one, two = (again(server, session) for session in away)
        one.client.key, two.client.key = keys
        writer = min(keepers(server))
        os.kill(writer, signal.SIGSTOP)
        # Buffers of requests may be larger than what is in them: it is not known how many there can be.
        some = {"language": "sh", "files": {"/tmp/f": "x" * 500000}}
        eventually(lambda: one.client.ask("POST", "/v1/sessions", some)[0] == 507)
        s.sendall(post({"code": "wc -c < /tmp/f"}, f"/v1/sessions/{one.id}/exec",
                       b"Connection: close\r\nAuthorization: Bearer %s\r\n" % keys[0].encode()))
        assert one.about()["runs"] == 0
        assert two.run("wc -c < /tmp/f")["stdout"].strip() == "2000000"
        os.kill(writer, signal.SIGCONT)
        answer, = answers(receive(s))
        assert answer.status == 200 and b"2000000" in answer.body, answer


def less_memory(top):
    """Those that were not used for longest are on the disk alone, and come back whole."""
    place = Place(top, "memory", all_languages=True)
    with place.serve("--session-memory", "4", "--sessions-memory", "8") as server:
        client = Client(server)
        made = []
        for i in range(8):
            made.append(client.make(language="python"))
            made[i].run(f"import hashlib, os; n = {i}; x = os.urandom(2 << 20); h = hashlib.sha256(x).digest()")
            saved(server)
            assert server.metric("zeroboot_sessions_bytes") <= 8 << 20
        assert server.metric("zeroboot_sessions_away") >= 4
        assert made[0].about()["memory_mb"] > 2 and made[0].about()["state"] == "parked"
        called = {"jsonrpc": "2.0", "id": 1, "method": "tools/call",
                  "params": {"name": "fork_session", "arguments": {"session": made[1].id}}}
        status, answer = client.ask("POST", "/mcp", called)
        assert status == 200 and not answer["result"]["isError"], answer
        copied = Session(client, answer["result"]["content"][0]["text"].split()[-1])
        assert copied.value("n, hashlib.sha256(x).digest() == h") == "(1, True)"
        copied.delete()
        forked, = made[0].fork()
        # Nor do clones go through what has come back.
        assert not inherited(server, 2 << 20), inherited(server, 2 << 20)
        for i, s in enumerate([*made, forked]):
            assert s.value("n, hashlib.sha256(x).digest() == h") == f"({i % 8}, True)"
        made[1].delete()
        saved(server)
        assert not server.unexpected(), server.unexpected()
        damaged = made[2]
        for s in made[3:]:
            s.value("n")
            saved(server)
        data = bytearray(place.file(damaged).read_bytes())
        data[-5000] ^= 1
        place.file(damaged).write_bytes(data)
        status, answer = damaged.ask("POST", "/fork", {})
        assert status == 410 and "damaged" in answer["error"], (status, answer)
        assert damaged.exec("n")[0] == 410
    with place.serve("--sessions-memory", "64") as server:
        s = again(server, made[3])
        s.run("y = os.urandom(9 << 20)")
    with place.serve("--session-memory", "1", "--sessions-memory", "64") as server:
        status, answer = again(server, s).exec("n")
        assert status == 507 and "1 MiB (--session-memory)" in answer["error"], (status, answer)


def full_disk(top):
    """Execs are answered, sessions stay in memory, it is said once, nothing half is left."""
    place = Place(top, "full")
    script = 'mount -t tmpfs -o size=70m none /mnt && exec "$0" "$@"'
    place.state = "/mnt/state"
    with place.serve(prefix=["unshare", "-m", "sh", "-c", script]) as server:
        root = pathlib.Path(f"/proc/{server.process.pid}/root/mnt")
        client = Client(server)
        s = make(client)
        saved(server)
        eventually(lambda: list((root / "state/kept").glob("*.zbt")))
        fill_disk(root)
        others = [make(client, str(i)) for i in range(3)]
        s.run("x=2")
        eventually(lambda: server.metric("zeroboot_sessions_write_failures_total") >= 2)
        assert value(s) == "2" and not s.about()["saved"]
        assert [value(other) for other in others] == ["0", "1", "2"]
        # Another try may be under way.
        eventually(lambda: not list((root / "state").glob("*.tmp")))
        assert server.logged().count(b"cannot be written") == 1, server.unexpected()
        (root / "filler").unlink()
        saved(server)
        assert s.about()["saved"] and server.logged().count(b"written again") == 1
        assert len(list((root / "state").glob("*.zbs"))) == 4


def listed_and_deleted(server, numbers):
    """A list tells of what there was when it was asked for."""
    with socket.socket() as slow:
        # So that there is little of it on the way.
        slow.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        slow.setsockopt(socket.IPPROTO_TCP, socket.TCP_MAXSEG, 536)
        slow.settimeout(PATIENCE)
        slow.connect(("127.0.0.1", server.port))
        slow.sendall(b"GET /v1/sessions HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
        slow.recv(1)
        client = Client(server)
        for number in numbers[1:]:
            Session(client, number).delete()
        copies = Session(client, numbers[0]).fork(100)
        listed = json.loads(receive(slow).partition(b"\r\n\r\n")[2])["sessions"]
    languages = {one["id"]: one["language"] for one in listed}
    assert not any(copy.id in languages for copy in copies)
    assert [languages[number] for number in numbers] == [f"old-{int(number[:8], 16)}" for number in numbers], languages


def many(top):
    """What there is is found by the heads of files."""
    place = Place(top, "many")
    with place.serve() as server:
        s = Client(server).make(language="sh")
    data = bytearray(place.file(s).read_bytes())
    for i in range(2000):
        number = f"{i:08x}{s.id[8:]}"
        data[32:32 + 36] = number.encode()
        data[72:72 + 64] = (f"old-{i}".encode() if 1100 <= i < 1200 else b"sh").ljust(64, b"\0")
        seal(data, 0, HEAD)
        (place.state / f"{number}.zbs").write_bytes(data)
    with place.serve() as server:
        client = Client(server)
        assert server.metric("zeroboot_sessions") == server.metric("zeroboot_sessions_stored") == 2001
        assert server.metric("zeroboot_sessions_bytes") == 0
        assert value(make(client)) == "1"
        for i in 1100, 1199:
            about = Session(client, f"{i:08x}{s.id[8:]}").about()
            assert about["language"] == f"old-{i}", about
        assert Session(client, f"{1234:08x}{s.id[8:]}").run("echo here")["stdout"] == "here\n"
        listed_and_deleted(server, [f"{i:08x}{s.id[8:]}" for i in range(1100, 1200)])
        assert not server.unexpected(), server.unexpected()


def main():
    report = Report("session_store")
    os.chdir(TOP)
    room = "/dev/shm" if os.path.isdir("/dev/shm") and shutil.disk_usage("/dev/shm").free > ROOM else None
    with tempfile.TemporaryDirectory(dir=room) as directory:
        top = pathlib.Path(directory)
        report.check("sessions of all languages survive a restart", restart, top)
        report.check("a server that is killed", killed, top)
        report.check("what is over stays so", ends, top)
        report.check("what is deleted while another one is read", deleted_in_a_read, top)
        report.check("a keeper that is killed", lost_keeper, top)
        report.check("a keeper that is killed before it answers", lost_answer, top)
        report.check("a file that cannot be removed", not_removed, top)
        report.check("a keeper that cannot be started", no_keeper, top)
        report.check("a disk that does not answer at the end", hung_disk, top)
        report.check("a template that is being kept then", hung_template, top)
        report.check("a key has its sessions again", keys, top)
        report.check("files that are damaged, hostile, or of another version", refused, top)
        report.check("files that are somebody else's", others_files, top)
        report.check("a directory that cannot be used", places, top)
        report.check("the template they are of is kept", kept_template, top)
        report.check("a template that cannot be loaded for a moment", not_loaded, top)
        report.check("more templates than are run at a time", many_templates, top)
        report.check("a server of another version goes on with it", upgraded, top)
        report.check("with less memory than they have", less_memory, top)
        report.check("a first exec that is cut off", cut_off, top)
        report.check("a key that has no room", no_room, top)
        report.check("forks share their memory", shared, top)
        report.check("a full disk", full_disk, top)
        report.check("many of them", many, top)
    return 1 if report.failed else 0


if __name__ == "__main__":
    sys.exit(main())
