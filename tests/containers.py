"""`image build` of container images: what docker save writes and OCI layouts, their
layers and settings; odd, damaged and hostile ones."""
import gzip
import hashlib
import json
import random
import re
import shutil
import subprocess

from harness import PATIENCE
from tars import ZEROBOOT, contents, directory, member, place, symlink, tar_of

CONFIG = {"architecture": "amd64", "os": "linux",
          "config": {"Env": ["PATH=/bin", "LANG=C.UTF-8"], "WorkingDir": "/w", "Entrypoint": ["/bin/sh", "-c"], "Cmd": ["echo \"hi\"", ""],
                     "User": "1000", "Labels": {"a": "b"}, "ExposedPorts": None}}
SETTINGS = ["ePATH=/bin", "eLANG=C.UTF-8", "d/w", "p/bin/sh", "p-c", "cecho \"hi\"", "c", "u1000"]


def blob(data):
    digest = hashlib.sha256(data).hexdigest()
    return f"blobs/sha256/{digest}", f"sha256:{digest}"


def docker_save(layers, config=CONFIG, images=1, old=False):
    """Blobs come in order of their names, the manifest behind them."""
    text = json.dumps(config).encode()
    files = {blob(text)[0]: text} | {blob(layer)[0]: layer for layer in layers}
    names = [blob(layer)[0] for layer in layers]
    out, links = [], {}
    if old: # each layer once, as a link where it comes again
        files, names, seen = {"c.json": text}, [], {}
        for i, layer in enumerate(layers):
            names.append(f"{i}/layer.tar")
            if layer in seen:
                links[names[-1]] = "../" + seen[layer]
            else:
                files[names[-1]] = layer
                seen[layer] = names[-1]
    image = {"Config": "c.json" if old else blob(text)[0], "RepoTags": ["x:latest"], "Layers": names}
    files["manifest.json"] = json.dumps([image] * images).encode()
    for name in sorted(files.keys() | links.keys()):
        out.append(member(name, files[name]) if name in files else symlink(name, links[name]))
    return tar_of(*out)


def docker_20_save(layers):
    """As Docker 20.10 writes it: a directory for each layer."""
    text, names, out = json.dumps(CONFIG).encode(), [], []
    out.append(member(f"{hashlib.sha256(text).hexdigest()}.json", text))
    for i, layer in enumerate(layers):
        name = hashlib.sha256(b"%d" % i).hexdigest()
        names.append(f"{name}/layer.tar")
        out += [directory(name + "/"), member(f"{name}/VERSION", b"1.0"), member(f"{name}/json", b"{}"), member(names[-1], layer)]
    manifest = [{"Config": f"{hashlib.sha256(text).hexdigest()}.json", "RepoTags": ["x:latest"], "Layers": names}]
    return tar_of(*out, member("manifest.json", json.dumps(manifest).encode()), member("repositories", b'{"x":{"latest":"%s"}}' % name.encode()))


def docker_26_save(layers):
    """As Docker 25 and later write it: an OCI layout with the old manifest beside it, and the
    settings of each layer as a blob."""
    files = oci(layers)
    entry, = json.loads(files["index.json"])["manifests"]
    entry["annotations"] = {"io.containerd.image.name": "docker.io/library/x:latest", "org.opencontainers.image.ref.name": "latest"}
    files["index.json"] = json.dumps({"schemaVersion": 2, "mediaType": "application/vnd.oci.image.index.v1+json", "manifests": [entry]}).encode()
    old = json.dumps({"id": "0" * 64, "os": "linux"}).encode()
    files[blob(old)[0]] = old
    sources = {blob(layer)[1]: {"mediaType": "application/vnd.oci.image.layer.v1.tar", "size": len(layer), "digest": blob(layer)[1]} for layer in layers}
    files["manifest.json"] = json.dumps([{"Config": blob(json.dumps(CONFIG).encode())[0], "RepoTags": ["x:latest"],
                                          "Layers": [blob(layer)[0] for layer in layers], "LayerSources": sources}]).encode()
    files["repositories"] = b'{"x":{"latest":"%s"}}' % (b"0" * 64)
    return tar_of(directory("blobs/"), directory("blobs/sha256/"), *(member(name, data) for name, data in sorted(files.items())))


