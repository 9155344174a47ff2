"""Splits a code cell into what a translator sees, and puts translated comments back.

One message is one comment (lines of their own that follow each other are one, a line of the message per
line of the comment), or one string in `_("...")` or `N_("...")`. A string's translation is looked up when
the code runs, so only comments are ever replaced: without them, the code is the same in every language.
Plural forms (ngettext) are left out; no message of the course needs them.
"""

from __future__ import annotations

import ast
import io
import re
import tokenize
from collections.abc import Callable
from dataclasses import dataclass

FOR_MACHINES = re.compile(r"#\s*(noqa|type:|fmt:|pragma:|ruff:|NBVAL_|%%|!)")


@dataclass(frozen=True)
class Comment:
    """A comment's text without its marks, and its place; lines count from 0, `last` included."""

    text: str
    first: int
    last: int
    column: int
    own_line: bool


def comment_messages(code: str) -> list[str]:
    """The comments that people read, in order.

    >>> comment_messages("# One comment\\n# on two lines\\nx = 1  # another\\ny = 2  # noqa")
    ['One comment\\non two lines', 'another']
    """
    return [comment.text for comment in _comments(code) if re.search(r"[^\W\d_]", comment.text)]


def translate_comments(code: str, translate: Callable[[str], str]) -> str:
    """The code with every comment replaced by what `translate` makes of it.

    >>> translate_comments("if a:\\n    # b\\n    c = 1  # d", str.upper)
    'if a:\\n    # B\\n    c = 1  # D'
    """
    lines = code.split("\n")
    for comment in reversed(_comments(code)):
        if not re.search(r"[^\W\d_]", comment.text):
            continue
        translation = translate(comment.text)
        if translation == comment.text:
            continue
        head = lines[comment.first][: comment.column]
        if not comment.own_line:
            translation = translation.replace("\n", " ")
        lines[comment.first : comment.last + 1] = [
            head + f"# {line}".rstrip() for line in translation.split("\n")
        ]
    return "\n".join(lines)


def without_comments(code: str) -> str:
    """The code alone: comment lines are gone, and so is what follows code on its line.

    >>> without_comments("# why\\nx = 1  # what")
    'x = 1'
    """
    lines: list[str | None] = list(code.split("\n"))
    for token in _comment_tokens(code):
        (row, column), line = token.start, token.line.split("\n")[0]
        lines[row - 1] = line[:column].rstrip() if line[:column].strip() else None
    return "\n".join(line for line in lines if line is not None)


def string_messages(code: str) -> list[str]:
    """The literal strings in `_("...")` and `N_("...")`, in order.

    >>> string_messages("print(_('The digit is {digit}.').format(digit=7))")
    ['The digit is {digit}.']
    """
    return [call.args[0].value for call in _message_calls(code) if _is_literal(call)]


def unreadable_messages(code: str) -> list[str]:
    """Calls that no translator will ever see: `_` of something put together, `N_` of no literal, `ngettext`.

    A name in `_` is taken for a string that `N_` marked.

    >>> unreadable_messages("_(f'{x} rows'); _(title)")
    ["_(f'{x} rows')"]
    """
    wrong = [call for call in _message_calls(code) if not (_is_literal(call) or _is_marked_elsewhere(call))]
    wrong += [call for call in _calls(code) if _called_name(call) == "ngettext"]
    return [ast.unparse(call) for call in wrong]


def _is_literal(call: ast.Call) -> bool:
    match call:
        case ast.Call(args=[ast.Constant(value=str())], keywords=[]):
            return True
    return False


def _is_marked_elsewhere(call: ast.Call) -> bool:
    match call:
        case ast.Call(args=[ast.Name() | ast.Attribute() | ast.Subscript()], keywords=[]):
            return _called_name(call) == "_"
    return False


def _message_calls(code: str) -> list[ast.Call]:
    return [call for call in _calls(code) if _called_name(call) in ("_", "N_")]


def _calls(code: str) -> list[ast.Call]:
    flags = ast.PyCF_ONLY_AST | ast.PyCF_ALLOW_TOP_LEVEL_AWAIT
    tree = compile(code, "<cell>", "exec", flags=flags)
    calls = [node for node in ast.walk(tree) if isinstance(node, ast.Call)]
    return sorted(calls, key=lambda call: (call.lineno, call.col_offset))


def _called_name(call: ast.Call) -> str | None:
    match call.func:
        case ast.Name(id=name) | ast.Attribute(attr=name):
            return name
    return None


def _comment_tokens(code: str) -> list[tokenize.TokenInfo]:
    tokens = tokenize.generate_tokens(io.StringIO(code).readline)
    return [token for token in tokens if token.type == tokenize.COMMENT]


def _comments(code: str) -> list[Comment]:
    comments: list[Comment] = []
    for token in _comment_tokens(code):
        (row, column), text = token.start, re.sub(r"^# ?", "", token.string)
        if FOR_MACHINES.match(token.string):
            continue
        own_line = not token.line[:column].strip()
        before = comments[-1] if comments else None
        continues = (
            before and before.own_line and own_line and (before.last, before.column) == (row - 2, column)
        )
        if continues and text and before.text:
            comments[-1] = Comment(f"{before.text}\n{text}", before.first, row - 1, column, True)
        else:
            comments.append(Comment(text, row - 1, row - 1, column, own_line))
    return comments
