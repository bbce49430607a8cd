#!/usr/bin/env python3
"""RFC 8259 at its edges: request bodies that are JSON and some that are not,
and what comes out again.

A document stands in a field that the server does not know, in a request without
code: `code: missing` says that all of it was read. Where one is not JSON, ^^ in
it marks the byte that the error must name.
"""
import json
import sys
import time

from harness import Report, Server, answers, post

CLOSE = b"Connection: close\r\n"
MARK = b"^^"
MISSING = "code: missing"


def raw(text):
    return text if isinstance(text, bytes) else text.encode()


# ---- documents ----

VALID = {
    "null": "null", "true": "true", "false": "false", "white space around": " \t\r\n1 \t\r\n",
    # numbers
    "0": "0", "-0": "-0", "1": "1", "-1": "-1", "9": "9", "10": "10", "-10": "-10", "1.0": "1.0", "-1.5": "-1.5", "0.1": "0.1", "-0.0": "-0.0",
    "1e1": "1e1", "1E1": "1E1", "1e+1": "1e+1", "1e-1": "1e-1", "0e0": "0e0", "0e+0": "0e+0", "-0.0e-0": "-0.0e-0", "1.5E+300": "1.5E+300",
    "1e0001": "1e0001", "0.00100": "0.00100", "too large a number": "1e400", "too small a number": "1e-400", "64 bits": "9223372036854775807",
    "over 64 bits": "9223372036854775808", "an integer of 1,000 digits": "1" * 1000, "a fraction of 1,000 digits": "0." + "1" * 1000,
    "an exponent of 1,000 digits": "1e" + "1" * 1000,
    # strings
    "empty string": '""', "space": '" "', "DEL": '"\x7f"', "quote": r'"\""', "backslash": r'"\\"', "slash": r'"\/"', "plain slash": '"/"',
    "b": r'"\b"', "f": r'"\f"', "n": r'"\n"', "r": r'"\r"', "t": r'"\t"', "all escapes": r'"\"\\\/\b\f\n\r\t\u0041"', "NUL": r'"\u0000"',
    "U+001F": r'"\u001f"', "U+007F": r'"\u007F"', "hex in any case": r'"\uAbCd\uaBcD"', "backslash u": r'"\\u0041"', "backslash, quote": r'"\\\""',
    "U+D7FF": r'"\ud7ff"', "U+E000": r'"\ue000"', "U+FFFE": r'"\ufffe"', "U+FFFF": r'"\uffff"', "U+10000": r'"\ud800\udc00"',
    "U+10FFFF": r'"\udbff\udfff"', "U+1F600": r'"\uD83D\uDE00"', "two pairs": r'"\ud800\udc00\udbff\udfff"',
    "raw U+0080": '"\u0080"', "raw U+07FF": '"\u07ff"', "raw U+0800": '"\u0800"', "raw U+D7FF": '"\ud7ff"', "raw U+E000": '"\ue000"',
    "raw U+FEFF": '"\ufeff"', "raw U+FFFD": '"\ufffd"', "raw U+FFFF": '"\uffff"', "raw U+10000": '"\U00010000"', "raw U+10FFFF": '"\U0010ffff"',
    "raw U+2028": '"\u2028\u2029"', "raw noncharacters": '"\ufdd0\U0001ffff"', "raw combining": '"e\u0301"', "a comment within": '"/* */ // #"',
    "a string of 100,000 bytes": '"' + "x" * 100000 + '"',
    # arrays
    "empty array": "[]", "array of a space": "[ ]", "one": "[1]", "two": "[1,2]", "mixed": '[null,true,1,"a",{},[]]', "spaces in it": "[ 1 , 2 ]",
    "line ends in it": "[\n1\r\n,\t2\n]", "31 deep": "[" * 31 + "]" * 31, "31 deep twice": "[" * 30 + "[],[]" + "]" * 30,
    "10,000 elements": "[" + ",".join("0" * 10000) + "]", "10,000 empty arrays": "[" + ",".join(["[]"] * 10000) + "]",
    # objects
    "empty object": "{}", "object of a space": "{ }", "member": '{"a":1}', "members": '{"a":1,"b":2}', "empty key": '{"":1}', "key of spaces": '{" ":1}',
    "spaces around": '{ "a" : 1 , "b" : 2 }', "a key again within": '{"a":{"a":{"a":1}}}', "equal keys side by side": '[{"a":1},{"a":1}]',
    "keys that differ in case": '{"a":1,"A":2}', "keys that look alike": '{"\u00e9":1,"e\u0301":2}', "key of escapes": r'{"\u0000\n\ud83d\ude00":1}',
    "key that begins another": '{"a":1,"aa":2,"":3}', "__proto__": '{"__proto__":1}', "31 objects deep": '{"a":' * 30 + "{}" + "}" * 30,
    "256 keys": "{" + ",".join(f'"{i}":{i}' for i in range(256)) + "}", "a key of 4,096 bytes": '{"' + "k" * 4096 + '":1}',
    "code within another field": '{"code":1,"language":2,"timeout_seconds":"x"}',
}

