#!/usr/bin/env python3
"""/v1/openapi.json: a validator takes it, and it is what the server does: a body that the
document allows is taken, one that it does not is refused, by the field; answers have what
it says, and nothing else; so have paths, methods and statuses. The judge is ajv."""
import copy
import http.client
import itertools
import json
import os
import re
import subprocess
import sys
import tempfile

from harness import PATIENCE, TOP, Report, Server, answers, post

PATH = "/v1/openapi.json"
KEY = "openapi-test-0000000000000000"
# What a document cannot say: 400 of values that it allows.
BEYOND = {"language": ("is unknown", "has a NUL byte"), "memory_mb": ("memory_mb: ",)}
# Of every JSON type, and strings that some field may not have.
STRINGS = ["", "x", "python", "sh", "text", "base64", "a\0b", "..", "../a", "a/..", "a/../b", "a/", "/", "/tmp/a", "a//b", "./a", "...",
           "a..b", ".a", "*.txt", "**/a?", "a=b", "=", "\u00e9", "AA==", "AB==", "AAAA", "AAA", "x" * 255, "x" * 256, "a/" * 128 + "b", "a/" * 129 + "b"]
VALUES = [None, True, False, 0, 1, -1, 2, 1.5, 200, 2**40, 2**70, [], {}, [[]], [{}], [None], [1], {"a": 1}, {"a": None}, {"a": {}}, {"a": []},
          {"base64": "AA=="}, {"base64": "A"}, {"base64": 1}, {"base64": "AA==", "more": 1}]
BASES = {"Execution": {"code": "", "language": "sh"}, "Batch": {"executions": [{"code": "", "language": "sh"}]},
         "Inputs": {"code": "", "language": "sh", "inputs": [{"stdin": ""}]}}
LOOKED_AT = {"Inputs": ("code", "inputs")}  # the others are an execution's


def each_once(pairs):
    """An object in which no key stands twice: of two schemas of a name one would be lost."""
    names = [name for name, _ in pairs]
    assert len(set(names)) == len(names), names
    return dict(pairs)


class Client:
    """Requests on one connection."""

    def __init__(self, server):
        self.connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=PATIENCE)

    def ask(self, method, path, body=None, **headers):
        headers = {name.replace("_", "-"): value for name, value in headers.items()}
        self.connection.request(method, path, body, headers)
        answer = self.connection.getresponse()
        return answer.status, answer.headers, answer.read()

    def post(self, body, path="/v1/exec"):
        """Of a stream, its last event."""
        status, headers, text = self.ask("POST", path, json.dumps(body).encode())
        if headers["Content-Type"] == "text/event-stream":
            text = text.rsplit(b"data: ", 1)[1]
        return status, json.loads(text)


class Judge:
    """judge.js, one for all: it takes a while to start."""

    def __init__(self):
        self.process = subprocess.Popen(["node", TOP / "tests/openapi/judge.js", TOP / "build/cache/openapi"], text=True,
                                        stdin=subprocess.PIPE, stdout=subprocess.PIPE)

    def ask(self, document, cases=()):
        self.process.stdin.write(json.dumps({"document": document, "cases": cases}) + "\n")
        self.process.stdin.flush()
        return json.loads(self.process.stdout.readline())

    def problem(self, document):
        return self.ask(document)["document"]

    def verdicts(self, document, cases):
        return self.ask(document, cases)["cases"]

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.stdin.close()
        self.process.wait(PATIENCE)
        self.process.stdout.close()


def strict(document):
    """The same, where an object has nothing but what is said."""
    document = copy.deepcopy(document)
    for schema in document["components"]["schemas"].values():
        schema["additionalProperties"] = False
    return document


# ---- as a document ----

def is_served(client):
    status, headers, body = client.ask("GET", PATH)
    assert status == 200 and headers["Content-Type"] == "application/json" and len(body) < 65536, (status, len(body))
    tag = headers["ETag"]
    assert client.ask("GET", PATH)[2] == body
    status, headers, none = client.ask("HEAD", PATH)
    assert (status, none, headers["Content-Length"], headers["ETag"]) == (200, b"", str(len(body)), tag), headers
    for known in tag, f"W/{tag}", f'"other", {tag}', "*":
        status, headers, none = client.ask("GET", PATH, if_none_match=known)
        assert (status, none, headers["ETag"]) == (304, b"", tag), (known, status, headers)
    for other in '"other"', tag.strip('"'), tag[:-2] + '"', "":
        assert client.ask("GET", PATH, if_none_match=other)[0] == 200, other


def is_valid(judge, document):
    assert judge.problem(document) is None, judge.problem(document)
    broken = copy.deepcopy(document)
    del broken["paths"]["/v1/exec"]["post"]["responses"]["200"]["description"]
    assert judge.problem(broken) is not None


