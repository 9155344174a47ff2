"""Holds a claims test to the lesson's own words.

A test says with `stated` which words it checks, beside the check: a number that changes in the lesson alone
fails, as one that changes in the data or the library does. Leaves out translations: their numbers are
compared with the lesson's (tools/check_translations.py).
"""

import re

from tools.layout import HERE


class LessonText:
    """The text of one lesson's source."""

    def __init__(self, lesson: str):
        self.lesson = lesson
        self._text = one_line((HERE.root / "lessons" / f"{lesson}.py").read_text(encoding="utf-8"))

    def stated(self, fragment: str) -> None:
        """AssertionError unless the lesson says `fragment`, wherever its lines break."""
        # Not within a longer number or word: "5 questions" is not what "785 questions" says.
        start, end = (r"\b" if edge.isalnum() else "" for edge in (fragment[0], fragment[-1]))
        said = re.search(rf"{start}{re.escape(one_line(fragment))}{end}", self._text)
        assert said, (
            f"lesson {self.lesson} no longer says {fragment!r}: does this test hold what it says now?"
        )


def one_line(text: str) -> str:
    """`text` without comment marks at the start of its lines, and with single spaces.

    >>> one_line("# ten  rows\\n# of 784")
    'ten rows of 784'
    """
    return " ".join(re.sub(r"^# ?", "", text, flags=re.MULTILINE).split())
