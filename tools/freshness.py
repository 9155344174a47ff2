"""Tells whether a notebook's outputs still come from today's code and today's messages.

A notebook's cells may be unchanged while the library they call, or the translation of a string that they
show, is not. `fingerprint` is a digest of both; the build stores it in the notebook. Comments, docstrings
and formatting do not count. Packages outside the course are left out: the lock says when they change.
"""

from __future__ import annotations

import ast
import hashlib
from collections.abc import Mapping
from pathlib import Path

from course_lib.imports import files_run, imported_names, package_of
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
    waiting = [name for cell in lesson.cells if cell.kind != PROSE for name in imported_names(cell.source)]
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
        for path in files_run(waiting.pop(), root=course.root):
            if path not in seen:
                seen.add(path)
                package = package_of(path, root=course.root)
                waiting += imported_names(path.read_text(encoding="utf-8"), package=package)
    return sorted(seen)


def _code_alone(source: str) -> str:
    """The code's syntax tree without docstrings."""
    tree = ast.parse(source)
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            match node.body:
                case [ast.Expr(value=ast.Constant(value=str())), *rest]:
                    node.body = rest
    return ast.dump(tree)
