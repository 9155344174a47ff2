"""What can be wrong with a lesson's source, told in sentences that name the cell.

Each function returns a list of complaints; an empty list is good news. tests/test_lessons.py calls them for
every lesson, and tests/test_translations.py looks at the library's code with `code_complaints`. Whether a
lesson is true is the business of the claims tests, and whether it runs of nbval.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import PurePosixPath

from tools import exercise_cells
from tools.code_messages import string_messages, unreadable_messages
from tools.lessons import EXERCISE, PROSE, SOLUTION, Lesson
from tools.prose_messages import html_blocks

FEWEST_CELLS, MOST_CELLS = 15, 35
MOST_LINES = 25
LONGEST_PATH = 100
# nbval-skip is not among them: a cell that no test runs may be broken without anybody noticing.
NEEDS_A_REASON = {"nbval-ignore-output", "raises-exception", "nbval-raises-exception"}
REASONS = {f"reason:{why}" for why in ("timing", "progress", "machine", "random", "training")}
SETUP_TAGS = {"imports", "exercise-setup"}
# nbval obeys comments too, and would do so behind the tags' back.
NBVAL_COMMENT = re.compile(r"^\s*#+\s*((?:NBVAL|PYTEST_VALIDATE)_\w+)\s*$", re.MULTILINE)


def lesson_complaints(lesson: Lesson) -> list[str]:
    """Everything that one look at the source shows."""
    complaints = []
    for cell in lesson.cells:
        found = prose_complaints(cell.source) if cell.kind == PROSE else code_complaints(cell.source)
        if cell.kind != SOLUTION:
            found += tag_complaints(cell.tags)
        complaints += [f"{lesson.name}, cell {cell.id}: {complaint}" for complaint in found]
    count = sum(cell.kind != SOLUTION for cell in lesson.cells)
    if not FEWEST_CELLS <= count <= MOST_CELLS:
        complaints.append(f"{lesson.name} has {count} cells; a lesson has {FEWEST_CELLS} to {MOST_CELLS}.")
    if not any(cell.kind == EXERCISE for cell in lesson.cells):
        complaints.append(f"{lesson.name} has no exercise.")
    return complaints


def prose_complaints(markdown: str) -> list[str]:
    """Raw HTML, and a formula block that Markdown would take for part of a paragraph.

    >>> prose_complaints("a<br>b")
    ["raw HTML: '<br>'"]
    """
    complaints = [f"raw HTML: {html!r}" for html in html_blocks(markdown)]
    lines = markdown.split("\n")
    opening = [number for number, line in enumerate(lines) if line.lstrip().startswith("$$")]
    # Markers come in pairs: the first of each stands after an empty line, or is closed on its own line.
    alone = [number for number in opening if lines[number].count("$$") == 1]
    starts = alone[::2] + [number for number in opening if number not in alone]
    complaints += [
        f"a formula block needs an empty line before it: {lines[number]!r}"
        for number in sorted(starts)
        if number > 0 and lines[number - 1].strip()
    ]
    return complaints


def code_complaints(code: str) -> list[str]:
    """Code that is no Python, is too long, or says something that no translator would see."""
    try:
        complaints = [f"cannot be translated: {call}" for call in unreadable_messages(code)]
        complaints += [f"an empty message: {code!r}" for text in string_messages(code) if not text.strip()]
    except SyntaxError as error:
        return [f"is not plain Python: {error}"]
    complaints += [f"a tag says this, not a comment: {marker}" for marker in NBVAL_COMMENT.findall(code)]
    if (count := len(code.split("\n"))) > MOST_LINES:
        complaints.append(f"{count} lines; {MOST_LINES} are the most.")
    return complaints


def tag_complaints(tags: Iterable[str]) -> list[str]:
    """Tags that nobody knows, and outputs that are not compared for no reason given.

    >>> tag_complaints(["nbval-skip", "reason:timing"])
    ['unknown tag nbval-skip', 'a reason without what it is the reason for: reason:timing']
    """
    tags = set(tags)
    complaints = [
        f"unknown tag {tag}" for tag in sorted(tags - NEEDS_A_REASON - REASONS - SETUP_TAGS - {EXERCISE})
    ]
    if not tags & REASONS:
        known = " ".join(sorted(REASONS))
        complaints += [f"{tag} without one of {known}" for tag in sorted(tags & NEEDS_A_REASON)]
    elif not tags & NEEDS_A_REASON:
        complaints.append(f"a reason without what it is the reason for: {' '.join(sorted(tags & REASONS))}")
    return complaints


def exercise_complaints(lesson: Lesson) -> list[str]:
    """Exercises whose solution does not pass, or whose blank does.

    An exercise must need no more than the cells before it that are tagged `imports` or `exercise-setup`:
    they are run, then the exercise with its solution; and again, with its blank.
    """
    complaints, setup = [], []
    written = iter(lesson.exercises)
    for cell in lesson.cells:
        if SETUP_TAGS & set(cell.tags):
            setup.append(cell.source)
        if cell.kind != EXERCISE:
            continue
        source = next(written)
        if not (names := exercise_cells.check_names(source)):
            complaints.append(f"{lesson.name}, cell {cell.id}: the exercise calls no check at its top level.")
        try:
            solved, unsolved = outcomes(setup, source), outcomes(setup, exercise_cells.blank(source))
        except Exception as error:  # whatever a lesson's code may raise is the complaint
            complaints.append(f"{lesson.name}: {names} could not be run: {type(error).__name__}: {error}")
            continue
        for outcome in solved:
            if not outcome:
                complaints.append(f"{lesson.name}: the solution of {names} does not pass: {outcome!r}")
        for outcome in unsolved:
            if outcome:
                complaints.append(f"{lesson.name}: the blank of {names} passes: {outcome!r}")
    return complaints


def outcomes(setup: list[str], exercise: str) -> list:
    """What the checks of an exercise say, after the setup cells have been run in a fresh namespace."""
    namespace: dict = {"__name__": "__main__"}
    for source in setup:
        exec(compile(source, "<setup>", "exec"), namespace)
    check, said = namespace["check"], []
    namespace["check"] = lambda name, answer: said.append(check(name, answer))
    exec(compile(exercise, "<exercise>", "exec"), namespace)
    return said


def path_complaints(paths: Iterable[PurePosixPath]) -> list[str]:
    """Paths, from the root of the repository, that are not ASCII or have 100 characters or more.

    >>> path_complaints([PurePosixPath("a/ä.md")])
    ['a/ä.md: not ASCII']
    """
    complaints = []
    for path in map(str, paths):
        if not path.isascii():
            complaints.append(f"{path}: not ASCII")
        if len(path) >= LONGEST_PATH:
            complaints.append(f"{path}: {len(path)} characters; under {LONGEST_PATH} are allowed")
    return complaints
