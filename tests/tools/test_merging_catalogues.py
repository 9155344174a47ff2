"""Messages reach the catalogues, translators' work stays, and a second run changes nothing."""

import gettext
import io
import subprocess

import polib
import pytest

from system_parts import require
from tools.catalogues import (
    Gaps,
    Message,
    course_messages,
    gaps,
    lesson_messages,
    merged,
    read_catalogue,
    translator,
    update_catalogues,
)
from tools.runtime_catalogues import ConflictingTranslations, compile_catalogues, compiled


def entries(catalogue):
    return {entry.msgid: entry for entry in catalogue}


def test_a_lesson_gives_its_messages_once_with_kind_and_file(course, lesson):
    messages = lesson_messages(course, lesson)
    assert [(message.text, sorted(message.kinds)) for message in messages] == [
        ("A small lesson", ["prose"]),
        ("The number {x} is `scaled` by $2^{10}$, see [the map](00_welcome.ipynb).", ["prose"]),
        ("one item", ["prose"]),
        ("two items", ["prose"]),
        ("Why we do it", ["comment"]),
        ("what it shows", ["comment"]),
        ("The sum is {total}.", ["code"]),
        ("Undo the scaling", ["comment"]),
    ]
    assert list(messages[0].files) == ["lessons/01_small.py"]


def test_new_messages_come_empty_and_a_second_run_changes_nothing(course, lesson):
    messages = course_messages(course, [lesson])
    assert len(update_catalogues(course, messages)) == 2
    assert update_catalogues(course, messages) == []
    catalogue = read_catalogue(course, "01_small", "de")
    assert all(entry.msgstr == "" and not entry.fuzzy for entry in catalogue)
    library = entries(read_catalogue(course, "course_lib", "de"))
    assert list(library) == ["The file {path} is missing.", "Your code here", "Solution"]
    assert "python-brace-format" in library["The file {path} is missing."].flags


def test_a_changed_message_is_fuzzy_and_remembers_its_old_text(course):
    old = merged(polib.POFile(), [Message("The number is scaled.", {"prose"})])
    old[0].msgstr, old[0].tcomment = "Die Zahl wird skaliert.", "checked by Ada"
    new = merged(old, [Message("The number is scaled once.", {"prose"})])
    assert [(e.msgid, e.msgstr, e.fuzzy, e.previous_msgid, e.tcomment) for e in new] == [
        (
            "The number is scaled once.",
            "Die Zahl wird skaliert.",
            True,
            "The number is scaled.",
            "checked by Ada",
        )
    ]
    again = merged(new, [Message("The number is scaled once.", {"prose"})])
    assert str(again) == str(new)


def test_a_vanished_message_is_obsolete_and_can_come_back(course):
    old = merged(polib.POFile(), [Message("Here today"), Message("Untranslated")])
    old[0].msgstr = "Heute hier"
    new = merged(old, [Message("Something else entirely")])
    assert [(e.msgid, e.msgstr, bool(e.obsolete)) for e in new] == [
        ("Something else entirely", "", False),
        ("Here today", "Heute hier", True),
    ]
    back = merged(new, [Message("Here today")])
    assert [(e.msgid, e.msgstr, bool(e.obsolete), e.fuzzy) for e in back] == [
        ("Here today", "Heute hier", False, False)
    ]


def test_header_of_the_translator_stays(course, lesson):
    messages = course_messages(course, [lesson])
    update_catalogues(course, messages)
    path = course.catalogue("01_small", "de")
    path.write_text(path.read_text().replace("the course's authors", "Ada"))
    update_catalogues(course, messages)
    assert "Last-Translator: Ada" in path.read_text()


def test_gaps_name_what_is_missing_fuzzy_and_obsolete():
    catalogue = polib.POFile()
    catalogue.append(polib.POEntry(msgid="done", msgstr="fertig"))
    catalogue.append(polib.POEntry(msgid="empty"))
    catalogue.append(polib.POEntry(msgid="unsure", msgstr="?", flags=["fuzzy"]))
    catalogue.append(polib.POEntry(msgid="gone", msgstr="weg"))
    catalogue.append(polib.POEntry(msgid="old", msgstr="alt", obsolete=True))
    wanted = [Message(text) for text in ("done", "empty", "unsure", "new")]
    assert gaps(catalogue, wanted) == Gaps(("empty", "new"), ("unsure",), ("gone", "old"))


def test_fuzzy_and_missing_translations_fall_back_to_english(translated):
    path = translated.catalogue("01_small", "de")
    catalogue = polib.pofile(str(path))
    entries(catalogue)["one item"].msgstr = ""
    entries(catalogue)["two items"].flags.append("fuzzy")
    catalogue.save()
    translate = translator(translated, "01_small", "de")
    assert [translate(text) for text in ("one item", "two items", "Why we do it", "Solution")] == [
        "one item",
        "two items",
        "WWhy we do it",
        "SSolution",
    ]


def test_the_runtime_catalogue_holds_strings_and_neither_prose_nor_comments(translated):
    assert len(compile_catalogues(translated)) == 1
    assert compile_catalogues(translated) == []
    with translated.runtime_catalogue("de").open("rb") as file:
        look_up = gettext.GNUTranslations(file).gettext
    assert look_up("The sum is {total}.") == "TThe sum is {total}."
    assert look_up("The file {path} is missing.") == "TThe file {path} is missing."
    assert look_up("one item") == "one item"


def test_fuzzy_strings_are_not_compiled(translated):
    path = translated.catalogue("01_small", "de")
    catalogue = polib.pofile(str(path))
    entries(catalogue)["The sum is {total}."].flags.append("fuzzy")
    catalogue.save()
    content = compiled(translated, "de")
    assert (
        gettext.GNUTranslations(io.BytesIO(content)).gettext("The sum is {total}.") == "The sum is {total}."
    )


def test_two_translations_of_one_string_are_an_error_that_names_both(translated):
    path = translated.root / "course_lib" / "more.py"
    path.write_text('_("The sum is {total}.")\n')
    catalogue = polib.pofile(str(translated.catalogue("course_lib", "de")))
    catalogue.append(polib.POEntry(msgid="The sum is {total}.", msgstr="Anders {total}", comment="code"))
    catalogue.save()
    with pytest.raises(ConflictingTranslations, match=r"(?s)de/course_lib\.po.*de/01_small\.po"):
        compiled(translated, "de")


def test_msgfmt_has_nothing_to_say(translated):
    msgfmt = require("msgfmt")
    for name in ("01_small", "course_lib"):
        command = [msgfmt, "-c", "-o", "/dev/null", str(translated.catalogue(name, "de"))]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        assert done.stderr == ""
