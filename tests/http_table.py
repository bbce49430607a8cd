#!/usr/bin/env python3
"""Raw HTTP requests and what must be answered, valid and hostile.

Each request is followed on its connection by FOLLOW_UP: where the connection is
kept that is answered as the last, where it is closed it must not be. So a body
that was framed wrongly, or a connection that should have been closed, shows.
Every case without `once` is sent again in two packets, cut at every byte (some
bytes of a long one), and must be answered the same.
"""
import json
import re
import statistics
import sys
import time

from harness import DATE, PATIENCE, Report, Server, answers, send

FOLLOW_UP = b"GET /health HTTP/1.1\r\nHost: follow-up\r\nX-Request-Id: follow-up\r\nConnection: close\r\n\r\n"
MISSING = "code: missing"
LENGTH = 400  # a longer request is cut at some bytes only

KEPT, CLOSED = True, False
cases = []


def case(name, request, *expected, kept=KEPT, once=False):
    cases.append((name, request.encode("latin-1") if isinstance(request, str) else request, expected, kept, once))


class E:
    """An expected answer; error: a part of its message; headers by name."""

    def __init__(self, status, error=None, head=False, **headers):
        self.status, self.error, self.head, self.headers = status, error, head, headers


OK = E(200)
BAD = E(400, MISSING)


def refused(name, request, error, status=400):
    case(name, request, E(status, error), kept=CLOSED)


def get(line="GET /health HTTP/1.1", headers="Host: a\r\n"):
    return f"{line}\r\n{headers}\r\n"


def post(headers, body="{}", path="/v1/exec", version="HTTP/1.1"):
    return f"POST {path} {version}\r\nHost: a\r\n{headers}\r\n{body}"


def chunked(body, headers=""):
    return post(f"Transfer-Encoding: chunked\r\n{headers}", body)


# ---- request line ----

for path in "/health", "/v1/health", "/metrics", "/v1/metrics", "/health?", "/health?a=b&c=/d?e", "/health?%ff%0A%2f", "/health?-._~!$&'()*+,;=:@/?":
    case(f"GET {path!r}", get(f"GET {path} HTTP/1.1"), OK)
for target in ("http://a/health", "HTTP://A/health", "http://a:8080/v1/health", "http://u@a/health?x", "http://u:p@a:1/health", "http://:@a/health", "http://[::1]:1/health",
               "http://a:/health", "http://a%41!$&'()*+;=/health"):
    case(f"absolute form {target}", get(f"GET {target} HTTP/1.1"), OK)
for target in "/", "http://a", "http://a/", "http://a?b/health", "http://a:1":
    case(f"the page, {target}", get(f"GET {target} HTTP/1.1"), E(200, content_type="text/html; charset=utf-8"))
for target in ("/nope", "/health/", "//health", "/./health", "/v1/../health", "/%68ealth", "/HEALTH", "/v1", "/v2/exec",
               "/health;x", "/%c3%a9", "/%FF", "/-._~!$&'()*+,;=:@", "/" + "a" * 8000):
    case(f"unknown path {target[:20]!r}", get(f"GET {target} HTTP/1.1"), E(404, "no such path"))
case("unknown path, POST with a body", post("Content-Length: 2\r\n", path="/nope"), E(404))
for count in 1, 2, 3, 4:
    case(f"{count} empty lines before a request", "\r\n" * count + get(), OK)
case("empty line between requests", get() + "\r\n" + get(), OK, OK)
case("a request line of 8 KiB", get("GET /health?" + "q" * 8000 + " HTTP/1.1"), OK)

refused("too many empty lines", "\r\n" * 5 + get(), "malformed request line")
for name, line in {
    "no target": "GET HTTP/1.1", "no version": "GET /health", "a method only": "GET", "empty method": " /health HTTP/1.1",
    "two spaces": "GET  /health HTTP/1.1", "two spaces before the version": "GET /health  HTTP/1.1",
    "tab for a space": "GET\t/health HTTP/1.1", "tab before the version": "GET /health\tHTTP/1.1",
    "trailing space": "GET /health HTTP/1.1 ", "leading space": " GET /health HTTP/1.1", "tab in the target": "GET /he\talth HTTP/1.1",
    "space in the target": "GET /he alth HTTP/1.1", "lower-case version": "GET /health http/1.1", "version HTTP/1": "GET /health HTTP/1",
    "version HTTP/1.": "GET /health HTTP/1.", "version HTTP/1.1x": "GET /health HTTP/1.1x", "version HTTP/1.10": "GET /health HTTP/1.10",
    "version HTTP/11.1": "GET /health HTTP/11.1", "version HTTP": "GET /health HTTP", "version HTTPS/1.1": "GET /health HTTPS/1.1",
    "parenthesis in the method": "G(T /health HTTP/1.1", "slash in the method": "GET/ /health HTTP/1.1",
    "a high byte in the method": "G\xc9T /health HTTP/1.1", "colon in the method": "GET: /health HTTP/1.1",
}.items():
    refused(f"request line: {name}", get(line), "malformed request line")