INVALID = {
    "nothing": "^^", "spaces": "  ^^", "only a comma": "^^,", "Null": "^^Null", "nul": "^^nul", "TRUE": "^^TRUE", "True": "^^True", "undefined": "^^undefined",
    "NaN": "^^NaN", "Infinity": "^^Infinity", "-Infinity": "-^^Infinity", "nulll": "null^^l", "two values": "1 ^^2", "single quotes": "^^'a'",
    "a word": "^^abc", "a comment": "^^/* */1", "a line comment": "1^^//", "a hash": "^^#", "NUL": b"^^\0", "form feed": "^^\x0c1", "vertical tab": "^^\x0b1",
    "no-break space": "^^\u00a01", "byte order mark": "^^\ufeff1", "U+2028 between": "[1,^^\u20281]", "U+0085": "^^\u00851", "backspace": "^^\b1",
    # numbers
    "+1": "^^+1", "-": "-^^", "--1": "-^^-1", "- 1": "-^^ 1", "01": "01^^", "00": "00^^", "-01": "-01^^", "1.": "1.^^", ".5": "^^.5", "-.5": "-^^.5",
    "1..5": "1.^^.5", "1.5.5": "1.5^^.5", "1e": "1e^^", "1e+": "1e+^^", "1e-": "1e-^^", "e1": "^^e1", "1e1.5": "1e1^^.5", "1e1e1": "1e1^^e1", "1.e1": "1.^^e1",
    "0x1": "0^^x1", "0b1": "0^^b1", "0o1": "0^^o1", "1_000": "1^^_000", "1,000 in an array, fine; 1 000": "[1 ^^000]", "1a": "1^^a", "1f": "1^^f", "1L": "1^^L",
    "0.0.0": "0.0^^.0", "\u0661": "^^\u0661", "\uff11": "^^\uff11", "$1": "^^$1", "1-": "1^^-", "2-1": "2^^-1", "1 e1": "1 ^^e1", "1. 5": "1.^^ 5",
    # strings
    "no end": '"abc\n"'.replace("\n", "")[:-1] + '}^^', "only a quote": '"}^^', "no quotes": "^^abc", "backslash at the end": r'"\^^x"', "tab": '"^^\t"', "LF": '"a^^\nb"',
    "CR": '"^^\r"', "raw NUL": '"a^^\0"', "raw U+001F": '"^^\x1f"', "unknown escape": r'"\^^a"', "\\'": r'''"\^^'"''', "\\0": r'"\^^0"', "\\x41": r'"\^^x41"',
    "\\U0041": r'"\^^U0041"', "\\v": r'"\^^v"', "backslash, line end": '"\\^^\n"', "backslash, high byte": '"\\^^\u00e9"', "\\u": r'"\u^^"}', "\\u1": r'"\u1^^"12"',
    "\\u12": r'"\u12^^"1"', "\\u123": r'"\u123^^" "', "\\u123g": r'"\u123^^g"', "\\u 123": r'"\u^^ 123"', "\\u+123": r'"\u^^+123"', "\\u{41}": r'"\u^^{41}"',
    "\\u00\u0664\u0661": '"\\u00^^\u0664\u0661"',
    "lone high surrogate": r'"\ud800^^"', "lone high surrogate, then text": r'"\udbff^^abcdef"', "lone low surrogate": r'"\udc00^^"',
    "lone low surrogate at the end": r'"\udfff^^"', "the wrong way round": r'"\udc00^^\ud800"', "high, high": r'"\ud800\ud800^^"', "high, no surrogate": r'"\ud800\u0041^^"',
    "high, escape": r'"\ud800^^\n12345"', "high, half an escape": r'"\ud800\udc^^"}',
    "high, raw low": b'"\\ud800^^\xed\xb0\x80"',
    # UTF-8
    "80": b'"^^\x80"', "bf": b'"^^\xbf"', "fe": b'"^^\xfe"', "ff": b'"^^\xff"', "c0 80": b'"^^\xc0\x80"', "c1 bf": b'"^^\xc1\xbf"', "c0 af": b'"^^\xc0\xaf"',
    "c2": b'"a^^\xc2"', "c2 41": b'"^^\xc2A"', "e0 80 80": b'"^^\xe0\x80\x80"', "e0 9f bf": b'"^^\xe0\x9f\xbf"', "e2 82": b'"^^\xe2\x82"',
    "e2 28 a1": b'"^^\xe2\x28\xa1"', "e2 82 28": b'"^^\xe2\x82\x28"', "ed a0 80": b'"^^\xed\xa0\x80"', "ed bf bf": b'"^^\xed\xbf\xbf"',
    "a pair of surrogates": b'"^^\xed\xa0\x80\xed\xb0\x80"', "f0 80 80 80": b'"^^\xf0\x80\x80\x80"', "f0 8f bf bf": b'"^^\xf0\x8f\xbf\xbf"', "f0 9f 98": b'"^^\xf0\x9f\x98"',
    "f0 28 8c bc": b'"^^\xf0\x28\x8c\xbc"', "f0 90 28 bc": b'"^^\xf0\x90\x28\xbc"', "f0 28 8c 28": b'"^^\xf0\x28\x8c\x28"', "f4 90 80 80": b'"^^\xf4\x90\x80\x80"',
    "f5 80 80 80": b'"^^\xf5\x80\x80\x80"', "f8 88 80 80 80": b'"^^\xf8\x88\x80\x80\x80"', "fc 84 80 80 80 80": b'"^^\xfc\x84\x80\x80\x80\x80"',
    "Latin-1": b'"caf^^\xe9"', "behind good ones": b'"\xc3\xa9\xf0\x9f\x98\x80^^\x80"', "high byte between": b'[1,^^\xff]',
    # arrays and objects
    "[": "[^^", "]": "^^]", "[1": "[1^^", "[1,": "[1,^^", "[,": "[^^,1]", "[1,]": "[1,^^]", "[1,,2]": "[1,^^,2]", "[1 2]": "[1 ^^2]", "[1:2]": "[1^^:2]",
    "[1}": "[1^^}", "[]]": "[]^^]", "[;]": "[1^^;2]", "{": "{^^", "}}": "{}}^^}", '{"a"': '{"a"^^', '{"a":': '{"a":^^', '{"a":1': '{"a":1}^^',
    '{"a":1,': '{"a":1,^^', '{"a":1,}': '{"a":1,^^}', "{,}": "{^^,}", "{1:2}": "{^^1:2}", "{null:1}": "{^^null:1}", "{a:1}": "{^^a:1}", "{'a':1}": "{^^'a':1}",
    '{"a" 1}': '{"a" ^^1}', '{"a"::1}': '{"a":^^:1}', '{"a":1 "b":2}': '{"a":1 ^^"b":2}', '{"a":1,,"b":2}': '{"a":1,^^,"b":2}', '{"a":}': '{"a":^^}', '{"a"}': '{"a"^^}',
    '{"a":1]': '{"a":1^^]', '{"a",1}': '{"a"^^,1}', "a key without an end": '{"a:1}}^^', "32 deep": "[" * 31 + "^^[" + "]" * 32, "1,000,000 deep": "[" * 31 + "^^" + "[" * 999969,
    "objects 32 deep": '{"a":' * 31 + "^^{}" + "}" * 31, "a key twice": '{"a":1,"a"^^:2}', "the empty key twice": '{"":1,""^^:2}',
    "a key twice, once escaped": r'{"a":1,"\u0061"^^:2}', "a key twice, far apart": '{"a":1,"b":2,"c":3,"d":4,"a"^^:5}', "a key twice, deep": '[[{"a":[{"b":1,"b"^^:1}]}]]',
    "257 keys": "{" + ",".join(f'"{i}":1' for i in range(256)) + ',"256"^^:1}', "a key of 4,097 bytes": '{"' + "k" * 4096 + "k^^" + '":1}',
}

