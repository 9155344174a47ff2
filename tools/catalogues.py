"""Messages into catalogues, and translations out of them.

`translations/<language>/NN_topic.po` holds what a lesson says; `course_lib.po` what the library says, and
the two comments that the build itself writes. A changed message keeps its old translation, marked fuzzy; a
vanished one is kept as obsolete; a translator's comments and header stay. Writing the same messages twice
changes nothing: the order is the text's own, and no time of writing is stored.
Contexts and plural forms are left out: a message means the same wherever it stands.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path

import polib

from tools.code_messages import comment_messages, string_messages
from tools.exercise_cells import BUILD_COMMENTS
from tools.layout import SOURCE_LANGUAGE, Course
from tools.lessons import PROSE, Lesson
from tools.prose_messages import prose_messages

PROSE_KIND, COMMENT_KIND, STRING_KIND = "prose", "comment", "code"
SIMILAR_ENOUGH = 0.6
LIBRARY = "course_lib"


@dataclass
class Message:
    """An English message, what it is ("prose", "comment", "code") and in which files it stands."""

    text: str
    kinds: set[str] = field(default_factory=set)
    files: dict[str, None] = field(default_factory=dict)


@dataclass(frozen=True)
class Gaps:
    """What keeps a catalogue from being complete, as English messages."""

    missing: tuple[str, ...] = ()
    fuzzy: tuple[str, ...] = ()
    obsolete: tuple[str, ...] = ()


def lesson_messages(course: Course, lesson: Lesson) -> list[Message]:
    """Everything that is translated in a lesson, each message once, in reading order."""
    found: list[tuple[str, str]] = []
    for cell in lesson.cells:
        if cell.kind == PROSE:
            found += [(text, PROSE_KIND) for text in prose_messages(cell.source)]
        else:
            comments = [text for text in comment_messages(cell.source) if text not in BUILD_COMMENTS]
            found += [(text, COMMENT_KIND) for text in comments]
            found += [(text, STRING_KIND) for text in string_messages(cell.source)]
    return _collected((text, kind, f"lessons/{lesson.name}.py") for text, kind in found)


def library_messages(course: Course) -> list[Message]:
    """Every `_("...")` of `course_lib`, then the comments that the build writes."""
    found = [
        (text, STRING_KIND, course.relative(path))
        for path in course.library_files()
        for text in string_messages(path.read_text(encoding="utf-8"))
    ]
    found += [(text, COMMENT_KIND, "tools/exercise_cells.py") for text in BUILD_COMMENTS]
    return _collected(found)


def course_messages(course: Course, lessons: Iterable[Lesson]) -> dict[str, list[Message]]:
    """The messages of every catalogue, by its name: "course_lib" and each lesson's name."""
    return {LIBRARY: library_messages(course)} | {
        lesson.name: lesson_messages(course, lesson) for lesson in lessons
    }


def merged(old: polib.POFile, messages: list[Message]) -> polib.POFile:
    """A catalogue of exactly `messages`, with what `old` knows of them.

    A message that is new takes the translation of the most similar one that vanished, as fuzzy.
    """
    known = {entry.msgid: entry for entry in old}
    wanted = {message.text for message in messages}
    vanished = {text: entry for text, entry in known.items() if text not in wanted and entry.msgstr}
    new = polib.POFile()
    new.header, new.metadata = old.header, dict(old.metadata)
    for message in messages:
        entry = polib.POEntry(
            msgid=message.text,
            comment=", ".join(sorted(message.kinds)),
            occurrences=[(file, "") for file in message.files],
        )
        if STRING_KIND in message.kinds and "{" in message.text:
            entry.flags.append("python-brace-format")
        if previous := known.get(message.text):
            entry.msgstr, entry.tcomment = previous.msgstr, previous.tcomment
            if previous.fuzzy:
                _mark_fuzzy(entry, previous.previous_msgid)
        elif similar := difflib.get_close_matches(message.text, vanished, n=1, cutoff=SIMILAR_ENOUGH):
            previous = vanished.pop(similar[0])
            entry.msgstr, entry.tcomment = previous.msgstr, previous.tcomment
            _mark_fuzzy(entry, previous.msgid)
        new.append(entry)
    for text in sorted(vanished):
        previous = vanished[text]
        new.append(
            polib.POEntry(msgid=text, msgstr=previous.msgstr, tcomment=previous.tcomment, obsolete=True)
        )
    return new


def update_catalogues(course: Course, messages: dict[str, list[Message]]) -> list[Path]:
    """Brings every language's catalogues up to date on disk; returns the files that changed."""
    changed = []
    for language in course.translated_languages:
        for name, wanted in messages.items():
            path = course.catalogue(name, language)
            text = str(merged(read_catalogue(course, name, language), wanted))
            if not path.exists() or path.read_text(encoding="utf-8") != text:
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_text(text, encoding="utf-8", newline="\n")
                changed.append(path)
    return changed


def read_catalogue(course: Course, name: str, language: str) -> polib.POFile:
    """The catalogue as it is on disk, or an empty one with its header."""
    path = course.catalogue(name, language)
    if path.exists():
        return polib.pofile(str(path), encoding="utf-8")
    catalogue = polib.POFile()
    catalogue.metadata = {
        "Project-Id-Version": "course",
        "PO-Revision-Date": "2026-11-21 00:00+0000",
        "Last-Translator": "the course's authors",
        "Language-Team": language,
        "Language": language.replace("-", "_"),
        "MIME-Version": "1.0",
        "Content-Type": "text/plain; charset=UTF-8",
        "Content-Transfer-Encoding": "8bit",
    }
    return catalogue


def gaps(catalogue: polib.POFile, messages: list[Message]) -> Gaps:
    """What `catalogue` lacks of `messages`, and what it holds beyond them."""
    entries = {entry.msgid: entry for entry in catalogue if not entry.obsolete}
    wanted = [message.text for message in messages]
    return Gaps(
        missing=tuple(text for text in wanted if text not in entries or not entries[text].msgstr),
        fuzzy=tuple(text for text in wanted if text in entries and entries[text].fuzzy),
        obsolete=tuple(
            entry.msgid for entry in catalogue if entry.obsolete or entry.msgid not in set(wanted)
        ),
    )


def translator(course: Course, lesson: str, language: str) -> Callable[[str], str]:
    """A function from an English message to its translation; English where there is none yet."""
    if language == SOURCE_LANGUAGE:
        return lambda text: text
    library = read_catalogue(course, LIBRARY, language)
    known = {
        entry.msgid: entry.msgstr for entry in library if entry.msgid in BUILD_COMMENTS and _is_usable(entry)
    }
    known |= {
        entry.msgid: entry.msgstr for entry in read_catalogue(course, lesson, language) if _is_usable(entry)
    }
    return lambda text: known.get(text, text)


def _is_usable(entry: polib.POEntry) -> bool:
    return bool(entry.msgstr) and not entry.fuzzy and not entry.obsolete


def _mark_fuzzy(entry: polib.POEntry, previous_text: str | None) -> None:
    entry.flags.append("fuzzy")
    entry.previous_msgid = previous_text


def _collected(found: Iterable[tuple[str, str, str]]) -> list[Message]:
    messages: dict[str, Message] = {}
    for text, kind, file in found:
        message = messages.setdefault(text, Message(text))
        message.kinds.add(kind)
        message.files[file] = None
    return list(messages.values())
