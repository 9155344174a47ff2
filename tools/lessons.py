"""Reads a lesson's source into the cells that every language's notebook has.

A lesson is a py:percent script (jupytext reads it). Each cell gets an id made from its English text, so
ids are the same in all languages and a change in one cell leaves the others' ids alone. A code cell tagged
`exercise` becomes two: the blank and its folded solution. Nothing is translated or run here.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import jupytext

from tools import exercise_cells

PROSE, CODE, EXERCISE, SOLUTION = "prose", "code", "exercise", "solution"


@dataclass(frozen=True)
class Cell:
    """One cell in English; `kind` is "prose", "code", "exercise" (the blank) or "solution"."""

    id: str
    kind: str
    source: str
    tags: tuple[str, ...] = ()


@dataclass(frozen=True)
class Lesson:
    """A lesson's name, such as "05_encrypted_inference", and its cells in order.

    `exercises` holds the exercise cells as they were written, markers and check included.
    """

    name: str
    cells: tuple[Cell, ...]
    exercises: tuple[str, ...] = ()

    @property
    def title(self) -> str:
        """The first heading, without its mark."""
        for cell in self.cells:
            if cell.kind == PROSE and cell.source.startswith("# "):
                return cell.source.split("\n")[0].removeprefix("# ").strip()
        raise ValueError(f"The lesson {self.name} has no cell that starts with a title ('# ...').")


def read_lesson(path: Path) -> Lesson:
    """The lesson written at `path`; ValueError names the file if a cell is malformed."""
    try:
        return parse_lesson(path.stem, path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise ValueError(f"{path.name}: {error}") from error


def parse_lesson(name: str, text: str) -> Lesson:
    """The lesson called `name` whose py:percent source is `text`.

    >>> [cell.kind for cell in parse_lesson("00_a", "# %% [markdown]\\n# # A\\n\\n# %%\\n1 + 1").cells]
    ['prose', 'code']
    """
    drafts: list[tuple[str, str, tuple[str, ...]]] = []
    exercises = []
    for cell in jupytext.reads(text, fmt="py:percent").cells:
        tags = tuple(cell.metadata.get("tags", ()))
        if cell.cell_type == "markdown":
            drafts.append((PROSE, cell.source, tags))
        elif cell.cell_type != "code":
            raise ValueError(f"Expected a markdown or a code cell, but found a {cell.cell_type} cell.")
        elif EXERCISE in tags:
            exercises.append(cell.source)
            drafts.append((EXERCISE, exercise_cells.blank(cell.source), tags))
            drafts.append((SOLUTION, exercise_cells.solution(cell.source), (SOLUTION,)))
        elif cell.source.strip():
            drafts.append((CODE, cell.source, tags))
    ids = _cell_ids([(kind, source) for kind, source, _ in drafts])
    cells = tuple(Cell(id, kind, source, tags) for id, (kind, source, tags) in zip(ids, drafts, strict=True))
    return Lesson(name, cells, tuple(exercises))


def _cell_ids(drafts: list[tuple[str, str]]) -> list[str]:
    """One id per (kind, source): its digest, and a count where the same cell comes again."""
    seen: Counter[str] = Counter()
    ids = []
    for kind, source in drafts:
        name = f"{kind}-{hashlib.sha256(source.encode()).hexdigest()[:10]}"
        seen[name] += 1
        ids.append(name if seen[name] == 1 else f"{name}-{seen[name]}")
    return ids