# Whole bodies: what is answered, or where the error is marked.
BODIES = {
    "empty": ("^^", "unexpected end"), "white space": (" \n^^", "unexpected end"), "null": ("null", "body: not an object, at byte 0"),
    "an array": ("[]", "body: not an object, at byte 0"), "a number": (" 1", "body: not an object, at byte 1"), "a string": ('"a"', "body: not an object, at byte 0"),
    "half a word": ("^^nul", "unexpected byte"), "an array without its end": ("[^^", "unexpected end"), "byte order mark": ("\ufeff{}", MISSING),
    "byte order mark and an array": ("\ufeff []", "body: not an object, at byte 4"), "byte order mark twice": ("\ufeff^^\ufeff{}", "unexpected byte"),
    "byte order mark alone": ("\ufeff^^", "unexpected end"), "half a byte order mark": (b"^^\xef\xbb{}", "unexpected byte"),
    "byte order mark behind a space": (" ^^\ufeff{}", "unexpected byte"), "byte order mark and an error": ("\ufeff{^^x}", "expected a string"),
    "UTF-16": ("^^{}".replace("^^", "").encode("utf-16"), "malformed JSON at byte 0"),
    "UTF-16BE": ("{}".encode("utf-16-be"), "malformed JSON at byte 0"), "UTF-16LE": ("{}".encode("utf-16-le"), "malformed JSON at byte 1"),
    "NUL behind": (b"{}^^\0", "something behind"), "text behind": ("{}^^x", "something behind"), "a second object": ("{} ^^{}", "something behind"),
    "a comma behind": ("{}^^,", "something behind"), "a bracket behind": ("{}^^}", "something behind"), "white space around": (" \r\n\t{} \r\n\t", MISSING),
    "just an object": ("{}", MISSING), "cut short": ('{"code":"1"^^', "unexpected end"), "cut in a string": ('{"code":"1^^', "unterminated string, in code"),
    "a form": ("^^code=print(1)", "unexpected byte"), "10,000 spaces": (" " * 10000 + "{}", MISSING),
    # fields
    "code is a number": ('{"code":1}', "code: not a string, at byte 8"), "code is null": ('{"code":null}', "code: not a string, at byte 8"),
    "code is true": ('{"code": true}', "code: not a string, at byte 9"), "code is an array": ('{"code":["1"]}', "code: not a string, at byte 8"),
    "code is an object": ('{"code":{}}', "code: not a string, at byte 8"), "code is nothing": ('{"code":^^}', "unexpected byte, in code"), "code is half a word": ('{"code":^^nul}', "unexpected byte, in code"),
    "code in capitals": ('{"CODE":"1"}', MISSING), "code with a space": ('{"code ":"1"}', MISSING), "code twice": ('{"code":"1","code"^^:"1"}', "duplicate key"),
    "code twice, once escaped": (r'{"code":"1","c\u006fde"^^:"1"}', "duplicate key"), "an unknown field twice": ('{"x":"1","x"^^:"1"}', "duplicate key"),
    "an error in code": ('{"code":"a^^\n"}', "control character in a string, in code"), "bad UTF-8 in code": (b'{"code":"^^\xff"}', "not UTF-8, in code"),
    "an error in language": (r'{"language":"\^^x"}', "unknown escape, in language"), "an error in timeout_seconds": ('{"timeout_seconds":01^^}', "bad number, in timeout_seconds"),
    "language is a number": ('{"code":"1","language":1}', "language: not a string, at byte 23"),
    "language is null": ('{"code":"1","language":null}', "language: not a string, at byte 23"),
    "language is an array": ('{"code":"1","language":["python"]}', "language: not a string, at byte 23"),
    "language is unknown": ('{"code":"1","language":"cobol"}', 'language: "cobol" is unknown, at byte 23'),
    "language is empty": ('{"code":"1","language":""}', 'language: "" is unknown'), "language in capitals": ('{"code":"1","language":"Python"}', "is unknown"),
    "language with a space": ('{"code":"1","language":"python "}', "is unknown"), "language with NUL": (r'{"code":"1","language":"python\u0000"}', "language: has a NUL byte, at byte 23"),
    "language begins right": ('{"code":"1","language":"pythonx"}', "is unknown"), "language of UTF-8": ('{"code":"1","language":"\U0001f40d\\"\\\\"}', '"\U0001f40d"\\" is unknown'),
    "language of 65 bytes": ('{"code":"1","language":"' + "x" * 65 + '"}', "language: no name is as long as this, at byte 23"),
    "wrong language, no code": ('{"language":"cobol"}', "is unknown"),
    **{f"timeout_seconds {text}": (f'{{"code":"1","timeout_seconds":{text}}}', "timeout_seconds: not a positive integer, at byte 30") for text in (
        "0", "-0", "-1", "-300", "1.0", "1.5", "0.5", "1e1", "1E400", "-99999999999999999999", "null", "true", '"30"', '""', "[30]", "{}")},
    "timeout_seconds twice": ('{"code":"1","timeout_seconds":1,"timeout_seconds"^^:1}', "duplicate key"),
}

