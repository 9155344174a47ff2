"""Tells whether a notebook's outputs still come from today's code and today's messages.

A notebook's cells may be unchanged while the library they call, or the translation of a string that they
show, is not. `fingerprint` is a digest of both; the build stores it in the notebook. Comments, docstrings
and formatting do not count. Packages outside the course are left out: the lock says when they change.
"""

from __future__ import annotations

import ast
import hashlib
import re
from collections.abc import Iterable, Mapping
from pathlib import Path

from tools.code_messages import string_messages
from tools.exercise_cells import check_names
from tools.layout import Course
from tools.lessons import PROSE, Lesson


def fingerprint(course: Course, lesson: Lesson, messages: Mapping[str, str]) -> str:
    """A short digest of the library code that a lesson uses and of the strings that it may show.

    `messages` maps English to the notebook's language; it is empty for English.
    """
    digest = hashlib.sha256()
    shown = [text for cell in lesson.cells if cell.kind != PROSE for text in string_messages(cell.source)]
    for path in library_modules(course, lesson):
        text = path.read_text(encoding="utf-8")
        digest.update(f"{course.relative(path)}\n{_code_alone(text)}\n".encode())
        shown += string_messages(text)
        if path.name == "course_map.py":  # its picture says which lessons are there
            digest.update(f"{[lesson.stem for lesson in course.lesson_files()]}\n".encode())
    for text in sorted(set(shown) & set(messages)):
        digest.update(f"{text}\0{messages[text]}\0".encode())
    return digest.hexdigest()[:16]


def library_modules(course: Course, lesson: Lesson) -> list[Path]:
    """The modules of `course_lib` that a lesson reaches: by import, by name (`-m course_lib.x`), by check."""
    waiting = [
        name
        for cell in lesson.cells
        if cell.kind != PROSE
        for name in _named_modules(cell.source, package="")
    ]
    waiting += [
        f"course_lib.exercises.{name.split('.')[0]}"
        for code in lesson.exercises
        for name in check_names(code)
    ]
    if "course_lib.exercises.progress" in waiting:  # shows the exercises of every topic
        waiting += [
            f"course_lib.exercises.{path.stem}"
            for path in (course.root / "course_lib/exercises").glob("*.py")
        ]
    seen: set[Path] = set()
    while waiting:
        for path in _module_files(course, waiting.pop()):
            if path not in seen:
                seen.add(path)
                package = ".".join(path.relative_to(course.root).with_suffix("").parts[:-1])
                waiting += _named_modules(path.read_text(encoding="utf-8"), package)
    return sorted(seen)


def _named_modules(code: str, package: str) -> Iterable[str]:
    """Dotted names below `course_lib` that a module of `package` imports or spells out in a string."""
    for node in ast.walk(compile(code, "<code>", "exec", ast.PyCF_ONLY_AST | ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)):
        match node:
            case ast.Import(names=names):
                yield from (alias.name for alias in names)
            case ast.ImportFrom(module=module, names=names, level=level):
                parts = package.split(".")[: len(package.split(".")) - level + 1] if level else []
                base = ".".join([*parts, *([module] if module else [])])
                yield from (f"{base}.{alias.name}" for alias in names)
            case ast.Constant(value=str(text)) if re.fullmatch(r"course_lib(\.\w+)+(:\w+)?", text):
                yield text.split(":")[0]


def _module_files(course: Course, name: str) -> Iterable[Path]:
    """The files that importing `name` runs: each package's `__init__.py` on the way, then the module."""
    parts = name.split(".")
    if parts[0] != "course_lib":
        return
    for end in range(1, len(parts) + 1):
        stem = course.root.joinpath(*parts[:end])
        yield from (path for path in (stem / "__init__.py", stem.with_suffix(".py")) if path.is_file())


def _code_alone(source: str) -> str:
    """The code's syntax tree without docstrings."""
    tree = ast.parse(source)
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            match node.body:
                case [ast.Expr(value=ast.Constant(value=str())), *rest]:
                    node.body = rest
    return ast.dump(tree)
