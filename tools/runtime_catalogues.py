"""Compiles what the course says while it runs into `course_lib/locale/<language>/LC_MESSAGES/course.mo`.

It holds the `_("...")` strings of the library and of every lesson, translated and not fuzzy; prose and
comments stand in the notebooks and are left out. The same catalogues always give the same bytes.
"""

from __future__ import annotations

from pathlib import Path

import polib

from tools.catalogues import LIBRARY, STRING_KIND, read_catalogue
from tools.layout import Course


class ConflictingTranslations(ValueError):
    """The same English string was translated in two ways."""


def runtime_messages(course: Course, language: str) -> dict[str, str]:
    """English string to translation, over the whole course.

    Errors: ConflictingTranslations names both catalogues where they disagree.
    """
    names = [LIBRARY, *(path.stem for path in course.lesson_files())]
    found: dict[str, tuple[str, str]] = {}
    for name in names:
        for entry in read_catalogue(course, name, language):
            if entry.obsolete or entry.fuzzy or not entry.msgstr or not is_string(entry):
                continue
            translation, where = found.setdefault(entry.msgid, (entry.msgstr, name))
            if translation != entry.msgstr:
                raise ConflictingTranslations(
                    f"{entry.msgid!r} is translated in two ways: {translation!r} in "
                    f"translations/{language}/{where}.po and {entry.msgstr!r} in "
                    f"translations/{language}/{name}.po. Give it one translation."
                )
    return {text: translation for text, (translation, _) in found.items()}


def compiled(course: Course, language: str) -> bytes:
    """The content of the language's `course.mo`."""
    catalogue = polib.POFile()
    catalogue.metadata = {
        "Content-Type": "text/plain; charset=UTF-8",
        "Language": language.replace("-", "_"),
    }
    for text, translation in sorted(runtime_messages(course, language).items()):
        catalogue.append(polib.POEntry(msgid=text, msgstr=translation))
    return catalogue.to_binary()


def compile_catalogues(course: Course) -> list[Path]:
    """Writes every language's `course.mo`; returns the files that changed."""
    changed = []
    for language in course.translated_languages:
        path, content = course.runtime_catalogue(language), compiled(course, language)
        if not path.exists() or path.read_bytes() != content:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
            changed.append(path)
    return changed


def is_string(entry: polib.POEntry) -> bool:
    """Whether an entry of a catalogue is (also) a string in `_("...")`."""
    return STRING_KIND in entry.comment.split(", ")