BATCHES = {
    "no executions": ("{}", "executions: missing"), "empty": ('{"executions":[]}', "executions: empty"), "null": ('{"executions":null}', "executions: not an array, at byte 14"),
    "an object": ('{"executions": {}}', "executions: not an array, at byte 15"), "a string": ('{"executions":"[]"}', "executions: not an array"),
    "a list of strings": ('{"executions":["1"]}', "executions[0]: not an object, at byte 15"), "a null in the list": ('{"executions":[{"code":"1"},null]}', "executions[1]: not an object, at byte 28"),
    "one without code": ('{"executions":[{}]}', "executions[0].code: missing"), "the third without code": ('{"executions":[{"code":"1"},{"code":"2"},{"x":1}]}', "executions[2].code: missing"),
    "the second with a wrong code": ('{"executions":[{"code":"1"},{"code":2}]}', "executions[1].code: not a string, at byte 36"),
    "the second with a wrong language": ('{"executions":[{"code":"1"},{"code":"2","language":"x"}]}', 'executions[1].language: "x" is unknown, at byte 51'),
    "the first with a wrong timeout": ('{"executions":[{"code":"1","timeout_seconds":0}]}', "executions[0].timeout_seconds: not a positive integer"),
    "an error in the second": ('{"executions":[{"code":"1"},{"code":"^^\n"}]}', "in executions[1].code"), "executions twice": ('{"executions":[],"executions"^^:[]}', "duplicate key"),
    "code twice in one": ('{"executions":[{"code":"1","code"^^:"2"}]}', "duplicate key"), "a comma at the end": ('{"executions":[{"code":"1"},^^]}', "unexpected byte"),
    "101": ('{"executions":[' + ",".join(['{"code":"1"}'] * 101) + "]}", "executions: more than 100"), "a body of exec": ('{"code":"1"}', "executions: missing"),
    "an array": ('[{"code":"1"}]', "body: not an object, at byte 0"), "executions is half a word": ('{"executions":^^tru}', "unexpected byte"), "something behind": ('{"executions":[{"code":"1"}]}^^]', "something behind"),
}

