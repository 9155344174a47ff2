"""What can be wrong with committed notebooks, told in sentences that name them.

Each function returns a list of complaints; an empty list is good news. tests/test_notebooks.py calls them for
every committed notebook. Outputs are compared with a fresh run by nbval, not here; here is what nbval does
not look at.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

import nbformat

from tools.code_messages import without_comments
from tools.layout import Course
from tools.lessons import PROSE, Lesson
from tools.notebooks import LARGEST_NOTEBOOK, built_form
from tools.prose_messages import block_structure, inline_parts, prose_messages

# A home names a person; the place for temporary files, where a service's own files lie, names nobody.
OF_A_PERSON = re.compile(r"(?<![\w/.:~-])(/(?:home|root|Users)/[^\s'\"]+|[A-Z]:\\{1,2}Users[^\s'\"]*)")


def same_course_complaints(lesson: Lesson, notebooks: Mapping[str, nbformat.NotebookNode]) -> list[str]:
    """Where the languages' cells differ from the lesson's in more than words and comments.

    `notebooks` maps a language to its notebook. Ids and kinds of cells, code without its comments, and the
    blocks of prose must be the lesson's.
    """
    complaints = []
    for language, notebook in notebooks.items():
        name = f"{lesson.name} in {language}"
        ids = [cell.id for cell in notebook.cells]
        if ids != [cell.id for cell in lesson.cells]:
            complaints.append(
                f"{name}: its cell ids are {ids}, the lesson's {[cell.id for cell in lesson.cells]}."
            )
            continue
        for ours, theirs in zip(lesson.cells, notebook.cells, strict=True):
            if (theirs.cell_type == "markdown") != (ours.kind == PROSE):
                complaints.append(f"{name}, cell {ours.id}: is a {theirs.cell_type} cell.")
            elif ours.kind == PROSE and block_structure(theirs.source) != block_structure(ours.source):
                complaints.append(
                    f"{name}, cell {ours.id}: headings, lists or tables differ from the lesson's."
                )
            elif ours.kind != PROSE and without_comments(theirs.source) != without_comments(ours.source):
                complaints.append(
                    f"{name}, cell {ours.id}: the code differs from the lesson's:\n{theirs.source}"
                )
    return complaints


def fresh_build_complaints(
    name: str, committed: nbformat.NotebookNode, fresh: nbformat.NotebookNode
) -> list[str]:
    """Whether sources, ids and metadata are those of a fresh build."""
    ours, theirs = built_form(fresh), built_form(committed)
    if ours == theirs:
        return []
    if len(ours) != len(theirs):
        different = f"it has {len(theirs) - 1} cells instead of {len(ours) - 1}"
    elif changed := [pair for pair in zip(ours[1:], theirs[1:], strict=True) if pair[0] != pair[1]]:
        different = f"it has {changed[0][1]} instead of {changed[0][0]}"
    else:
        parts = [key for key in ours[0] if ours[0][key] != theirs[0].get(key)] or sorted(theirs[0])
        different = f"its metadata differ in {parts}; outputs_from changes when the library or a message does"
    return [f"{name} is not what `make notebooks` builds today: {different}."]


def output_complaints(name: str, notebook: nbformat.NotebookNode, size: int) -> list[str]:
    """Cells that never ran or failed, figures without words, paths of somebody's home, too many bytes."""
    complaints = []
    if size >= LARGEST_NOTEBOOK:
        complaints.append(f"{name} has {size:,} bytes; fewer than {LARGEST_NOTEBOOK:,} are allowed.")
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    counts = [cell.execution_count for cell in code]
    if counts != list(range(1, len(code) + 1)):
        complaints.append(f"{name} was not run once from top to bottom: its cells count {counts}.")
    for cell in code:
        for output in cell.outputs:
            where = f"{name}, cell {cell.id}"
            if output.output_type == "error" and "raises-exception" not in cell.metadata.get("tags", []):
                complaints.append(f"{where}: holds an error, {output.ename}.")
            if "image/png" in output.get("data", {}) and not output.metadata.get("image/png", {}).get("alt"):
                complaints.append(
                    f"{where}: a figure without alternative text; `show(figure, alt=...)` gives it."
                )
            for path in OF_A_PERSON.findall(_text(output)):
                complaints.append(f"{where}: names a path in the home it ran in, {path}.")
    return complaints


def link_complaints(course: Course, path: Path, notebook: nbformat.NotebookNode) -> list[str]:
    """Links and pictures to files that are not there; addresses on the web are not looked up."""
    complaints = []
    for cell in notebook.cells:
        if cell.cell_type != "markdown":
            continue
        for message in prose_messages(cell.source):
            parts = inline_parts(message)
            for target in (*parts["link"], *parts["picture"]):
                file = target.partition("#")[0]
                if re.match(r"[a-z]+:", target) or not file:
                    continue
                if not (path.parent / file).exists():
                    complaints.append(f"{course.relative(path)}, cell {cell.id}: nothing lies at {target}.")
    return complaints


def set_complaints(course: Course, lessons: list[Lesson]) -> list[str]:
    """Notebooks that are missing, and notebooks of no lesson or language."""
    expected = {course.notebook(lesson.name, language) for lesson in lessons for language in course.languages}
    present = set((course.root / "notebooks").rglob("*.ipynb"))
    present = {path for path in present if ".ipynb_checkpoints" not in path.parts}
    return [f"{course.relative(path)} is missing." for path in sorted(expected - present)] + [
        f"{course.relative(path)} belongs to no lesson." for path in sorted(present - expected)
    ]


def _text(output: nbformat.NotebookNode) -> str:
    """Everything in an output that people read."""
    data = output.get("data", {})
    parts = [output.get("text", ""), *(value for kind, value in data.items() if kind.startswith("text/"))]
    return "\n".join(parts)
