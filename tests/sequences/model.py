"""What a session of Python should say: reads a list of snippets, runs each in one
namespace, and writes a list of [stdout, result, exit code, last line of stderr]."""
import ast
import contextlib
import io
import json
import sys
import traceback

names = {"__name__": "__main__"}


def run(snippet):
    """The last expression's value."""
    tree = ast.parse(snippet)
    last = tree.body.pop() if tree.body and isinstance(tree.body[-1], ast.Expr) else None
    exec(compile(tree, "<exec>", "exec"), names)
    return last and eval(compile(ast.Expression(last.value), "<exec>", "eval"), names)


def outcome(snippet):
    out, result, code, error = io.StringIO(), "", 0, ""
    with contextlib.redirect_stdout(out):
        try:
            value = run(snippet)
            result = "" if value is None else repr(value)
        except Exception as e:
            code, error = 1, traceback.format_exception_only(e)[-1]
    return [out.getvalue(), result, code, error]


with open("/app/snippets.json") as file:
    snippets = json.load(file)
json.dump([outcome(snippet) for snippet in snippets], sys.stdout)