def podman_save(layers):
    """As podman and skopeo write it: each layer under its checksum, and a link to it in a
    directory of the old form."""
    text, out, links = json.dumps(CONFIG).encode(), [], []
    names = [f"{hashlib.sha256(layer).hexdigest()}.tar" for layer in layers]
    for i, (name, layer) in enumerate(zip(names, layers)):
        out.append(member(name, layer, mode=0o444))
        old = hashlib.sha256(b"%d" % i).hexdigest()
        links += [symlink(f"{old}/layer.tar", f"../{name}"), member(f"{old}/VERSION", b"1.0", mode=0o444), member(f"{old}/json", b"{}", mode=0o444)]
    config = f"{hashlib.sha256(text).hexdigest()}.json"
    manifest = [{"Config": config, "RepoTags": ["localhost/x:latest"], "Layers": names}]
    return tar_of(*out, member(config, text, mode=0o444), *links, member("manifest.json", json.dumps(manifest).encode()), member("repositories", b"{}"))


def oci(layers, config=CONFIG, nested=False, change=lambda files: None, platforms=("linux/amd64",), manifest=None):
    text = json.dumps(config).encode()
    manifest = json.dumps(manifest or {
        "schemaVersion": 2, "mediaType": "application/vnd.oci.image.manifest.v1+json", "config": {"digest": blob(text)[1], "size": len(text)},
        "layers": [{"mediaType": "application/vnd.oci.image.layer.v1.tar", "digest": blob(layer)[1], "size": len(layer)} for layer in layers]}).encode()
    files = {blob(text)[0]: text, blob(manifest)[0]: manifest} | {blob(layer)[0]: layer for layer in layers}
    entry = {"mediaType": "application/vnd.oci.image.manifest.v1+json", "digest": blob(manifest)[1], "size": len(manifest)}
    entries = [entry | {"platform": {"os": p.split("/")[0], "architecture": p.split("/")[1]}} if p else entry for p in platforms]
    index = json.dumps({"schemaVersion": 2, "manifests": entries}).encode()
    if nested:
        files[blob(index)[0]] = index
        index = json.dumps({"schemaVersion": 2, "manifests": [{"digest": blob(index)[1]}]}).encode()
    files |= {"oci-layout": b'{"imageLayoutVersion": "1.0.0"}', "index.json": index}
    change(files)
    return files


def sized(layers, wrong):
    """A manifest, and the number of the descriptor whose size is wrong: of the settings, then of each layer."""
    data = [json.dumps(CONFIG).encode(), *layers]
    found = [{"size": len(d) + (i == wrong), "digest": blob(d)[1]} for i, d in enumerate(data)]
    return {"config": found[0], "layers": found[1:]}


def by_sha512(layers):
    files = {f"blobs/sha512/{hashlib.sha512(layer).hexdigest()}": layer for layer in layers}
    manifest = {"config": {"digest": blob(json.dumps(CONFIG).encode())[1]},
                "layers": [{"digest": "sha512:" + name.rpartition("/")[2]} for name in files]}
    return oci([], manifest=manifest, change=lambda f: f.update(files))


def indexes(depth):
    """So many of them, each in the one before."""
    files, index = {"oci-layout": b"{}"}, b"{}"
    for _ in range(depth):
        name, digest = blob(index)
        files[name] = index
        index = json.dumps({"manifests": [{"digest": digest, "size": len(index)}]}).encode()
    return files | {"index.json": index}


def tar_files(files):
    return tar_of(*(member(name, data) for name, data in sorted(files.items())))


LAYERS = [
    tar_of(directory("etc"), member("etc/a", b"1"), member("etc/b", b"1"), directory("d"), member("d/x", b"1"), member("d/sub/y", b"1"),
           member("gone/deep/f", b"1"), symlink("l", "etc"), member("file", b"1"), member("dir/f", b"1")),
    tar_of(member("etc/a", b"22"), member("etc/.wh.b"), member("d/new", b"2"), member("d/.wh..wh..opq"), member(".wh.gone"),
           member("l/c", b"2"), directory("file"), member("file/f", b"2"), member("dir", b"2"), member(".wh..wh.plnk/x")),
    tar_of(member("gone/again", b"3"), member(".wh.gone"), member(".wh.nothing"), member("no/such/.wh.dir"), member("etc/.wh.a"), member("etc/a", b"3")),
]
WHOLE = {"/etc": None, "/etc/a": b"3", "/etc/c": b"2", "/d": None, "/d/new": b"2", "/l": b"etc", "/file": None, "/file/f": b"2", "/dir": b"2",
         "/gone": None, "/gone/again": b"3"}


