"""Two emulated machines, one of which has less of a CPU than the other: what
becomes of templates that are taken from one to the other."""
import time

from emulated.machine import PATIENCE_HERE
from emulated.server import Server, equal

IMAGE = "ln -s /disk/choose.img /tmp/c"
BUILD = (f"mkdir -p /tmp/c && {IMAGE} && /test/zeroboot template build -o /tmp/c/choose.zbt --memory 32 --program /choose "
         "/tmp/c/choose.img")
EXEC = "echo | /test/zeroboot exec --templates /tmp/c -l choose -"
PATH = "/tmp/c/choose.zbt"
# What tests/emulated/choose.c says.
PLAIN = "plain 0x11111111\n"


def features(inside):
    output, status = inside.run(f"/test/zeroboot template info {PATH}")
    equal(status, 0)
    return set(next(line for line in output.splitlines() if line.startswith("cpu ")).rpartition(": ")[2].split())


def carry(source, target):
    """As if it had been there for long: what has just come may not be whole."""
    packed, status = source.run(f"gzip -1 <{PATH} | base64")
    equal(status, 0)
    equal(target.run(f"rm -rf /tmp/c; mkdir /tmp/c; base64 -d <<'.' | gunzip >{PATH}; touch -d @0 {PATH}\n{packed}\n."), ("", 0))


def has_less(more, less, lacking):
    carry(more, less)
    missing = " ".join(lacking)
    said, status = less.run(EXEC)
    equal((said.startswith(f"zeroboot: {PATH}: this CPU lacks: {missing}"), status), (True, 1))
    equal(less.run(IMAGE), ("", 0))
    with Server(less, "--workers", "1", templates="/tmp/c") as server:
        server.wait_for(f"this CPU lacks: {missing}: made anew")
        equal(server.run("-", "choose")["stdout"], PLAIN)
        end = less.clock() + PATIENCE_HERE
        while features(less) & set(lacking):  # it is kept while it is served
            equal(less.clock() < end, True)
            time.sleep(0.1)


def has_more(more, less, lacking):
    carry(less, more)
    equal(more.run(IMAGE), ("", 0))
    with Server(more, "--workers", "1", templates="/tmp/c") as server:
        equal(server.run("-", "choose")["stdout"], PLAIN)
        equal([word for word in ("lacks", "anew") if word in server.logged()], [])
    equal(features(more) & set(lacking), set())


def other_cpu(more, less, report, lacking):
    """lacking: features, in the order in which they are told."""
    def made_here():
        equal(more.run(BUILD)[1], 0)
        equal(features(more) & set(lacking), set(lacking))
        equal(more.run(EXEC), (f"{' '.join(lacking)} 0x11111111\n", 0))

    report.check("a template goes by the CPU that it is made on", made_here)
    report.check("on a CPU that has less it is refused with all that is missing, and made anew", has_less, more, less, lacking)
    report.check("on a CPU that has more it is taken as it is", has_more, more, less, lacking)
