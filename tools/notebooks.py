"""`make notebooks`: lessons and translations become executed notebooks in every language.

Takes the messages out of lessons and library into the catalogues, compiles the runtime catalogues, then
builds each lesson in each language. A notebook whose cells, ids, metadata and fingerprint are what is
committed stays untouched; any other is executed from the start in its own folder, and written only when
every cell has run. Nothing of the machine is stored: no times, no paths, no versions.
"""

from __future__ import annotations

import argparse
import os
import re
import sys
import tempfile
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path

import nbclient
import nbformat
from nbclient.exceptions import CellControlSignal, DeadKernelError

from tools.catalogues import LIBRARY, course_messages, gaps, read_catalogue, translator, update_catalogues
from tools.code_messages import translate_comments
from tools.freshness import fingerprint
from tools.layout import HERE, SOURCE_LANGUAGE, Course
from tools.lessons import PROSE, SOLUTION, Lesson, read_lesson
from tools.prose_messages import translate_prose
from tools.runtime_catalogues import ConflictingTranslations, compile_catalogues, runtime_messages

LARGEST_NOTEBOOK = 1_000_000
CELL_TIMEOUT = 600
KERNEL = {"display_name": "Python 3 (ipykernel)", "language": "python", "name": "python3"}


class NotebookFailure(RuntimeError):
    """A notebook that could not be built; the message says which, where and why."""


@dataclass(frozen=True)
class Job:
    """One notebook to execute."""

    course: Course
    lesson: Lesson
    language: str


def build(course: Course, lesson: Lesson, language: str) -> nbformat.NotebookNode:
    """The notebook of `lesson` in `language`, not executed; English where a translation lacks."""
    translate = translator(course, lesson.name, language)
    cells = []
    for cell in lesson.cells:
        if cell.kind == PROSE:
            new = nbformat.v4.new_markdown_cell(translate_prose(cell.source, translate))
        else:
            new = nbformat.v4.new_code_cell(translate_comments(cell.source, translate))
        new.id = cell.id
        if cell.tags:
            new.metadata["tags"] = list(cell.tags)
        if cell.kind == SOLUTION:
            new.metadata["jupyter"] = {"source_hidden": True}
        cells.append(new)
    messages = {} if language == SOURCE_LANGUAGE else runtime_messages(course, language)
    about = {
        "lesson": lesson.name,
        "language": language,
        "outputs_from": fingerprint(course, lesson, messages),
    }
    metadata = {"kernelspec": KERNEL, "language_info": {"name": "python"}, "course": about}
    return nbformat.v4.new_notebook(cells=cells, metadata=metadata)


def built_form(notebook: nbformat.NotebookNode) -> list:
    """What the build decides of a notebook: everything but outputs and execution counts."""
    cells = [(cell.id, cell.cell_type, cell.source, dict(cell.metadata)) for cell in notebook.cells]
    return [dict(notebook.metadata), *cells]


def is_up_to_date(course: Course, lesson: Lesson, language: str) -> bool:
    """Whether the notebook on disk is what a fresh build would be, and was executed."""
    path = course.notebook(lesson.name, language)
    if not path.exists():
        return False
    notebook = nbformat.read(path, as_version=4)
    ran = all(cell.execution_count for cell in notebook.cells if cell.cell_type == "code")
    return ran and built_form(notebook) == built_form(build(course, lesson, language))


def execute(job: Job) -> Path:
    """Builds, runs and writes one notebook; NotebookFailure leaves the old one as it was."""
    path = job.course.notebook(job.lesson.name, job.language)
    path.parent.mkdir(parents=True, exist_ok=True)
    notebook = build(job.course, job.lesson, job.language)
    metadata = dict(notebook.metadata)
    with tempfile.TemporaryDirectory(prefix="course-home-") as home:
        client = nbclient.NotebookClient(
            notebook,
            timeout=CELL_TIMEOUT,
            kernel_name=KERNEL["name"],
            resources={"metadata": {"path": str(path.parent)}},
            record_timing=False,
            store_widget_state=False,
            coalesce_streams=True,
            extra_arguments=["--log-level=ERROR"],  # its warnings are about the connection, not the cells
        )
        try:
            client.execute(env={**os.environ, "COURSE_HOME": home})
        except (CellControlSignal, DeadKernelError) as error:
            raise NotebookFailure(_failure(job, notebook, error)) from None
    notebook.metadata.clear()
    notebook.metadata.update(metadata)  # the kernel adds the version of Python that it runs
    text = nbformat.writes(notebook) + "\n"
    if len(text.encode()) > LARGEST_NOTEBOOK:
        size = len(text.encode())
        raise NotebookFailure(
            f"{job.lesson.name} in {job.language} weighs {size:,} bytes; {LARGEST_NOTEBOOK:,} is the most."
        )
    write_whole(path, text)
    return path


