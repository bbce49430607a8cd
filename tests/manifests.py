#!/usr/bin/env python3
"""deploy/kubernetes.yaml and deploy/zeroboot.nomad.hcl: Kubernetes' own schemas take
the one, the other has what a job may have, and the server runs in a container as they
describe it: no root, a root that is read-only, no capability, nothing but /dev/kvm."""
import functools
import json
import os
import pathlib
import re
import subprocess
import sys
import tempfile
import urllib.request

from harness import PATIENCE, TOP, Report, eventually, free_port

KUBERNETES, NOMAD = TOP / "deploy/kubernetes.yaml", TOP / "deploy/zeroboot.nomad.hcl"
KEY = "change-me-0000000000000000"
KVM_GROUP = 106

# What a job may have, of its blocks that are used: attributes and blocks.
JOB = {
    "job": {"datacenters", "type", "constraint", "update", "group"},
    "constraint": {"attribute", "operator", "value"},
    "update": {"max_parallel", "health_check", "min_healthy_time", "healthy_deadline", "progress_deadline", "auto_revert",
               "auto_promote", "canary", "stagger"},
    "group": {"count", "spread", "network", "service", "task", "constraint", "restart", "reschedule", "shutdown_delay"},
    "spread": {"attribute", "weight", "target"},
    "network": {"port", "mode", "dns"},
    "port": {"static", "to", "host_network"},
    "service": {"name", "port", "provider", "check", "tags", "address_mode"},
    "check": {"type", "path", "interval", "timeout", "port", "protocol", "method"},
    "task": {"driver", "user", "shutdown_delay", "kill_timeout", "kill_signal", "config", "env", "template", "resources"},
    "template": {"data", "source", "destination", "change_mode", "change_signal", "perms", "uid", "gid"},
    "resources": {"cpu", "cores", "memory", "memory_max", "device"},
}
NAMED = "job", "group", "task", "port"  # blocks with a name


@functools.cache
def read(tool, file):
    """The file as JSON, and what was wrong with it."""
    done = subprocess.run(["node", TOP / f"tests/manifests/{tool}.js", file], capture_output=True, text=True,
                          stdin=subprocess.DEVNULL,
                          env={**os.environ, "NODE_PATH": str(TOP / "build/cache/manifests/node_modules")})
    return (json.loads(done.stdout), None) if done.returncode == 0 else (None, done.stderr)


def refused(tool, file, old, new, said):
    """With the text changed it is refused, and said is why."""
    text = file.read_text()
    assert old in text, old
    with tempfile.NamedTemporaryFile("w", suffix=file.suffix) as changed:
        changed.write(text.replace(old, new))
        changed.flush()
        _, problem = read(tool, changed.name)
        assert problem and said in problem, (new, problem)


def check_kubernetes():
    documents, problem = read("kubernetes", KUBERNETES)
    assert not problem, problem
    assert [document["kind"] for document in documents] == [
        "Namespace", "Secret", "Deployment", "Service", "PodDisruptionBudget"]
    refused("kubernetes", KUBERNETES, "readinessProbe", "readynessProbe", "unknown: Deployment.spec")
    refused("kubernetes", KUBERNETES, "containerPort: 8080", "containerPort: http", "containerPort must be integer")
    refused("kubernetes", KUBERNETES, "kind: Service\n", "kind: Servis\n", "no kind")


def pod():
    [deployment] = [document for document in read("kubernetes", KUBERNETES)[0] if document["kind"] == "Deployment"]
    return deployment["spec"]["template"]["spec"]


def check_pod():
    """What the restricted standard for pods wants, /dev/kvm, and probes."""
    [container] = pod()["containers"]
    whole, own = pod()["securityContext"], container["securityContext"]
    assert whole["runAsNonRoot"] and whole["runAsUser"] > 0 and whole["seccompProfile"]["type"] == "RuntimeDefault"
    assert own == {"allowPrivilegeEscalation": False, "readOnlyRootFilesystem": True, "capabilities": {"drop": ["ALL"]}}
    assert [value for name, value in container["resources"]["limits"].items() if name.endswith("/kvm")] == [1]
    assert {"startupProbe", "readinessProbe", "livenessProbe"} <= container.keys()
    # preStop, a second, and the drain fit
    drain = int(container["args"][container["args"].index("--drain-seconds") + 1])
    assert container["lifecycle"]["preStop"]["sleep"]["seconds"] + 1 + drain < pod()["terminationGracePeriodSeconds"]


def structure(kind, block):
    """What the block has that it may not have."""
    if kind in NAMED:
        blocks = [one for many in block.values() for one in many]
    else:
        blocks = block if isinstance(block, list) else [block]
    for one in blocks:
        for name, value in one.items():
            if name not in JOB[kind]:
                yield f"{kind}.{name}"
            elif name in JOB and isinstance(value, (dict, list)):
                yield from structure(name, value)


def task():
    job, problem = read("nomad", NOMAD)
    assert not problem, problem
    return job["job"]["zeroboot"][0]["group"]["zeroboot"][0]["task"]["zeroboot"][0]


def seconds(text):
    return int(re.fullmatch(r"(\d+)s", text)[1])