def check_container(data, settings=SETTINGS):
    image = place.good("-", data)
    assert contents(image) == WHOLE, contents(image)
    assert image.settings() == settings, image.settings()


def check_container_directory():
    top = place.top / "layout"
    for name, data in oci([gzip.compress(layer) for layer in LAYERS]).items():
        (top / name).parent.mkdir(parents=True, exist_ok=True)
        (top / name).write_bytes(data)
    image = place.good(top)
    assert contents(image) == WHOLE and image.settings() == SETTINGS
    shutil.rmtree(top)


def check_layers_are_not_kept():
    """What an upper layer hides is not in the image."""
    data = random.Random(6).randbytes(1 << 20)
    image = place.good("-", docker_save([tar_of(member("a", data), member("b", data), member("c", b"1")), tar_of(member("a", b"2"), member(".wh.b"))]))
    assert image.size < 1 << 20, image.size
    assert contents(image) == {"/a": b"2", "/c": b"1"}


def check_info():
    assert place.build("-", docker_save(LAYERS))[0] == 0
    run = lambda *a: subprocess.run([ZEROBOOT, "image", "info", *a, place.image], stdout=subprocess.PIPE, check=True, timeout=PATIENCE).stdout.decode()
    text = run()
    for line in ("files       6, 6 bytes", 'environment "PATH=/bin" "LANG=C.UTF-8"', 'directory   "/w"', 'entry point "/bin/sh" "-c"',
                 'command     "echo \\"hi\\"" ""', 'user        "1000"'):
        assert line + "\n" in text, text
    text = run("-l")
    assert re.search(r'^120777 1 0 0 3 \d+\.\d{9} "/l" -> "etc"$', text, re.M), text
    assert len(text.splitlines()) == len(WHOLE) + 1 + len(run().splitlines()), text
    place.empty(1)


OTHER_FILES = {
    "a manifest.json of something else": {"manifest.json": b'{"name": "app"}', "f": b"1"},
    "a manifest.json that is no JSON": {"manifest.json": b"[", "f": b"1"},
    "a manifest.json without its files": {"manifest.json": b'[{"Config": "c", "Layers": ["l"]}]', "f": b"1"},
    "an index.json alone": {"index.json": b"{}", "f": b"1"},
}


def check_other_files(files):
    assert contents(place.good("-", tar_files(files))) == {"/" + n: d for n, d in files.items()}


def with_another(files):
    """The same as a second one, which only spaces tell from the first."""
    entry, = json.loads(files["index.json"])["manifests"]
    other = files["blobs/" + entry["digest"].replace(":", "/")] + b" "
    name, digest = blob(other)
    return {name: other, "index.json": json.dumps({"manifests": [entry, entry, {"digest": digest}]}).encode()}


