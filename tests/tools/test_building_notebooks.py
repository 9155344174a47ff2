"""Lessons and translations become executed notebooks; what is up to date stays untouched."""

import argparse

import nbformat
import polib
import pytest

from tools.lessons import read_lesson
from tools.notebooks import Job, NotebookFailure, build, built_form, execute, is_up_to_date, run, write_whole

EVERYTHING = {"lesson": None, "language": None, "force": False, "allow_missing": False, "jobs": 2}


def make(course, **changes):
    """One run of the build: its exit status and what it said."""
    said = []
    return run(argparse.Namespace(**(EVERYTHING | changes)), course, said.append), said


def test_prose_and_comments_are_translated_and_code_is_not(translated, lesson):
    english, german = build(translated, lesson, "en"), build(translated, lesson, "de")
    nbformat.validate(german)
    assert [cell.id for cell in german.cells] == [cell.id for cell in english.cells]
    assert german.cells[0].source.startswith("# AA small lesson\n\nTThe number {x} is `scaled` by $2^{10}$,")
    assert english.cells[0].source == lesson.cells[0].source
    assert german.cells[2].source == (
        '# WWhy we do it\nprint(_("The sum is {total}.").format(total=1 + 2))  # wwhat it shows'
    )
    assert "    # YYour code here\n    ..." in german.cells[3].source
    assert german.cells[4].source.startswith("# SSolution\n")
    assert german.cells[4].metadata == {"tags": ["solution"], "jupyter": {"source_hidden": True}}
    assert german.metadata.course.language == "de"


def test_the_build_runs_once_and_then_keeps_its_work(translated, capsys):
    status, said = make(translated)
    assert status == 0, capsys.readouterr().err
    assert sorted(line for line in said if "ipynb" in line) == [
        "built    notebooks/de/01_small.ipynb",
        "built    notebooks/en/01_small.ipynb",
    ]
    path = translated.notebook("01_small", "de")
    notebook = nbformat.read(path, as_version=4)
    assert notebook.cells[2].outputs[0].text == "The sum is 3.\n"
    assert [cell.execution_count for cell in notebook.cells if cell.cell_type == "code"] == [1, 2, 3, 4]
    assert built_form(notebook) == built_form(
        build(translated, read_lesson(translated.lesson_files()[0]), "de")
    )
    before = path.stat().st_mtime_ns
    assert make(translated)[1] == [
        "kept     notebooks/en/01_small.ipynb",
        "kept     notebooks/de/01_small.ipynb",
    ]
    assert path.stat().st_mtime_ns == before
    assert make(translated, language="de", force=True)[1] == ["built    notebooks/de/01_small.ipynb"]
    assert path.stat().st_mtime_ns > before


def test_a_missing_translation_stops_its_language_alone(translated, capsys):
    catalogue = polib.pofile(str(translated.catalogue("01_small", "de")))
    catalogue.find("one item").msgstr = ""
    catalogue.save()
    status, said = make(translated)
    errors = capsys.readouterr().err
    assert status == 1
    assert "translations/de/01_small.po: missing: 'one item'" in errors
    assert "01_small was not built in de" in errors
    assert "built    notebooks/en/01_small.ipynb" in said
    assert not translated.notebook("01_small", "de").exists()
    assert make(translated, allow_missing=True)[0] == 0
    assert "- one item" in translated.notebook("01_small", "de").read_text()


def test_a_failing_cell_is_named_and_nothing_is_written(translated):
    source = translated.lesson_files()[0]
    source.write_text(source.read_text().replace("_ = str", "_ = str\n1 / 0"))
    lesson = read_lesson(source)
    with pytest.raises(NotebookFailure) as failure:
        execute(Job(translated, lesson, "de"))
    message = str(failure.value)
    assert f"01_small in de: cell {lesson.cells[1].id} failed." in message
    assert "ZeroDivisionError" in message
    assert list(translated.notebook("01_small", "de").parent.iterdir()) == []


def test_a_heavy_notebook_is_refused(translated):
    source = translated.lesson_files()[0]
    source.write_text(source.read_text().replace("_ = str", "_ = str\nprint(('x' * 99 + chr(10)) * 10_000)"))
    with pytest.raises(
        NotebookFailure, match=r"01_small in en weighs 1,\d{3},\d{3} bytes; 1,000,000 is the most"
    ):
        execute(Job(translated, read_lesson(source), "en"))


def test_a_half_written_file_never_stays(tmp_path):
    path = tmp_path / "a.txt"
    with pytest.raises(UnicodeEncodeError):
        write_whole(path, "\ud800")
    assert list(tmp_path.iterdir()) == []


def test_a_notebook_is_stale_when_the_library_or_a_shown_string_changes(translated):
    source = translated.lesson_files()[0]
    source.write_text(source.read_text().replace("_ = str", "_ = str\nimport importlib  # course_lib"))
    module = translated.root / "course_lib" / "words.py"
    source.write_text(source.read_text().replace("importlib", "course_lib.words", 1))
    lesson = read_lesson(source)

    def stamp(language="de"):
        return build(translated, lesson, language).metadata.course.outputs_from

    german, english = stamp(), stamp("en")
    module.write_text('"""A docstring."""\n\n# a comment\nprint(  _("The file {path} is missing."))\n')
    assert stamp() == german
    catalogue = polib.pofile(str(translated.catalogue("01_small", "de")))
    catalogue.find("The sum is {total}.").msgstr = "Summe: {total}"
    catalogue.save()
    assert stamp() != german
    assert stamp("en") == english
    module.write_text('print(1, _("The file {path} is missing."))\n')
    assert stamp("en") != english


def test_a_notebook_that_was_edited_or_not_executed_is_not_up_to_date(translated, lesson):
    notebook = build(translated, lesson, "de")
    path = translated.notebook("01_small", "de")
    path.parent.mkdir(parents=True)
    nbformat.write(notebook, path)
    assert not is_up_to_date(translated, lesson, "de")
    for number, cell in enumerate(cell for cell in notebook.cells if cell.cell_type == "code"):
        cell.execution_count = number + 1
    nbformat.write(notebook, path)
    assert is_up_to_date(translated, lesson, "de")
    notebook.cells[0].source += " "
    nbformat.write(notebook, path)
    assert not is_up_to_date(translated, lesson, "de")
