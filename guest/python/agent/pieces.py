# pieces.py: the code of an exec becomes pieces, so that there is a value of it.
#
# A tree of objects (ast) that is compiled afterwards takes as long again as the compiler
# itself. So the source is cut where that is sure to be right: what is before the last line
# is a program by itself then, and the line an expression. All else goes by the tree, which
# also says what is wrong.


def begins_itself(text, at):
    """Whether the last line, at that place of code that can be compiled, is in no string,
    bracket or continuation that has begun before."""
    if b'"""' in text or b"'''" in text or b"\\\n" in text:
        return False
    line = QUOTED.sub(b"", text[at:])
    if b"'" in line or b'"' in line or b"\\" in line:
        return False
    return all(line.count(a) == line.count(b) for a, b in BRACKETS)


def last_place(text, at):
    """Where the last statement of a line begins, if it begins there at all; -1: unknown."""
    place = text.rfind(b";", at) + 1
    if not place:
        return at
    # It may be of a block's line, or of a comment.
    if at or b"#" in text[:place] or b":" in text[:place]:
        return -1
    return len(text) - len(text[place:].lstrip())


def compile_before(source, name):
    """What is before the last expression; None: it is no program by itself."""
    try:
        return compile(source, name, "exec", Session.flags, True)
    except (SyntaxError, ValueError):
        try:
            ast.parse(source)
        except (SyntaxError, ValueError):
            return None
        raise  # what it warns of has been said


def compile_cut(source, name):
    """Before the last expression, and that, each as it is: where it is cut, both are good by
    themselves, so the first one leaves nothing open. None: it cannot be cut so."""
    text = source.rstrip(b" \t\n")
    # What changes how all that follows is read.
    if b"\r" in text or b"\f" in text or b"coding" in text or b"__future__" in text or b"\xef\xbb\xbf" in text:
        return None
    at = text.rfind(b"\n") + 1
    place = last_place(text, at)
    if place < 0:
        return None
    if NO_VALUE.match(text, place):
        if place == at and (at == 0 or begins_itself(text, at)):
            return (compile(source, name, "exec", Session.flags, True),)
        return None
    if place == 0:
        return None
    # The last one is compiled first, as it mostly is what is no expression. What is warned of
    # comes in order.
    if MAY_WARN.search(text, place):
        return None
    # A form feed begins the indentation anew, so that columns are what they are.
    before = b"\n" * text.count(b"\n", 0, at) + (b" " * (place - at - 1) + b"\f" if place > at else b"")
    try:
        last = compile(before + text[place:], name, "eval", Session.flags, True)
    except (SyntaxError, ValueError):
        return None
    first = compile_before(text[:place], name)
    return first and (first, last)


def compile_tree(source, name):
    tree = compile(source, name, "exec", Session.flags | ast.PyCF_ONLY_AST, True)
    last = None
    if tree.body and isinstance(tree.body[-1], ast.Expr):
        last = ast.Expression(tree.body.pop().value)
    code = compile(tree, name, "exec", Session.flags, True)
    Session.flags |= code.co_flags & FEATURES
    return (code, compile(last, name, "eval", Session.flags, True)) if last else (code,)


def compile_exec(source, name):
    """One or two pieces of code, of which the last one has the value."""
    if source and not STATEMENT.match(source):
        try:
            return (compile(source, name, "eval", Session.flags, True),)
        except (SyntaxError, ValueError):
            pass
    return compile_cut(source, name) or compile_tree(source, name)
