#!/usr/bin/env python3
"""files.py: what each source file is for, by the first sentence of its header, or of
itself: docs/kernel.md (`files.py kernel FLOORS`, those of the Makefile) and docs/host.md
(`files.py host`). make runs it.
"""
import pathlib
import re
import sys

FOLDERS = {
    "net": "sockets",
    "io": "what can be waited for",
    "fs": "files, names, /proc",
    "task": "processes, threads, signals, time",
    "mm": "memory of programs, page tables, frames",
    ".": "the core: ways in and out, and what all use",
}
# Each file of the host is in one of them.
GROUPS = {
    "The command line": """main command command_* options defaults completion manual doctor bench run exec_parts
        relay interrupt progress language""",
    "The front end: requests and answers": """server loop fiber listen connections connection input http
        auth rate reload authority cors endpoint document api reading request content field job
        results pieces answer events live openapi page metrics census log discard""",
    "The front end: workers and what waits for them": """pool catalog crew member channel protocol parts queue
        waiting demand judge""",
    "Sessions, and templates made of them": """session session_exec session_limits session_store session_record
        session_file state archive removals keeper origin derived api_session api_files api_template""",
    "The Model Context Protocol": "mcp mcp_*",
    "Workers": "worker inbox outbox errand letter rings account outputs resident jail seccomp",
    "Virtual machines": """vmm vmm_* host cpu memory control machine recycle recycle_result base tables lines
        delta delta_*""",
    "Templates": "template snapshot build proof maker stock load",
    "Images and boxes": """image image_* gather layers tar pax unpack tree store stream inflate sha256 box pack
        cache""",
    "What all use": "err text buffer file json base64 crc32c random id clock proc cgroup side",
}


def sentence(path):
    if not path.exists():
        return ""
    comment = re.match(r"/\*\s*(.*?)\*/", path.read_text(), re.S)
    text = " ".join(re.sub(r"^ ?\*", "", comment[1] if comment else "", flags=re.M).split())
    text = re.sub(r"^[\w.]+: ", "", text)
    return re.split(r"\.( |$)", text)[0]


def table(title, paths):
    print(f"\n## {title}\n\n| file | |\n| --- | --- |")
    for path in paths:
        text = sentence(path.with_suffix(".h")) or sentence(path)
        assert text, f"{path}: neither it nor its header begins with what it is for"
        print(f"| `{path.stem}` | {text} |".replace("*", "\\*"))


def kernel(floors):
    print("# The guest kernel, file by file\n")
    print("Generated from the first sentence of each file by `make docs/kernel.md`.\n")
    print("Floors, from the highest; a file includes and calls what is on its own or beneath\n(`make layers`):\n\n```")
    for floor in reversed(floors.split(",")):
        print(" ".join(floor.split()))
    print("```")
    for folder, what in FOLDERS.items():
        title = f"{'guest/kernel' if folder == '.' else folder + '/'}: {what}"
        table(title, sorted((pathlib.Path("guest/kernel") / folder).glob("*.c")))


def host():
    print("# The host, file by file\n")
    print("Generated from the first sentence of each header by `make docs/host.md`. A name is that of")
    print("`NAME.c` and, where others use it, of `NAME.h`. How they work together is in `architecture.md`;")
    print("which of them may know of KVM is in the Makefile (`make front`).")
    left = {path for path in pathlib.Path().glob("*.c")} | {p for p in pathlib.Path().glob("*.h") if not p.with_suffix(".c").exists()}
    for title, patterns in GROUPS.items():
        paths = [path for pattern in patterns.split() for path in sorted(left) if path.match(f"{pattern}.[ch]")]
        paths = list(dict.fromkeys(paths))
        left -= set(paths)
        table(title, paths)
    assert not left, f"in no group of docs/files.py: {', '.join(sorted(map(str, left)))}"


{"kernel": kernel, "host": host}[sys.argv[1]](*sys.argv[2:])