# Code that is run: what its script is must be what the code says.
SCRIPT = "\nprint(ascii(open(__file__, encoding='utf-8', newline='').read()))"
CODE = {
    "escapes": r'# \" \\ \/ \b \f \t \u0041 \u00e9 \u20ac', "astral": r"# \ud83d\ude00 \udbff\udfff \ud800\udc00", "raw": "# \u0080\u07ff\u0800\ud7ff\ue000\uffff\U00010000\U0010ffff",
    "line ends": r"#a\n#b\r\n#c\n", "separators": "# \u2028\u2029\u0085\ufeff", "quotes": r"# '\"`$(x)${y}%s%n{}\\u0041", "nothing": "", "U+FFFD and noncharacters": "#\ufffd\ufffe\uffff\ufdd0",
}

RUNS = {
    "unknown fields of every type": '{"x":null,"code":"print(1)","y":[1,{"z":"\\u0000"}],"timeout_seconds":5,"z":{"code":"print(2)"}}',
    "fields in another order": '{"timeout_seconds":5,"language":"python","code":"print(1)"}', "an escaped key": r'{"c\u006fd\u0065":"print(1)"}',
    "timeout_seconds 1": '{"code":"print(1)","timeout_seconds":1}', "timeout_seconds 300": '{"code":"print(1)","timeout_seconds":300}',
    "timeout_seconds 301": '{"code":"print(1)","timeout_seconds":301}', "timeout_seconds of 20 digits": '{"code":"print(1)","timeout_seconds":18446744073709551617}',
    "timeout_seconds of 100 digits": '{"code":"print(1)","timeout_seconds":1' + "0" * 99 + "}", "white space everywhere": ' {\n"code"\t:\r"print(1)" , "language" : "python" } ',
}