for target in ("health", "*", "?x", "a:80", "http://", "http:///health", "http://?x", "ftp://a/health", "https://a/health", "http:/health"):
    refused(f"target {target}", get(f"GET {target} HTTP/1.1"), "malformed request target")
for target in ("/health#x", "/#", "/\xc3\xa9", "/\xff", '/"', "/<a>", "/{a}", "/a|b", "/a\\b", "/a^b", "/a`b", "/[a]", "/%", "/%4", "/%zz", "/%4g", "/%g4",
               "/health?\xff", "/health?#", "/health?100%", "/health?a[0]=1", '/health?"', "http://a/\xff", "http://a/#x", "http://a?x#y"):
    refused(f"target {target!r}", get(f"GET {target} HTTP/1.1"), "malformed request target")
for authority in ("u@v@a", "a@", "@", ":80", "u@:80", "a:b", "a:80:90", "a:8o", "[::1", "::1", "::1]", "[::1]x", "[::1]:x", "[]", "[a]", "[1.2.3.4]", "[::1%25eth0]", "a,b", "[::1],a",
                  "a b"[::2] + "<", "a\xff", "a%4", "a[b]", "u\xff@a", "u[@a", "a#b", "[" + ":" * 100 + "]"):
    refused(f"authority {authority[:20]!r}", get(f"GET http://{authority}/health HTTP/1.1"), "malformed request target")
refused("CONNECT", get("CONNECT a:80 HTTP/1.1"), "malformed request target")
for version in "HTTP/0.9", "HTTP/1.2", "HTTP/2.0", "HTTP/3.0", "HTTP/9.9":
    refused(f"version {version}", get(f"GET /health {version}"), "only HTTP/1.1 and 1.0", 505)