BAD_CONTAINERS = {
    "several images": (docker_save(LAYERS, images=2), "2 images in it, save them one by one"),
    "several images in an OCI layout": (tar_files(oci(LAYERS, change=lambda f: f.update(with_another(f)))), "2 images in it, save them one by one"),
    "another architecture": (docker_save(LAYERS, CONFIG | {"architecture": "arm64"}), "an image for linux/arm64, not for linux/amd64"),
    "another system": (docker_save(LAYERS, CONFIG | {"os": "windows"}), "an image for windows/amd64"),
    "a layer that is missing": (tar_files(oci(LAYERS, change=lambda f: f.pop(blob(LAYERS[1])[0]))), "is not in it"),
    "a layer with another content": (tar_files(oci(LAYERS, change=lambda f: f.update({blob(LAYERS[1])[0]: LAYERS[1].replace(b"22", b"23")}))),
                                     "damaged: wrong checksum"),
    "settings with another content": (tar_files(oci(LAYERS, change=lambda f: [f.update({n: f[n].replace(b"/w", b"/v")}) for n in list(f) if b'"Env"' in f[n]])),
                                      "damaged: wrong checksum"),
    "a layer that is cut": (docker_save([LAYERS[0], LAYERS[1][:1024]]), "layer 2: etc/a: cut"),
    "a layer that is cut gzip": (docker_save([gzip.compress(LAYERS[0])[:-3]]), "layer 1: gzip: cut"),
    "a layer that is zstd": (docker_save([b"\x28\xb5\x2f\xfd" + bytes(99)]), "layer 1: packed by zstd"),
    "a hostile layer": (docker_save([tar_of(member("../f"))]), "layer 1: ../f: `..` in its path"),
    "a whiteout of nothing": (docker_save([tar_of(member("d/.wh."))]), "layer 1: d/.wh.: it hides nothing that has a name"),
    "a whiteout of `.`": (docker_save([tar_of(member("d/.wh.."))]), "it hides nothing that has a name"),
    "a whiteout outside": (docker_save([tar_of(member("../.wh.etc"))]), "`..` in its path"),
    "a manifest that is missing": (tar_files(oci(LAYERS, change=lambda f: [f.pop(n) for n in list(f) if b'"layers"' in f[n]])), "is not in it"),
    "no image for us": (tar_files(oci(LAYERS, platforms=("linux/arm64", "unknown/unknown"))), "no image for linux/amd64 in it"),
    "an index that is no JSON": (tar_files(oci(LAYERS, change=lambda f: f.update({"index.json": b"{"}))), "index.json: malformed JSON"),
    "a settings file that is no JSON": (docker_save(LAYERS, "x"), "expected an object"),
    "a NUL in the environment": (docker_save(LAYERS, CONFIG | {"config": {"Env": ["A=\0"]}}), "a NUL in a string"),
    "blobs outside": (tar_files(oci(LAYERS, manifest={"config": {"digest": "sha256:../../../../etc/passwd"}, "layers": []})), "is not in it"),
    "too many indexes": (tar_files(indexes(5)), "too many indexes"),
    "a blob by a checksum that is not known": (tar_files({"oci-layout": b"{}", "index.json": b'{"manifests": [{"digest": "x:y"}]}', "blobs/x/y": b"{}"}),
                                               "blobs/x/y: only checksums by sha256 can be checked"),
    "a layer by sha512": (tar_files(by_sha512(LAYERS)), "only checksums by sha256 can be checked"),
    "a blob without a checksum": (tar_files({"oci-layout": b"{}", "index.json": b'{"manifests": [{"digest": "x"}]}', "blobs/x": b"{}"}),
                                  "only checksums by sha256 can be checked"),
    "a size that is none": (tar_files({"oci-layout": b"{}", "index.json": b'{"manifests": [{"size": -1}]}'}), "a size that is none"),
    "a layer of another size": (tar_files(oci(LAYERS, manifest=sized(LAYERS, 1))), "not of the size it should be"),
    "settings of another size": (tar_files(oci(LAYERS, manifest=sized(LAYERS, 0))), "not of the size it should be"),
    "a manifest of another size": (tar_files(oci(LAYERS, change=lambda f: f.update({"index.json": re.sub(rb'"size": \d+', b'"size": 7', f["index.json"])}))),
                                   "not of the size it should be"),
}


def check_all(check):
    for name, data in {"docker save of Docker 20.10": docker_20_save(LAYERS), "docker save of Docker 26": docker_26_save(LAYERS),
                       "docker save of Docker 26, gzip": gzip.compress(docker_26_save(LAYERS), 1), "podman save": podman_save(LAYERS),
                       "docker save": docker_save(LAYERS), "docker save, gzip": gzip.compress(docker_save(LAYERS), 1),
                       "docker save, layers of gzip": docker_save([gzip.compress(layer) for layer in LAYERS]),
                       "docker save, the old form, a layer twice": docker_save([LAYERS[0], LAYERS[0], *LAYERS[1:]], old=True),
                       "OCI layout": tar_files(oci(LAYERS)), "OCI layout, an index in the index": tar_files(oci(LAYERS, nested=True)),
                       "OCI layout, other platforms first": tar_files(oci(LAYERS, platforms=("linux/arm64", "unknown/unknown", "linux/amd64"))),
                       "OCI layout, two names of one image": tar_files(oci(LAYERS, platforms=("linux/amd64", "linux/amd64"))),
                       "OCI layout, no platform": tar_files(oci(LAYERS, platforms=("",)))}.items():
        check(name, check_container, data)
    check("OCI layout, a directory", check_container_directory)
    check("a container image without settings", check_container, docker_save(LAYERS, {"config": None}), [])
    check("what upper layers hide is not kept", check_layers_are_not_kept)
    check("info and its list", check_info)
    for name, files in OTHER_FILES.items():
        check(f"no container image: {name}", check_other_files, files)
    for name, (data, why) in BAD_CONTAINERS.items():
        check(f"refused: container image: {name}", place.refused, "-", data, why)