# ---- input ----


def check_error(answer, status, at, part):
    body = json.loads(answer.body)
    assert answer.status == status and list(body) == ["error"], (answer.status, body)
    assert part in body["error"], body["error"]
    if at is not None:
        assert f"ed JSON at byte {at}:" in body["error"], f"expected byte {at}: {body['error']}"


def marked(document):
    at = document.find(MARK)
    return (document, None) if at < 0 else (document.replace(MARK, b"", 1), at)


def table():
    """Name, path, body, and what check_error wants."""
    for name, document in VALID.items():
        yield f"valid: {name}", "/v1/exec", b'{"x":' + raw(document) + b"}", None, MISSING
    for name, document in INVALID.items():
        document, at = marked(b'{"x":' + raw(document) + b"}")
        # what is cut short ends the body
        end = at == len(document) - 1
        # RFC 8259 has a grammar and leaves limits to us: what is beyond those is not malformed
        limit = any(word in name for word in ("32 deep", "1,000,000 deep", "twice", "257 keys", "4,097"))
        yield f"invalid: {name}", "/v1/exec", document[:-1] if end else document, at, "refused JSON" if limit else "malformed JSON"
    for path, bodies in ("/v1/exec", BODIES), ("/v1/exec/batch", BATCHES):
        for name, (body, part) in bodies.items():
            body, at = marked(raw(body))
            yield f"{path}: {name}", path, body, at, part


def run_errors(report, server):
    rows = list(table())
    streams = [[post(body, path, CLOSE)] for _, path, body, *_ in rows]
    for (name, _, _, at, part), data in zip(rows, server.ask_many(streams)):
        report.check(name, lambda: check_error(answers(data)[0], 400, at, part))
    return len(rows)


def run_code(server, body, path="/v1/exec"):
    answer = answers(server.ask(post(body, path, CLOSE)))[0]
    assert answer.status == 200, answer
    return json.loads(answer.body)


