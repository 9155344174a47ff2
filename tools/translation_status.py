"""`make translation-status`: what is missing, fuzzy or obsolete, per language and lesson.

`--readme` also rewrites the README's table of lessons, between its two markers. Nothing is translated and no
catalogue is changed here: the counts compare what the lessons say today with what the catalogues hold.
"""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Iterable

from course_lib.i18n import LANGUAGES
from tools.catalogues import Gaps, course_messages, gaps, read_catalogue, translator
from tools.layout import HERE, Course
from tools.lessons import Lesson, read_lesson

BEGIN, END = "<!-- lessons:begin -->", "<!-- lessons:end -->"


def status(course: Course, lessons: Iterable[Lesson]) -> dict[tuple[str, str], Gaps]:
    """What each catalogue lacks, by (language, catalogue's name)."""
    messages = course_messages(course, lessons)
    return {
        (language, name): gaps(read_catalogue(course, name, language), wanted)
        for language in course.translated_languages
        for name, wanted in messages.items()
    }


def status_lines(found: dict[tuple[str, str], Gaps]) -> list[str]:
    """One line of text per catalogue.

    >>> status_lines({("de", "05_encrypted_inference"): Gaps(missing=("a",))})
    ['de     05_encrypted_inference       1 missing    0 fuzzy    0 obsolete']
    """
    return [
        f"{language:<6} {name:<26} {len(lacks.missing):>3} missing  {len(lacks.fuzzy):>3} fuzzy"
        f"  {len(lacks.obsolete):>3} obsolete"
        for (language, name), lacks in found.items()
    ]


def lesson_table(course: Course, lessons: Iterable[Lesson]) -> str:
    """The README's table: a row per lesson, a column per language, titles that link to notebooks."""
    names = [LANGUAGES[language] for language in course.languages]
    rows = ["| | " + " | ".join(names) + " |", "|---" * (len(names) + 1) + "|"]
    for lesson in lessons:
        links = []
        for language in course.languages:
            title = translator(course, lesson.name, language)(lesson.title).replace("|", "\\|")
            links.append(f"[{title}]({course.relative(course.notebook(lesson.name, language))})")
        rows.append(f"| {lesson.name[:2]} | " + " | ".join(links) + " |")
    return "\n".join(rows)


def with_table(readme: str, table: str) -> str:
    """The README with `table` between its markers; ValueError if they are not there.

    >>> with_table(f"{BEGIN}\\n{END}\\n", "| a |")
    '<!-- lessons:begin -->\\n| a |\\n<!-- lessons:end -->\\n'
    """
    if readme.count(BEGIN) != 1 or readme.count(END) != 1:
        raise ValueError(f"Expected the README to hold {BEGIN} and {END} once each, on lines of their own.")
    pattern = re.escape(BEGIN) + r"\n.*" + re.escape(END)
    return re.sub(pattern, lambda _match: f"{BEGIN}\n{table}\n{END}", readme, flags=re.DOTALL)


def main() -> int:
    """The command line."""
    parser = argparse.ArgumentParser(
        prog="python -m tools.translation_status", description=__doc__.split("\n")[0]
    )
    parser.add_argument("--readme", action="store_true", help="also rewrite the README's table of lessons")
    arguments = parser.parse_args()
    lessons = [read_lesson(path) for path in HERE.lesson_files()]
    print("\n".join(status_lines(status(HERE, lessons))))
    if arguments.readme:
        path = HERE.root / "README.md"
        text = with_table(path.read_text(encoding="utf-8"), lesson_table(HERE, lessons))
        path.write_text(text, encoding="utf-8", newline="\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
