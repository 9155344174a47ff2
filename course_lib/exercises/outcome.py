"""What a learner sees: the outcome of one check, and the table of all exercises.

Both are worded when they are shown, in the reader's language then, as plain text and as Markdown.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from course_lib.i18n import _


class Titled(Protocol):
    """What the table needs to know of an exercise."""

    name: str
    title: str
    topic: str


@dataclass(frozen=True, repr=False)
class Outcome:
    """What a check says of one answer; true in a condition when the answer is right.

    >>> Outcome("welcome.count_digits", "Count the digits", None).right
    True
    """

    name: str
    title: str
    hint: str | None

    @property
    def right(self) -> bool:
        """Whether the answer is right."""
        return self.hint is None

    def __bool__(self) -> bool:
        return self.right

    def __repr__(self) -> str:
        if self.right:
            return _("✓ Correct: {title}").format(title=_(self.title))
        return _("✗ Not yet: {title}. Hint: {hint}").format(title=_(self.title), hint=self.hint)

    def _repr_markdown_(self) -> str:
        if self.right:
            return _("✓ **Correct**: {title}").format(title=_(self.title))
        return _("✗ **Not yet**: {title}. *Hint*: {hint}").format(title=_(self.title), hint=self.hint)


@dataclass(frozen=True, repr=False)
class Progress:
    """Which of `exercises` are done.

    `done` holds, by name, the day on which each was solved first; `lessons` the title of each topic's lesson.
    """

    exercises: tuple[Titled, ...]
    done: Mapping[str, str]
    lessons: Mapping[str, str]

    def __repr__(self) -> str:
        lines = [f"{mark} {lesson}: {title} {day}".rstrip() for mark, lesson, title, day in self._rows()]
        return "\n".join([self._summary(), *lines])

    def _repr_markdown_(self) -> str:
        header = (_("Done"), _("Lesson"), _("Exercise"), _("Day"))
        rows = [header, ("---",) * 4, *self._rows()]
        return "\n".join([self._summary(), "", *("| " + " | ".join(row) + " |" for row in rows)])

    def _summary(self) -> str:
        solved = sum(task.name in self.done for task in self.exercises)
        return _("Exercises done: {done} of {all}").format(done=solved, all=len(self.exercises))

    def _rows(self) -> list[tuple[str, str, str, str]]:
        return [
            (
                "✓" if task.name in self.done else "·",
                _(self.lessons[task.topic]),
                _(task.title),
                self.done.get(task.name, ""),
            )
            for task in self.exercises
        ]