def check_run(server, body):
    result = run_code(server, raw(body))
    assert (result["stdout"], result["stderr"], result["exit_code"]) == ("1\n", "", 0), result


# ---- warnings ----

FIELDS = ["id", "stdout", "stderr", "exit_code", "fork_time_ms", "exec_time_ms", "total_time_ms"]


def unknown(*names):
    return [f"{name}: unknown field" for name in names]


# Members beside code: the warnings of the answer.
WARNINGS = {
    "none": ("", None), "known ones": (',"language":"python","timeout_seconds":5', None), "one": (',"timeout":5', unknown("timeout")),
    "those of another API, in order": (',"lang":"python","stdinn":"x","Code":"y"', unknown("lang", "stdinn", "Code")), "no name": (',"":1', unknown("")),
    "an object of some": (',"a":{"code":1,"b":2}', unknown("a")), "hostile": (r',"\u0000\n\"\\</script>\ud83d\ude00":1', unknown('\0\n"\\</script>\U0001f600')),
    "64 bytes": (',"' + "x" * 64 + '":1', unknown("x" * 64)), "65 bytes": (',"' + "x" * 65 + '":1', unknown("x" * 64 + "...")),
    "cut between characters": (',"' + "\u20ac" * 22 + '":1', unknown("\u20ac" * 21 + "...")), "1,024 bytes": (',"' + "k" * 1024 + '":1', unknown("k" * 64 + "...")),
    "8": ("".join(f',"x{i}":1' for i in range(8)), unknown(*(f"x{i}" for i in range(8)))),
    "255": ("".join(f',"x{i}":1' for i in range(255)), unknown(*(f"x{i}" for i in range(8))) + ["247 more unknown fields"]),
}


def check_warnings(result, expected):
    assert list(result)[:7] == FIELDS, list(result)
    assert result.get("warnings") == expected and ("warnings" in result) == (expected is not None), result


def check_batch_warnings(server):
    one = ",".join('{"code":"print(1)"%s}' % members for members, _ in WARNINGS.values())
    answer = run_code(server, ('{"timeout_seconds":1,"executions":[%s],"executionss":[]}' % one).encode(), "/v1/exec/batch")
    assert list(answer) == ["results", "warnings"] and answer["warnings"] == unknown("timeout_seconds", "executionss"), answer
    for result, (_, expected) in zip(answer["results"], WARNINGS.values(), strict=True):
        check_warnings(result, expected)
    assert list(run_code(server, b'{"executions":[{"code":""}]}', "/v1/exec/batch")) == ["results"]


def check_code(server, escaped):
    body = '{"code":"' + escaped + json.dumps(SCRIPT)[1:-1] + '"}'
    result = run_code(server, body.encode())
    assert result["stdout"] == ascii(json.loads(body)["code"]) + "\n", result


# ---- output ----


def written(server, program, stream="stdout"):
    """What a program writes as bytes, as its answer has it."""
    result = run_code(server, {"code": f"import sys, itertools\nsys.{stream}.buffer.write({program})"})
    assert result["exit_code"] == 0, result
    return result[stream]


def check_points(server, first, last):
    expression = f"''.join(chr(c) for c in range({first}, {last}) if not 0xd800 <= c < 0xe000).encode()"
    for stream in "stdout", "stderr":
        assert written(server, expression, stream).encode() == eval(expression)


def check_bytes(server, expression):
    for stream in "stdout", "stderr":
        got, expected = written(server, expression, stream), eval(expression, {"itertools": __import__("itertools")})
        assert got == expected.decode(errors="replace")


NASTY = "bytes([0x22, 0x41, 0x80, 0x90, 0xa0, 0xbf, 0xc2, 0xe0, 0xe2, 0xed, 0xf0, 0xf4])"
BYTES = {
    "each byte alone": "b'.'.join(bytes([i]) for i in range(256))", "each pair of bytes": "b'.'.join(bytes(p) for p in itertools.product(range(256), repeat=2))",
    "beginnings and ends of sequences": f"b'.'.join(bytes(p) for p in itertools.product({NASTY}, repeat=4))", "nothing": "b''",
    "200,000 bytes that are nothing": "b'\\xff' * 200000", "a sequence cut at the end": "b'abc\\xf0\\x9f\\x98'", "quotes and backslashes": "b'\"\\\\' * 100000",
    "control bytes": "bytes(range(32)) * 10000", "DEL": "b'\\x7f'",
}