refused("HTTP/2 preface", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\4\0\0\0\0\0", "only HTTP/1.1", 505)
refused("a TLS hello", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(range(64)), "control byte")
refused("an SSH banner", "SSH-2.0-OpenSSH_9.2\r\n", "malformed request line")
for code in 0, 1, 8, 0x0b, 0x1b, 0x1f, 0x7f:
    refused(f"byte {code:#04x} in the target", get(f"GET /he{chr(code)}alth HTTP/1.1"), "control byte")
refused("LF for CR LF behind the request line", "GET /health HTTP/1.1\nHost: a\r\n\r\n", "control byte")
refused("LF first", "\n" + get(), "control byte")
refused("bare CR behind the request line", "GET /health HTTP/1.1\rHost: a\r\n\r\n", "control byte")
refused("CR CR LF", "GET /health HTTP/1.1\r\r\nHost: a\r\n\r\n", "control byte")

# ---- methods ----

for method in "PUT", "DELETE", "PATCH", "options", "TRACE", "get", "Get", "GETX", "M-SEARCH", "!#$%&'*+-.^_`|~09":
    case(f"{method} /health", get(f"{method} /health HTTP/1.1"), E(405, "method not allowed", allow="GET, HEAD, OPTIONS"))
for path in "/v1/exec", "/exec", "/v1/exec/batch", "/exec/batch":
    case(f"GET {path}", get(f"GET {path} HTTP/1.1"), E(405, "method not allowed", allow="POST, OPTIONS"))
case("PUT /exec with a body", "PUT /exec HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nGET /", E(405, allow="POST, OPTIONS"))
case("POST /metrics with a chunked body", "POST /metrics HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n",
     E(405, allow="GET, HEAD, OPTIONS"))
for path, allow in {"/health": "GET, HEAD, OPTIONS", "/v1/metrics?x": "GET, HEAD, OPTIONS", "/v1/exec": "POST, OPTIONS", "/exec/batch": "POST, OPTIONS",
                    "*": "GET, HEAD, POST, PUT, DELETE, OPTIONS", "http://a/exec": "POST, OPTIONS"}.items():
    case(f"OPTIONS {path}", get(f"OPTIONS {path} HTTP/1.1"), E(204, allow=allow))
case("OPTIONS of an unknown path", get("OPTIONS /nope HTTP/1.1"), E(404))
case("OPTIONS with a body", get("OPTIONS /exec HTTP/1.1", "Host: a\r\nContent-Length: 4\r\n") + "GET ", E(204))
case("OPTIONS and close", get("OPTIONS /exec HTTP/1.1", "Host: a\r\nConnection: close\r\n"), E(204), kept=CLOSED)
case("OPTIONS in HTTP/1.0", get("OPTIONS /exec HTTP/1.0", ""), E(204), kept=CLOSED)
case("no CORS that nobody asked for", get("OPTIONS /exec HTTP/1.1", "Host: a\r\nOrigin: https://a\r\nAccess-Control-Request-Method: POST\r\n"),
     E(204, access_control_allow_origin=None, access_control_allow_methods=None, vary=None))
case("no CORS in other answers", get(headers="Host: a\r\nOrigin: https://a\r\n"), E(200, access_control_allow_origin=None, vary=None))
refused("Origin twice", get(headers="Host: a\r\nOrigin: https://a\r\nOrigin: https://b\r\n"), "repeated Origin")
for target in "*x", "**", "*?", "":
    refused(f"OPTIONS {target}", get(f"OPTIONS {target} HTTP/1.1"), "malformed request")
case("HEAD /health", get("HEAD /health HTTP/1.1"), E(200, head=True))
case("HEAD /metrics", get("HEAD /metrics HTTP/1.1"), E(200, head=True))
case("HEAD of an unknown path", get("HEAD /nope HTTP/1.1"), E(404, head=True))
case("HEAD /exec", get("HEAD /exec HTTP/1.1"), E(405, head=True, allow="POST, OPTIONS"))
case("HEAD and close", get("HEAD /health HTTP/1.1", "Host: a\r\nConnection: close\r\n"), E(200, head=True), kept=CLOSED)
case("GET with a body", get(headers="Host: a\r\nContent-Length: 4\r\n") + "GET ", OK)
case("GET with a chunked body", get(headers="Host: a\r\nTransfer-Encoding: chunked\r\n") + "4\r\nGET \r\n0\r\n\r\n", OK)

# ---- header lines ----

for name, headers in {
    "lower-case names": "host: a\r\ncontent-length: 2\r\n", "upper-case names": "HOST: a\r\nCONTENT-LENGTH: 2\r\n",
    "mixed names": "hOsT: a\r\ncOnTeNt-LeNgTh: 2\r\n", "no space behind the colon": "Host:a\r\nContent-Length:2\r\n",
    "tabs and spaces around values": "Host: \t a \t \r\nContent-Length:\t2\t \r\n", "an empty value": "Host: a\r\nX:\r\nContent-Length: 2\r\n",
    "a value of spaces": "Host: a\r\nX:    \r\nContent-Length: 2\r\n", "high bytes in a value": "Host: a\r\nX: \xe9\xff\x80\r\nContent-Length: 2\r\n",
    "a tab in a value": "Host: a\r\nX: a\tb\r\nContent-Length: 2\r\n", "odd names": "Host: a\r\n!#$%&'*+-.^_`|~0: x\r\nContent-Length: 2\r\n",
    "colons in a value": "Host: a\r\nX: ::a:b\r\nContent-Length: 2\r\n", "a header twice": "Host: a\r\nX: 1\r\nX: 2\r\nContent-Length: 2\r\n",
}.items():
    case(f"headers: {name}", f"POST /exec HTTP/1.1\r\n{headers}\r\n{{}}", BAD)
case("headers: 100 of them", get(headers="Host: a\r\n" + "X: y\r\n" * 99), OK)
refused("headers: 101 of them", get(headers="Host: a\r\n" + "X: y\r\n" * 100), "too many headers", 431)
FULL = 16384 - len(get(headers="Host: a\r\nX: \r\n"))
case("a head of just 16 KiB", get(headers="Host: a\r\nX: " + "x" * FULL + "\r\n"), OK)
refused("a head of a byte more", get(headers="Host: a\r\nX: " + "x" * (FULL + 1) + "\r\n"), "headers too large", 431)
refused("a head without an end", get(headers="Host: a\r\nX: " + "x" * 100000), "headers too large", 431)
refused("a request line without an end", "GET /" + "x" * 100000, "headers too large", 431)
refused("a method without an end", "A" * 20000, "headers too large", 431)
refused("a bad header behind 16 KiB", get(headers="Host: a\r\nX: " + "x" * 20000 + "\r\n bad\r\n"), "headers too large", 431)
for name, line in {
    "space before the colon": "X : y", "tab before the colon": "X\t: y", "no colon": "Xy", "empty name": ": y", "only a colon": ":",
    "space in a name": "X Y: z", "parenthesis in a name": "X(: y", "slash in a name": "X/Y: z", "quote in a name": 'X": y',
    "a high byte in a name": "X\xe9: y", "folded by a space": "X: y\r\n z", "folded by a tab": "X: y\r\n\tz", "a line of spaces": "   ",
    "Content-Length with a space before the colon": "Content-Length : 2", "Host with a space before the colon": "Host : b",
}.items():
    refused(f"header line: {name}", get(headers=f"Host: a\r\n{line}\r\n"),
            "header without a colon" if ":" not in line.split("\r\n")[-1] else "malformed header name")
refused("the first header line begins with a space", get(headers=" Host: a\r\n"), "malformed header name")
for code in 0, 1, 7, 0x0a, 0x0b, 0x0c, 0x0d, 0x1b, 0x1f, 0x7f:
    refused(f"byte {code:#04x} in a value", get(headers=f"Host: a\r\nX: y{chr(code)}z\r\n"), "control byte")
refused("byte 0x00 in a name", get(headers="Host: a\r\nX\0Y: z\r\n"), "control byte")
refused("bare LF behind a header", "GET /health HTTP/1.1\r\nHost: a\nX: y\r\n\r\n", "control byte")
refused("bare LF for the empty line", "GET /health HTTP/1.1\r\nHost: a\r\n\n", "control byte")
refused("bare CR for the empty line", "GET /health HTTP/1.1\r\nHost: a\r\n\rGET", "control byte")
refused("a header hidden by a bare CR", get(headers="Host: a\r\nX: y\rContent-Length: 5\r\n"), "control byte")

# ---- Host ----

for value in ("", "a.example:80", "[::1]:80", "[::1]", "[::FFFF:192.0.2.1]:", "192.0.2.1", "a_b", "%41", "xn--a", "a:", "a.", "-_~!$&'()*+;=", "a:00080"):
    case(f"Host: {value}", get(headers=f"Host: {value}\r\n"), OK)
for value in ("a:b:c", "a:80:", "a::", "a:b", "a:-1", "a:8 0", ":80", ":", "[::1", "[::1]x", "[::1]80", "::1", "[]", "[:]", "[1.2.3.4]", "[::1]]", "[fe80::1%25eth0]", "]", "a[", "a,b", "a, b",
              "a,", ",", "%", "%4", "%zz", "a|b", "a`", "a^", "u@v@a", "[" + ":" * 200 + "]", "a b", "a/b", "u@a", "a#b", "a\\b", "<a>", '"a"', "a?b", "\xe9", "a\tb"):
    refused(f"Host: {value!r}", get(headers=f"Host: {value}\r\n"), "malformed Host")
refused("no Host", get(headers=""), "no Host")
refused("no Host with an absolute target", get("GET http://a/health HTTP/1.1", ""), "no Host")
refused("Host twice, equal", get(headers="Host: a\r\nHost: a\r\n"), "repeated Host")
refused("Host twice, different", get(headers="Host: a\r\nhost: b\r\n"), "repeated Host")
refused("Host empty and again", get(headers="Host:\r\nHost: b\r\n"), "repeated Host")

# ---- Connection, HTTP/1.0 ----

for value in "close", "Close", "CLOSE", "keep-alive, close", "close, keep-alive", "close,", " , close\t, x", "x,close":
    case(f"Connection: {value!r}", get(headers=f"Host: a\r\nConnection: {value}\r\n"), OK, kept=CLOSED)
for value in "keep-alive", "", "closed", "x-close", "clo se", "upgrade", '"close"':
    case(f"Connection: {value!r} keeps it", get(headers=f"Host: a\r\nConnection: {value}\r\n"), OK)
case("Connection twice", get(headers="Host: a\r\nConnection: x\r\nConnection: close\r\nConnection: keep-alive\r\n"), OK, kept=CLOSED)
case("Upgrade is not taken up", get(headers="Host: a\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABk\r\n"), OK)
case("close and a body", post("Connection: close\r\nContent-Length: 2\r\n"), BAD, kept=CLOSED)
case("HTTP/1.0", get("GET /health HTTP/1.0", ""), OK, kept=CLOSED)
case("HTTP/1.0 with Host", get("GET /health HTTP/1.0"), OK, kept=CLOSED)
case("HTTP/1.0, keep-alive", get("GET /health HTTP/1.0", "Connection: keep-alive\r\n"), OK, kept=CLOSED)
case("HTTP/1.0 POST", post("Content-Length: 2\r\n", version="HTTP/1.0"), BAD, kept=CLOSED)
case("HTTP/1.0 HEAD", get("HEAD /health HTTP/1.0", ""), E(200, head=True), kept=CLOSED)
refused("HTTP/1.0 Host twice", get("GET /health HTTP/1.0", "Host: a\r\nHost: b\r\n"), "repeated Host")

# ---- Content-Length ----

case("a body of 2 bytes", post("Content-Length: 2\r\n"), BAD)
case("a body of 0 bytes", post("Content-Length: 0\r\n", ""), E(400, "malformed JSON at byte 0"))
case("leading zeros in the length", post("Content-Length: 0002\r\n"), BAD)
case("a length of 18 digits", post("Content-Length: 000000000000000002\r\n"), BAD)
case("a body that looks like a request", post("Content-Length: 30\r\n", "GET /health HTTP/1.1\r\nHost: a\r"), E(400, "malformed JSON at byte 0"))
case("a body of NULs", post("Content-Length: 3\r\n", "\0\0\0"), E(400, "malformed JSON at byte 0"))
case("a body of 100,000 bytes", post("Content-Length: 100000\r\n", " " * 99998 + "{}"), BAD)
case("a body of 16 MiB", post("Content-Length: 16777216\r\n", " " * 16777214 + "{}"), BAD, once=True)
for value in ("+2", "-2", "-0", "0x2", "2.0", "2a", "a", "2 2", "2,2", "2, 2", "", "2;", "1e0", "\xb2", "2\xa0",
              "0000000000000000002", "99999999999999999999", "18446744073709551618", "9" * 200):
    refused(f"Content-Length: {value[:24]!r}", post(f"Content-Length: {value}\r\n"), "bad Content-Length")
refused("Content-Length twice, equal", post("Content-Length: 2\r\nContent-Length: 2\r\n"), "repeated Content-Length")
refused("Content-Length twice, different", post("Content-Length: 2\r\ncontent-length: 5\r\n"), "repeated Content-Length")
refused("Content-Length twice in a GET", get(headers="Host: a\r\nContent-Length: 0\r\nContent-Length: 0\r\n"), "repeated Content-Length")
for value in "16777217", "999999999999999999":
    refused(f"Content-Length: {value}", post(f"Content-Length: {value}\r\n", ""), "body larger than 16 MiB", 413)
refused("too long a body for a GET", get(headers="Host: a\r\nContent-Length: 16777217\r\n"), "body larger than 16 MiB", 413)
for path in "/v1/exec", "/exec/batch":
    refused(f"POST {path} without a length", post("", path=path), "needs a Content-Length", 411)
refused("POST without a length or a body", post("", ""), "needs a Content-Length", 411)

# ---- Transfer-Encoding ----

for name, body in {
    "one chunk": "2\r\n{}\r\n0\r\n\r\n", "two chunks": "1\r\n{\r\n1\r\n}\r\n0\r\n\r\n", "leading zeros": "00000002\r\n{}\r\n00000000\r\n\r\n",
    "upper-case hex": "A\r\n{        }\r\n0\r\n\r\n", "lower-case hex": "a\r\n{        }\r\n0\r\n\r\n",
    "an extension": "2;a=b\r\n{}\r\n0;c\r\n\r\n", "a quoted extension": '2;a="b;\\"c"\r\n{}\r\n0\r\n\r\n',
    "spaces in the extension": "2 ; a = b\r\n{}\r\n0\r\n\r\n", "many extensions": '2;a;b=c\t;\td = "e\\\\" ;!#$%=~\r\n{}\r\n0;x\r\n\r\n',
    "a quoted nothing": '2;a=""\r\n{}\r\n0\r\n\r\n', "quoted high bytes": '2;a="\xff"\r\n{}\r\n0\r\n\r\n',
    "trailers of all sorts": "2\r\n{}\r\n0\r\nX:y\r\nY: \t z \t\r\nEmpty:\r\n!#$%&'*+-.^_`|~0: x\xff\r\n\r\n", "100 trailers": "2\r\n{}\r\n0\r\n" + "X: y\r\n" * 100 + "\r\n",
    "a trailer": "2\r\n{}\r\n0\r\nX: y\r\n\r\n", "trailers that look like framing": "2\r\n{}\r\n0\r\nContent-Length: 50\r\nTransfer-Encoding: chunked\r\n\r\n",
    "an extension of 4,000 bytes": "2;" + "x" * 4000 + "\r\n{}\r\n0\r\n\r\n",
}.items():
    case(f"chunked: {name}", chunked(body), BAD)
case("chunked: no body", chunked("0\r\n\r\n"), E(400, "malformed JSON at byte 0"))
case("chunked: CR LF in the data", chunked("6\r\n{\r\n\r\n}\r\n0\r\n\r\n"), BAD)
case("chunked: a chunk that looks like the end", chunked("7\r\n\r\n0\r\n\r\n\r\n0\r\n\r\n"), E(400, "body: not an object, at byte 2"))
for value in "Chunked", "CHUNKED", "chunked \t":
    case(f"Transfer-Encoding: {value!r}", post(f"Transfer-Encoding: {value}\r\n", "2\r\n{}\r\n0\r\n\r\n"), BAD)
case("chunked: 4 MiB in chunks of 64 KiB", chunked(("10000\r\n" + " " * 65536 + "\r\n") * 63 + "FFFE\r\n" + " " * 65534 + "\r\n2\r\n{}\r\n0\r\n\r\n"),
     BAD, once=True)
case("chunked: 20,000 chunks of a byte", chunked("1\r\n \r\n" * 20000 + "2\r\n{}\r\n0\r\n\r\n"), BAD, once=True)
for name, body in {
    "no size": "\r\n{}\r\n0\r\n\r\n", "a size that is no number": "g\r\n{}\r\n0\r\n\r\n", "space before the size": " 2\r\n{}\r\n0\r\n\r\n",
    "a plus": "+2\r\n{}\r\n0\r\n\r\n", "a minus": "-2\r\n{}\r\n0\r\n\r\n", "0x": "0x2\r\n{}\r\n0\r\n\r\n", "nine digits": "000000002\r\n{}\r\n0\r\n\r\n",
    "seventeen digits": "10000000000000002\r\n{}\r\n0\r\n\r\n", "something behind the size": "2 2\r\n{}\r\n0\r\n\r\n",
    "a comma behind the size": "2,2\r\n{}\r\n0\r\n\r\n", "data longer than the size": "1\r\n{}\r\n0\r\n\r\n", "no CR LF behind the data": "2\r\n{}0\r\n\r\n",
    "LF behind the data": "2\r\n{}\n0\r\n\r\n\r\n", "CR behind the data": "2\r\n{}\r0\r\n\r\n", "LF behind the size": "2\n{}\r\n0\r\n\r\n",
    "CR behind the size": "2\r{}\r\n0\r\n\r\n", "NUL in an extension": "2;\0\r\n{}\r\n0\r\n\r\n", "LF in an extension": "2;a\nb\r\n{}\r\n0\r\n\r\n",
    "an extension of 5,000 bytes": "2;" + "x" * 5000 + "\r\n{}\r\n0\r\n\r\n", "an extension without an end": "2;" + "x" * 5000,
    "LF behind a trailer": "2\r\n{}\r\n0\r\nX: y\n\r\n", "a control byte in a trailer": "2\r\n{}\r\n0\r\nX: \1\r\n\r\n",
    "LF for the last line": "2\r\n{}\r\n0\r\n\n", "space behind the size": "2 \t\r\n{}\r\n0\r\n\r\n", "space behind the last size": "2\r\n{}\r\n0 \r\n\r\n",
    **{f"extension {text!r}": f"2{text}\r\n{{}}\r\n0\r\n\r\n" for text in (
        ";", ";;", ";a;", "; ", ";a=", ";a= ;b", ";=b", ';"a"', ';a="b', ';a="b\\"', ';a="b"c', ";a=b c", ";a b", ";a ", ";a=b ", ";a:b", ";a=b=c", ";a=(b)", ";\xff", ";a=\xff", ";a=b,c", " a", "a;b x")},
    "an extension of the last": "2\r\n{}\r\n0;\r\n\r\n",
    **{f"trailer {line!r}": f"2\r\n{{}}\r\n0\r\n{line}\r\n\r\n" for line in (
        "GET /x HTTP/1.1", "x", "X : y", " X: y", "\tX: y", "X: y\r\n z", ": y", ":", "X Y: z", "X(: y", "\xe9: y", " ", "0")},
    "101 trailers": "2\r\n{}\r\n0\r\n" + "X: y\r\n" * 101 + "\r\n", "a request for a trailer": "2\r\n{}\r\n0\r\nGET /x HTTP/1.1\r\nHost: a\r\n\r\n", "a trailer of 5,000 bytes": "0\r\nX: " + "y" * 5000 + "\r\n\r\n",
}.items():
    refused(f"malformed chunks: {name}", chunked(body), "malformed chunk")
case("malformed chunks: more framing than anyone needs", chunked(("1;" + "x" * 4000 + "\r\n \r\n") * 1100 + "0\r\n\r\n"),
     E(400, "malformed chunk"), kept=CLOSED, once=True)
for name, body in {"1000001": "1000001\r\n", "FFFFFFFF": "FFFFFFFF\r\n", "a byte more": "1\r\n \r\n1000000\r\n"}.items():
    refused(f"too large a chunk: {name}", chunked(body), "body larger than 16 MiB", 413)
for value in ("gzip, chunked", "chunked, chunked", "identity", "chunked;q=1", "chunked, identity", "xchunked", "", "chunked\xa0",
              "'chunked'", "chunke", "chunked chunked", ",chunked"):
    refused(f"Transfer-Encoding: {value!r}", post(f"Transfer-Encoding: {value}\r\n", "2\r\n{}\r\n0\r\n\r\n"), "unknown Transfer-Encoding")
refused("Transfer-Encoding twice", chunked("2\r\n{}\r\n0\r\n\r\n", "Transfer-Encoding: chunked\r\n"), "unknown Transfer-Encoding")
refused("Content-Length, then Transfer-Encoding", post("Content-Length: 2\r\nTransfer-Encoding: chunked\r\n", "2\r\n{}\r\n0\r\n\r\n"), "both")
refused("Transfer-Encoding, then Content-Length", post("Transfer-Encoding: chunked\r\nContent-Length: 12\r\n", "2\r\n{}\r\n0\r\n\r\n"), "both")
refused("both in a GET", get(headers="Host: a\r\nContent-Length: 0\r\nTransfer-Encoding: chunked\r\n"), "both")
refused("Transfer-Encoding in HTTP/1.0", post("Transfer-Encoding: chunked\r\n", "2\r\n{}\r\n0\r\n\r\n", version="HTTP/1.0"), "HTTP/1.0")
refused("Transfer-Encoding with a space before the colon", post("Transfer-Encoding : chunked\r\n", "2\r\n{}\r\n0\r\n\r\n"), "malformed header name")

# ---- Content-Type, X-Request-Id ----

for value in ("application/json", "APPLICATION/JSON", "application/json; charset=utf-8", "application/json;charset=x", "application/json ;x",
              "application/x-www-form-urlencoded", ""):
    case(f"Content-Type: {value}", post(f"Content-Type: {value}\r\nContent-Length: 2\r\n"), BAD)
for value in ("text/plain", "application/jsonx", "application/json, text/plain", "json", "application", "multipart/form-data; boundary=x",
              "application/ json", "text/json", ";application/json", "application/xml; application/json"):
    case(f"Content-Type: {value}", post(f"Content-Type: {value}\r\nContent-Length: 2\r\n"), E(415, "application/json", accept="application/json"))
refused("Content-Type twice", post("Content-Type: text/plain\r\nContent-Type: application/json\r\nContent-Length: 2\r\n"), "repeated Content-Type")
for value in "gzip", "GZIP", "br", "deflate, gzip", "identity, gzip", "x", "identity;q=1", "\xff":
    case(f"Content-Encoding: {value!r}", post(f"Content-Encoding: {value}\r\nContent-Length: 2\r\n"), E(415, "Content-Encoding", accept_encoding="identity"))
case("Content-Encoding twice", post("Content-Encoding: gzip\r\nContent-Encoding: identity\r\nContent-Length: 2\r\n"), E(415, "Content-Encoding"))
case("Content-Encoding of a chunked body", chunked("2\r\n{}\r\n0\r\n\r\n", "Content-Encoding: gzip\r\n"), E(415, "Content-Encoding"))
for value in "", "identity", "Identity":
    case(f"Content-Encoding: {value!r}", post(f"Content-Encoding: {value}\r\nContent-Length: 2\r\n"), BAD)
case("Content-Encoding of no body", get(headers="Host: a\r\nContent-Encoding: gzip\r\n"), OK)
for value in "abc", "A-1_2.3:4/5+6=7@8~9", "x" * 128:
    case(f"X-Request-Id: {value[:24]}", get(headers=f"Host: a\r\nX-Request-Id: {value}\r\n"), E(200, x_request_id=value))
UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$")
for value in "", "a b", 'a"b', "x" * 129, "\xe9", "a,b", "a\tb", "<x>", "a;b":
    case(f"X-Request-Id: {value[:24]!r} is not taken over", get(headers=f"Host: a\r\nX-Request-Id: {value}\r\n"), E(200, x_request_id=UUID))
case("X-Request-Id in an error", get("GET /nope HTTP/1.1", "Host: a\r\nx-request-id: abc\r\n"), E(404, x_request_id="abc"))

# ---- pipelining ----

case("three requests at once", get() * 3, OK, OK, OK)
case("all kinds at once", get() + get("GET /nope HTTP/1.1") + post("Content-Length: 2\r\n") + get("HEAD /health HTTP/1.1") +
     chunked("2\r\n{}\r\n0\r\n\r\n") + get("GET /exec HTTP/1.1"), OK, E(404), BAD, E(200, head=True), BAD, E(405))
case("what follows a malformed request is dropped", get() + get("GET /health") + get(), OK, E(400), kept=CLOSED)
case("what follows a close is dropped", get() + get(headers="Host: a\r\nConnection: close\r\n") + get(), OK, OK, kept=CLOSED)
case("what follows HTTP/1.0 is dropped", get("GET /health HTTP/1.0") + get(), OK, kept=CLOSED)
case("2,000 requests at once", get() * 2000, *[OK] * 2000, once=True)
case("bodies at once", post("Content-Length: 2\r\n") * 20, *[BAD] * 20)
case("no execution is left in the queue", post("Content-Length: 17\r\n", '{"executions":[]}', path="/exec/batch") * 2, E(400, "empty"), E(400, "empty"))

# ---- the checks ----


def plain(data):
    """Without what differs between equal answers, and without 100 Continue."""
    data = data.replace(b"HTTP/1.1 100 Continue\r\n\r\n", b"")
    data = re.sub(rb"\r\nDate: [^\r]*", b"", data)
    data = re.sub(rb"(text/plain[^\r]*\r\nContent-Length): \d+", rb"\1", data)
    data = re.sub(rb"\r\nX-Request-Id: [0-9a-f-]{36}", b"", data)
    return re.sub(rb"# HELP.*?\n(?=HTTP/1\.1 |\Z)", b"(metrics)", data, flags=re.S)


def check_answer(answer, expected, last):
    head, status = answer.headers, expected.status
    assert answer.status == status, f"{answer.status}, expected {status}: {answer.body[:200]}"
    assert head["server"] == "zeroboot" and DATE.match(head["date"]), head
    assert head["x-request-id"] and (status == 204 or int(head["content-length"]) > 0), head
    assert status != 204 or not {"content-length", "content-type"} & head.keys(), head
    assert ("connection" in head) == last and head.get("connection", "close") == "close", f"Connection: {head.get('connection')}"
    for name, value in expected.headers.items():
        got = head.get(name.replace("_", "-"))
        assert got is None if value is None else value.match(got) if hasattr(value, "match") else got == value, f"{name}: {got}"
    if expected.head or status == 204:
        return
    if status == 200 and head["content-type"] != "application/json":
        assert head["content-type"] in ("text/plain; version=0.0.4; charset=utf-8", "text/html; charset=utf-8")
        return
    assert head["content-type"] == "application/json"
    body = json.loads(answer.body)
    if status != 200:
        assert list(body) == ["error"] and body["error"], body
    assert expected.error is None or expected.error in body["error"], body


def check_case(data, expected, kept):
    wanted = list(expected) + ([E(200, x_request_id="follow-up")] if kept else [])
    got = answers(data, [i for i, e in enumerate(wanted) if e.head])
    assert len(got) == len(wanted), f"{len(got)} answers, expected {len(wanted)}: {data[:300]!r}"
    for i, (answer, e) in enumerate(zip(got, wanted)):
        check_answer(answer, e, i == len(wanted) - 1)


def run_table(report, server):
    whole = []
    for start in range(0, len(cases), 100):
        some = cases[start:start + 100]
        whole += server.ask_many([[request + FOLLOW_UP] for _, request, *_ in some])
    for (name, _, expected, kept, _), data in zip(cases, whole):
        report.check(name, check_case, data, expected, kept)
    return whole


def cuts(size):
    return range(1, size + 1) if size <= LENGTH else sorted({*range(1, 60), *range(60, size, size // 40), *range(size - 40, size + 1)})


def check_cuts(server, request, expected):
    stream = request + FOLLOW_UP
    at = list(cuts(len(request)))
    for cut, data in zip(at, server.ask_many([[stream[:cut], stream[cut:]] for cut in at])):
        assert plain(data) == plain(expected), f"cut at {cut}: {data[:400]!r}"


def run_cuts(report, server, whole):
    for (name, request, _, _, once), data in zip(cases, whole):
        if not once:
            report.check(f"cut at every byte: {name}", check_cuts, server, request, data)


def check_bytes(server, request, expected):
    data = server.ask(*[bytes([b]) for b in request + FOLLOW_UP], pause=0.0005)
    assert plain(data) == plain(expected), data[:400]


def check_waits(server, request):
    """A request that is not complete is not answered, and its end says so."""
    with server.connect() as s:
        send(s, request.encode("latin-1"))
        s.settimeout(0.05)
        try:
            assert not s.recv(1000), "closed"
            raise AssertionError("answered or closed")
        except TimeoutError:
            pass
        s.shutdown(1)
        s.settimeout(PATIENCE)
        assert s.recv(1000) == b"", "answered at its end"


def check_continue(server, head, body, *statuses):
    """The head alone; then the body, if that is asked for."""
    with server.connect() as s:
        send(s, head.encode())
        first = answers(s.recv(4096))
        assert first[0].status == statuses[0], first
        if statuses[0] == 100:
            assert not first[0].headers and len(first) == 1
            send(s, body.encode() + FOLLOW_UP)
            data = b""
            while part := s.recv(65536):
                data += part
            assert [a.status for a in answers(data)] == list(statuses[1:]), data
        else:
            assert first[0].headers["connection"] == "close"
            assert s.recv(4096) == b"", "not closed"


def check_slices(server):
    """What is read in slices is answered when it is read, not at the next tick, which
    comes after 100 ms: a few may meet it just so."""
    body = '{"no": "%s"}' % ("a" * 100000)
    took = []
    with server.connect() as s:
        for _ in range(20):
            started = time.monotonic()
            send(s, post(f"Content-Length: {len(body)}\r\n", body).encode())
            assert answers(s.recv(4096))[0].status == 400
            took.append(time.monotonic() - started)
    assert statistics.median(took) < 0.09, took


def run_others(report, server, whole):
    report.check("a body of 100 kB is answered at once", check_slices, server)
    for (name, request, *_), data in zip(cases, whole):
        if name in ("chunked: a trailer", "all kinds at once", "headers: tabs and spaces around values", "Connection: 'close'"):
            report.check(f"a byte a packet: {name}", check_bytes, server, request, data)
    for name, request in {
        "nothing": "", "a CR": "\r", "an empty line": "\r\n", "half a request line": "GET /hea", "a CR behind the line": "GET /health HTTP/1.1\r",
        "a head without its end": "GET /health HTTP/1.1\r\nHost: a\r\n", "a CR at its end": "GET /health HTTP/1.1\r\nHost: a\r\n\r",
        "a body a byte short": post("Content-Length: 3\r\n"), "chunks without the last": chunked("2\r\n{}\r\n"),
        "a last chunk without its end": chunked("2\r\n{}\r\n0\r\n"), "a trailer without its end": chunked("0\r\nX: y\r\n"),
    }.items():
        report.check(f"not complete: {name}", check_waits, server, request)
    expect = "Expect: 100-continue\r\n"
    for name, arguments in {
        "a body that is wanted": (post(expect + "Content-Length: 2\r\n", ""), "{}", 100, 400, 200),
        "in any case": (post("expect: 100-CONTINUE\r\nContent-Length: 2\r\n", ""), "{}", 100, 400, 200),
        "a chunked body": (chunked("", expect), "2\r\n{}\r\n0\r\n\r\n", 100, 400, 200),
        "an unknown path": (post(expect + "Content-Length: 2\r\n", "", path="/nope"), "", 404),
        "a wrong method": ("PUT /exec HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n" + expect + "\r\n", "", 405),
        "a wrong type": (post(expect + "Content-Type: text/plain\r\nContent-Length: 2\r\n", ""), "", 415),
        "too long a body": (post(expect + "Content-Length: 17000000\r\n", ""), "", 413),
        "no length": (post(expect, ""), "", 411),
    }.items():
        report.check(f"Expect: 100-continue: {name}", check_continue, server, *arguments)
    report.check("Expect: 100-continue: not for HTTP/1.0", check_waits, server, post(expect + "Content-Length: 2\r\n", "", version="HTTP/1.0"))
    report.check("Expect: anything else is passed over", check_case,
                 server.ask(post("Expect: tea\r\nContent-Length: 2\r\n").encode() + FOLLOW_UP), [BAD], KEPT)


def main():
    report = Report("http")
    with Server("--workers", "1", "--host", "a.example") as server:
        started = time.monotonic()
        whole = run_table(report, server)
        run_others(report, server, whole)
        run_cuts(report, server, whole)
        report.line("nothing in the log but lines of requests", server.unexpected() or None)
        print(f"# {len(cases)} cases in {time.monotonic() - started:.1f} s")
    return 1 if report.failed else 0


if __name__ == "__main__":
    sys.exit(main())
