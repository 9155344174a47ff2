"""An exercise is written once, with its solution; a notebook shows a blank and a folded solution.

    def decode(number, scale):
        ### BEGIN SOLUTION
        return number / scale
        ### END SOLUTION

    check("encrypted_inference.decode", decode)

`blank` puts a comment and `...` in place of what stands between the markers; `solution` keeps it, and
leaves the call of `check` to the cell above. Neither runs anything.
"""

from __future__ import annotations

import ast

BEGIN = "### BEGIN SOLUTION"
END = "### END SOLUTION"
BLANK_COMMENT = "Your code here"
SOLUTION_COMMENT = "Solution"
BUILD_COMMENTS = (BLANK_COMMENT, SOLUTION_COMMENT)


def blank(source: str) -> str:
    """What the learner starts from: runs, and answers nothing.

    >>> print(blank("def f(x):\\n    ### BEGIN SOLUTION\\n    return x\\n    ### END SOLUTION"))
    def f(x):
        # Your code here
        ...
    """
    lines = []
    for indent, region in _regions(source):
        lines += region if indent is None else [f"{indent}# {BLANK_COMMENT}", f"{indent}..."]
    return "\n".join(lines)


def solution(source: str) -> str:
    """The same code with its answer, without markers and without the top-level `check(...)`.

    >>> print(solution("x = 1\\n### BEGIN SOLUTION\\ny = x\\n### END SOLUTION\\ncheck('a.b', y)"))
    # Solution
    x = 1
    y = x
    """
    kept = "\n".join(line for _, region in _regions(source) for line in region)
    lines = kept.split("\n")
    for statement in reversed(ast.parse(kept).body):
        if is_check(statement):
            del lines[statement.lineno - 1 : statement.end_lineno]
    return "\n".join([f"# {SOLUTION_COMMENT}", *"\n".join(lines).strip("\n").split("\n")])


def is_check(statement: ast.stmt) -> bool:
    """Whether a statement is a bare `check(...)`."""
    match statement:
        case ast.Expr(value=ast.Call(func=ast.Name(id="check"))):
            return True
    return False


def check_names(source: str) -> list[str]:
    """The names that an exercise's `check("topic.exercise", ...)` statements ask for.

    >>> check_names("check('he.decode', decode)")
    ['he.decode']
    """
    calls = [statement.value for statement in ast.parse(source).body if is_check(statement)]
    return [ast.literal_eval(call.args[0]) for call in calls]


def _regions(source: str) -> list[tuple[str | None, list[str]]]:
    """Runs of lines outside (None) and inside (their indentation) the markers."""
    regions: list[tuple[str | None, list[str]]] = [(None, [])]
    for line in source.split("\n"):
        indent = regions[-1][0]
        if line.strip() == BEGIN and indent is None:
            regions.append((line[: line.index("#")], []))
        elif line.strip() == END and indent is not None:
            regions.append((None, []))
        elif line.strip() in (BEGIN, END):
            raise ValueError(f"{line.strip()!r} without its partner in this exercise:\n{source}")
        else:
            regions[-1][1].append(line)
    if regions[-1][0] is not None:
        raise ValueError(f"{BEGIN!r} without {END!r} in this exercise:\n{source}")
    if len(regions) == 1:
        raise ValueError(f"An exercise needs {BEGIN!r} and {END!r}; this one has neither:\n{source}")
    return regions