# ---- time ----


def seconds(server, body):
    """Of the server's CPU time, whatever else the machine does; the best of
    some, for a body that needs no run."""
    best = 1e9
    for _ in range(4):
        start = server.cpu_seconds()
        answer = answers(server.ask(post(body, extra=CLOSE), pause=0))[0]
        best = min(best, server.cpu_seconds() - start)
        assert answer.status == 400, answer
    return best


def check_linear(server, make):
    """Eight times as much takes about eight times as long, not 64 times."""
    short, long = (seconds(server, b'{"x":' + make(size) + b"}") for size in (256 << 10, 2 << 20))
    assert long < 24 * max(short, 0.002), f"{short:.4f} s for 256 KiB, {long:.4f} s for 2 MiB"


LARGE = {
    "plain text": lambda n: b'"' + b"x" * n + b'"', "escapes": lambda n: b'"' + b"\\n" * (n // 2) + b'"', "\\u escapes": lambda n: b'"' + b"\\u00e9" * (n // 6) + b'"',
    "pairs of surrogates": lambda n: b'"' + b"\\ud83d\\ude00" * (n // 12) + b'"', "UTF-8": lambda n: b'"' + "\U0001f600".encode() * (n // 4) + b'"',
    "digits": lambda n: b"1" * n, "elements": lambda n: b"[" + b"1," * (n // 2) + b"1]", "objects": lambda n: b"[" + b'{"a":1},' * (n // 8) + b"1]",
    "objects of 200 keys": lambda n: b"[" + (b"{" + b",".join(b'"%d":1' % i for i in range(200)) + b"},") * (n // 1500) + b"1]", "spaces": lambda n: b" " * n + b"1",
}


def check_large_code(server, filler):
    """A snippet of 1 MiB arrives whole."""
    escaped = "#" + filler * ((1 << 20) // len(filler)) + "\\nprint(len(open(__file__, encoding='utf-8').read()))"
    body = '{"code":"' + escaped + '"}'
    result = run_code(server, body.encode())
    assert result["stdout"] == f"{len(json.loads(body)['code'])}\n", result


def main():
    report = Report("json")
    with Server("--workers", "1") as server:
        started = time.monotonic()
        count = run_errors(report, server)
        for name, body in RUNS.items():
            report.check(f"run: {name}", check_run, server, body)
        for name, (members, expected) in WARNINGS.items():
            report.check(f"warnings: {name}", lambda: check_warnings(run_code(server, ('{"code":""%s}' % members).encode()), expected))
        report.check("warnings: of a batch and of each execution", check_batch_warnings, server)
        for name, escaped in CODE.items():
            report.check(f"code: {name}", check_code, server, escaped)
        for first in 0, *range(0x10000, 0x110000, 0x20000):
            last = first + 0x20000 if first else 0x10000
            report.check(f"output: every code point from U+{first:04X} to U+{last - 1:04X}", check_points, server, first, last)
        for name, expression in BYTES.items():
            report.check(f"output: {name}", check_bytes, server, expression)
        for name, make in LARGE.items():
            report.check(f"time in proportion to the size: {name}", check_linear, server, make)
        for name, filler in {"text": "x", "escapes": "\\u00e9", "pairs of surrogates": "\\ud83d\\ude00"}.items():
            report.check(f"code of 1 MiB: {name}", check_large_code, server, filler)
        report.line("nothing in the log but lines of requests", server.unexpected() or None)
        print(f"# {count + len(RUNS) + len(CODE)} documents; {report.count} tests in {time.monotonic() - started:.1f} s")
    return 1 if report.failed else 0


if __name__ == "__main__":
    sys.exit(main())