def write_whole(path: Path, text: str) -> None:
    """Writes a file so that nobody ever sees half of it."""
    with tempfile.NamedTemporaryFile(
        "w", dir=path.parent, encoding="utf-8", newline="\n", delete=False
    ) as part:
        try:
            part.write(text)
            part.close()
            os.chmod(part.name, 0o644)
            os.replace(part.name, path)
        except BaseException:
            os.unlink(part.name)
            raise


def untranslated(course: Course, lessons: list[Lesson]) -> dict[tuple[str, str], list[str]]:
    """What is missing or fuzzy: complaints by (catalogue's name, language)."""
    complaints = {}
    for name, messages in course_messages(course, lessons).items():
        for language in course.translated_languages:
            found = gaps(read_catalogue(course, name, language), messages)
            file = course.relative(course.catalogue(name, language))
            lines = [f"{file}: missing: {text!r}" for text in found.missing]
            lines += [f"{file}: fuzzy: {text!r}" for text in found.fuzzy]
            if lines:
                complaints[name, language] = lines
    return complaints


def run(arguments: argparse.Namespace, course: Course, say: Callable[[str], None] = print) -> int:
    """The whole build; returns the exit status."""
    lessons = [read_lesson(path) for path in course.lesson_files()]
    try:
        updated = update_catalogues(course, course_messages(course, lessons)) + compile_catalogues(course)
    except ConflictingTranslations as conflict:
        print(conflict, file=sys.stderr)
        return 1
    for path in updated:
        say(f"updated  {course.relative(path)}")
    holes = {} if arguments.allow_missing else untranslated(course, lessons)
    complaints = []
    jobs = []
    for lesson in lessons:
        for language in course.languages:
            if arguments.lesson not in (None, lesson.name) or arguments.language not in (None, language):
                continue
            lacking = holes.get((lesson.name, language), []) + holes.get((LIBRARY, language), [])
            if lacking:
                complaints += [line for line in lacking if line not in complaints]
                complaints.append(
                    f"{lesson.name} was not built in {language}: its translation is not complete."
                )
            elif arguments.force or not is_up_to_date(course, lesson, language):
                jobs.append(Job(course, lesson, language))
            else:
                say(f"kept     {course.relative(course.notebook(lesson.name, language))}")
    with ProcessPoolExecutor(max_workers=arguments.jobs) as pool:
        for future in as_completed([pool.submit(execute, job) for job in jobs]):
            try:
                say(f"built    {course.relative(future.result())}")
            except NotebookFailure as failure:
                complaints.append(str(failure))
    for complaint in complaints:
        print(complaint, file=sys.stderr)
    return 1 if complaints else 0


def main() -> int:
    """The command line."""
    lessons = [path.stem for path in HERE.lesson_files()]
    parser = argparse.ArgumentParser(prog="python -m tools.notebooks", description=__doc__.split("\n")[0])
    parser.add_argument("--lesson", choices=lessons, metavar="NN_topic", help="build this lesson only")
    parser.add_argument("--language", choices=HERE.languages, help="build this language only")
    parser.add_argument("--force", action="store_true", help="execute again even what is up to date")
    parser.add_argument(
        "--allow-missing", action="store_true", help="leave English where a translation lacks"
    )
    parser.add_argument("--jobs", type=int, default=2, help="notebooks executed at a time")
    return run(parser.parse_args(), HERE)


def _failure(job: Job, notebook: nbformat.NotebookNode, error: Exception) -> str:
    """Which cell failed, and its traceback without the terminal's colours."""
    cell = next((cell for cell in reversed(notebook.cells) if cell.get("execution_count")), notebook.cells[0])
    trace = [line for output in cell.get("outputs", []) for line in output.get("traceback", [])] or [
        str(error)
    ]
    text = re.sub(r"\x1b\[[0-9;]*m", "", "\n".join(trace))
    return f"{job.lesson.name} in {job.language}: cell {cell.id} failed.\n{cell.source}\n\n{text}"


if __name__ == "__main__":
    sys.exit(main())