def check_nomad():
    job, problem = read("nomad", NOMAD)
    assert not problem, problem
    assert not (unknown := list(structure("job", job["job"]))), unknown
    refused("nomad", NOMAD, 'job "zeroboot" {', 'job "zeroboot" [', "")
    [config] = task()["config"]
    assert task()["user"].split(":")[0] != "0" and config["readonly_rootfs"] and config["cap_drop"] == ["all"]
    assert config["devices"][0]["host_path"] == "/dev/kvm"
    drain = int(config["args"][config["args"].index("--drain-seconds") + 1])
    assert 1 + drain < seconds(task()["kill_timeout"])


# ---- a container of deploy/Containerfile's files ----

# As root in mounts of its own: /dev/kvm as a group's, the root read-only.
CONTAINER = """
set -e
mount -t tmpfs -o mode=755 tmpfs {root}
cd {root}
mkdir -p dev proc etc/zeroboot var/cache/zeroboot var/lib/zeroboot/templates
cp {top}/zeroboot zeroboot
for file in sh.zbt sh.img; do
	touch var/lib/zeroboot/templates/$file
	mount --bind {top}/templates/$file var/lib/zeroboot/templates/$file
done
mount -t tmpfs -o mode=770,gid=65532 tmpfs var/cache/zeroboot
mknod -m 660 dev/kvm c 10 232
mknod -m 666 dev/null c 1 3
chgrp {group} dev/kvm
echo '["{key}"]' >etc/zeroboot/api_keys.json
chmod 440 etc/zeroboot/api_keys.json
chgrp 65532 etc/zeroboot/api_keys.json
mount -t proc proc proc
mount -o remount,ro,bind .
exec chroot --userspec=65532:65532 --groups={group} . "$@"
"""


class Container:
    """The server in it, by the arguments and the environment of a manifest, on a port
    of its own; use with `with`, it is healthy then."""

    def __init__(self, folder, arguments, environment):
        root = pathlib.Path(folder) / "root"
        root.mkdir(exist_ok=True)
        self.port = free_port()
        arguments = [f"127.0.0.1:{self.port}" if word == ":8080" else word for word in arguments]
        script = CONTAINER.format(root=root, top=TOP, group=KVM_GROUP, key=KEY)
        self.log = open(f"{folder}/log", "w+")
        self.process = subprocess.Popen(
            ["unshare", "-m", "setpriv", "--no-new-privs", "--pdeathsig", "KILL", "sh", "-c", script, "sh", "/zeroboot", *arguments],
            stdin=subprocess.DEVNULL, stdout=self.log, stderr=self.log, env={"PATH": os.environ["PATH"], **environment})

    def said(self):
        return open(self.log.name).read()

    def ask(self, path, body=None):
        headers = {"Authorization": f"Bearer {KEY}"}
        request = urllib.request.Request(f"http://127.0.0.1:{self.port}{path}", body and json.dumps(body).encode(), headers)
        with urllib.request.urlopen(request, timeout=PATIENCE) as answer:
            return json.load(answer)

    def healthy(self):
        assert self.process.poll() is None, self.said()
        try:
            return self.ask("/v1/health")["status"] == "ok"
        except OSError:
            return False

    def __enter__(self):
        eventually(self.healthy)
        return self

    def __exit__(self, *_):
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        self.log.close()


def check_container(folder, arguments, environment):
    """It answers with a key, runs as nobody, and ends by SIGTERM."""
    with Container(folder, arguments, environment) as container:
        status = pathlib.Path(f"/proc/{container.process.pid}/status").read_text()
        assert "\nUid:\t65532\t65532\t65532\t65532\n" in status and "\nCapEff:\t0000000000000000\n" in status, status
        assert f"\nGroups:\t{KVM_GROUP} \n" in status, status
        answer = container.ask("/v1/exec", {"code": "echo $((6 * 7))", "language": "sh"})
        assert answer["stdout"] == "42\n", answer
        assert "no key file" not in container.said(), container.said()
        container.process.terminate()
        assert container.process.wait(PATIENCE) == 0, container.said()


def of_kubernetes():
    [container] = pod()["containers"]
    return container["args"], {one["name"]: one["value"] for one in container["env"]}


def of_nomad():
    [config], [environment] = task()["config"], task()["env"]
    return config["args"], {**environment, "ZEROBOOT_API_KEYS_FILE": "/etc/zeroboot/api_keys.json"}


def main():
    report = Report("manifests")
    os.chdir(TOP)
    report.check("Kubernetes' schemas take the manifest, and not one with a mistake", check_kubernetes)
    report.check("the pod is one of the restricted standard, with /dev/kvm and probes", check_pod)
    report.check("the Nomad job has what a job may have", check_nomad)
    with tempfile.TemporaryDirectory(prefix="zeroboot-manifests-") as folder:
        for name, settings in ("Kubernetes", of_kubernetes), ("Nomad", of_nomad):
            report.check(f"the server runs in a container as the manifest for {name} has it", lambda: check_container(folder, *settings()))
    return 1 if report.failed else 0


if __name__ == "__main__":
    sys.exit(main())