# ---- requests ----

def resolve(document, schema):
    if "$ref" in schema:
        return document["components"]["schemas"][schema["$ref"].rsplit("/", 1)[1]]
    return schema


def of_length(size):
    return ("x" * 199 + "/") * (size // 200) + "x" * (size % 200) if size % 200 else ("x" * 199 + "/") * (size // 200 - 1) + "x" * 200


def samples(document, schema):
    """Values around all that the schema says, the judge knows which are right."""
    schema = resolve(document, schema)
    yield from VALUES
    yield from STRINGS
    if "minimum" in schema:
        yield from (schema["minimum"] - 1, schema["minimum"])
    if "maxLength" in schema:
        yield from (of_length(schema["maxLength"] + more) for more in (-1, 0, 1))
    yield from schema.get("enum", [])
    if "maxItems" in schema:
        simple = {} if schema["maxItems"] == 1000 else BASES["Execution"] if "$ref" in schema["items"] else "x"
        yield from ([simple] * (schema["maxItems"] + more) for more in (0, 1))
        yield from ([simple, value] for value in samples(document, schema["items"]))
    if "maxProperties" in schema:
        yield from ({f"n{i}": "x" for i in range(schema["maxProperties"] + more)} for more in (0, 1))
    if schema.get("required") == ["code"]:  # in a batch: some of what is looked at alone
        yield from (body for _, body in itertools.islice(bodies(document, "Execution"), 0, None, 5))
    if "propertyNames" in schema:
        yield from ({name: "x"} for name in samples(document, schema["propertyNames"]) if isinstance(name, str))
        yield from ({"n": value} for value in samples(document, schema["additionalProperties"]))


def bodies(document, name):
    """Of the object, with one field each that is looked at; and without it."""
    for field, of in document["components"]["schemas"][name]["properties"].items():
        if field not in LOOKED_AT.get(name, [field]):
            continue
        yield field, {key: value for key, value in BASES[name].items() if key != field}
        for value in samples(document, of):
            yield field, {**BASES[name], field: value}


def as_parsed(client, judge, document, name, path):
    cases = list({json.dumps(case): case for case in bodies(document, name)}.values())
    verdicts = judge.verdicts(document, [(name, body) for _, body in cases])
    taken = refused = 0
    for (field, body), wrong in zip(cases, verdicts):
        about = f"{field} {json.dumps(body)[:300]}: {wrong}"
        status, answer = client.post(body, path)
        if wrong is None and status == 400:
            beyond = BEYOND.get(field, (field + "[" if name != "Execution" else "executions[",))
            assert any(text in answer["error"] for text in beyond), (about, answer)
        else:
            assert status == (200 if wrong is None else 400), (about, status, answer)
        assert status == 200 or field in answer["error"], (about, answer)
        taken += status == 200
        refused += wrong is not None
    assert taken > 20 and refused > 100, (taken, refused)


def unknown_fields(client, document):
    """Of those that the document has none is warned of, of any other one is."""
    fields = document["components"]["schemas"]["Execution"]["properties"]
    for field in {*fields, "lang", "timeout", "cod", "codes", ""}:
        status, answer = client.post({"code": "", "language": "sh", **({} if field in fields else {field: None})})
        assert status == 200 and answer.get("warnings") == (None if field in fields else [f"{field}: unknown field"]), answer


# ---- answers ----

RUNS = [
    {"code": "echo 1"},
    {"code": "exit 3", "unknown": 1},
    {"code": "kill -SEGV $$"},
    {"code": "echo begun; sleep 1000", "timeout_seconds": 1},
    {"code": "head -c 2000000 /dev/zero; head -c 2000000 /dev/zero >&2"},
    {"code": "printf '\\377' >bytes; echo text >text", "outputs": ["bytes", "text"]},
    {"code": "printf '\\377'", "encoding": "base64"},
    {"code": "echo 1; echo 2 >&2; exit 1", "stream": True},
]


def as_answered(client, judge, document):
    """Every field of an answer is met, and no other."""
    cases = []
    for run in RUNS:
        status, answer = client.post({"language": "sh", **run})
        assert status == 200, answer
        cases.append(("Result", answer))
    status, answer = client.post({"executions": [{"language": "sh", **run} for run in RUNS if "stream" not in run] + [{"code": "", "files": {"/etc": ""}}], "more": 1}, "/v1/exec/batch")
    assert status == 200, answer
    cases += [("Results", answer), ("Failure", answer["results"][-1])]
    cases.append(("Error", client.post({})[1]))
    cases.append(("Health", json.loads(client.ask("GET", "/v1/health")[2])))
    verdicts = judge.verdicts(strict(document), cases)
    assert not any(verdicts), [(verdict, case) for verdict, case in zip(verdicts, cases) if verdict]
    met = {key for name, answer in cases if name == "Result" for key in answer}
    _, headers, _ = client.ask("POST", "/v1/exec", json.dumps({"code": "", "stream": True}))
    assert set(document["paths"]["/v1/exec"]["post"]["responses"]["200"]["content"]) == {"application/json", headers["Content-Type"]}
    assert met == set(document["components"]["schemas"]["Result"]["properties"]), met


# ---- paths, methods, statuses ----

def as_routed(client, document):
    methods = "get", "head", "post", "put", "delete", "patch"
    for path, item in document["paths"].items():
        others = re.findall(r"/[\w/]+", item["description"])
        for name in [path.replace("{id}", "0" * 36).replace("{path}", "a"), *others]:
            has = {method for method in methods if method in item} | ({"head"} if "get" in item else set())
            status, headers, _ = client.ask("OPTIONS", name)
            assert status == 204 and headers["Allow"].lower().split(", ") == [m for m in methods if m in has] + ["options"], (name, headers)
            for method in methods:
                status, headers, _ = client.ask(method.upper(), name, b"{}" if method not in ("get", "head") else None)
                assert (status == 405) == (method not in has) and (status != 404 or "{" in path), (name, method, status)
                assert status == 405 or str(status) in item[method if method != "head" else "get"]["responses"], (name, method, status)
    assert client.ask("GET", "/v1/nothing")[0] == 404


def raw(server, *parts):
    return answers(server.ask(*parts))[0].status


def statuses(server, document):
    """Those that can be had here are in the document, and are errors as it says."""
    had = set()
    exec_, key = document["paths"]["/v1/exec"]["post"]["responses"], f"Authorization: Bearer {KEY}\r\nConnection: close\r\n".encode()
    body = json.dumps({"code": "", "language": "sh"}).encode()
    had.add(raw(server, post(body, extra=key)))
    had.add(raw(server, post(b"{", extra=key)))
    had.add(raw(server, post(body, extra=b"Connection: close\r\n")))
    had.add(raw(server, b"POST /v1/exec HTTP/1.1\r\nHost: a\r\n" + key + b"Content-Length: 9\r\n\r\n{"))
    had.add(raw(server, b"POST /v1/exec HTTP/1.1\r\nHost: a\r\n" + key + b"\r\n"))
    had.add(raw(server, post(b" " * (2 << 20), extra=key)))
    had.add(raw(server, post(body, extra=key + b"Content-Type: text/xml\r\n")))
    had.add(raw(server, post(body, extra=key + b"X: " + b"x" * 20000 + b"\r\n")))
    # More than it takes at once: that costs no run, but the key's rate.
    batch = post(json.dumps({"executions": [json.loads(body)] * 100}), "/v1/exec/batch", key)
    while (status := raw(server, batch)) == 400:
        pass
    had.add(status)
    assert had == {200, 400, 401, 408, 411, 413, 415, 429, 431} and all(str(status) in exec_ for status in had), had


def main():
    report = Report("openapi")
    os.chdir(TOP)
    with Judge() as judge, Server("--workers", "1") as server:
        client = Client(server)
        report.check("it is served on a connection that stays, with an ETag", is_served, client)
        document = json.loads(client.ask("GET", PATH)[2], object_pairs_hook=each_once)
        report.check("a validator of OpenAPI 3.1 takes it, and not one with a mistake", is_valid, judge, document)
        report.check("an execution is taken or refused as it says", as_parsed, client, judge, document, "Execution", "/v1/exec")
        report.check("a batch is taken or refused as it says", as_parsed, client, judge, document, "Batch", "/v1/exec/batch")
        report.check("inputs are taken or refused as it says", as_parsed, client, judge, document, "Inputs", "/v1/exec/batch")
        report.check("a field that it does not have is warned of, one that it has is not", unknown_fields, client, document)
        report.check("answers have what it says and nothing else", as_answered, client, judge, document)
        report.check("paths, their methods and other names are as it says", as_routed, client, document)
    with tempfile.NamedTemporaryFile("w", suffix=".json") as keys:
        json.dump([KEY], keys)
        keys.flush()
        with Server("--workers", "1", "--max-body", "1", "--request-seconds", "1", "--max-queue", "10",
                    environment={**os.environ, "ZEROBOOT_API_KEYS_FILE": keys.name}) as server:
            report.check("it needs no key", lambda: Client(server).ask("GET", PATH)[0] == 200 or 1 / 0)
            report.check("statuses are those that it says", statuses, server, document)
    return 1 if report.failed else 0


if __name__ == "__main__":
    sys.exit(main())
