"""Which exercises there are, and how an answer is looked at.

Promises: `examine` always returns an `Outcome`. A blank answer, one that raises, and one of a kind that
the check cannot handle are all "not yet", each with a hint of its own. Leaves out: answers that never
come back, which the learner interrupts as any other cell.
"""

import functools
from collections.abc import Callable
from dataclasses import dataclass
from types import ModuleType

from course_lib.exercises.outcome import Outcome
from course_lib.i18n import _

Check = Callable[[object], str | None]

_LONGEST_ERROR = 300  # characters of an error's text that help


@dataclass(frozen=True)
class Exercise:
    """An exercise: its name "topic.exercise", its title and its first hint in English, its check."""

    name: str
    title: str
    hint: str
    check: Check

    @property
    def topic(self) -> str:
        """The module the exercise stands in, named like its lesson."""
        return self.name.split(".")[0]


class _BlankError(Exception):
    """The answer is not written yet: it gave back nothing."""


class _AnswerError(Exception):
    """The answer raised the exception that is this one's cause."""


def exercise(name: str, *, title: str, hint: str = "") -> Callable[[Check], Exercise]:
    """Turn the decorated check into the exercise `name`, which reads "topic.exercise".

    `title` and `hint` are English literals marked by ``N_(…)``; the hint is for a blank answer. Raises
    ValueError when the topic is not the module that the check stands in.
    """

    def register(check: Check) -> Exercise:
        topic = check.__module__.rpartition(".")[2]
        if name.rpartition(".")[0] != topic:
            raise ValueError(f"expected a name of the form '{topic}.exercise', not {name!r}")
        return Exercise(name, title, hint, check)

    return register


def exercises_in(module: ModuleType) -> dict[str, Exercise]:
    """Return the exercises that stand in `module`, by name, in the order in which they stand there."""
    return {found.name: found for found in vars(module).values() if isinstance(found, Exercise)}


def examine(task: Exercise, answer: object) -> Outcome:
    """Return what the check of `task` says of `answer`."""
    try:
        hint = task.check(_watched(answer))
    except _BlankError:
        hint = _("Put your own code in the place of the dots, then run the cell again.")
        if task.hint:
            hint = _("{first_sentence} {next_sentence}").format(
                first_sentence=hint, next_sentence=_(task.hint)
            )
    except _AnswerError as error:
        hint = _of_raised(error.__cause__)
    except Exception as error:  # an answer of an unforeseen kind is a wrong answer, and is told as such
        hint = _("Your answer could not be compared ({error}). Is it of the right type and shape?").format(
            error=_in_words(error)
        )
    return Outcome(task.name, task.title, hint)


def _watched(answer: object) -> object:
    """Return `answer` so that what goes wrong inside it can be told from what goes wrong in the check."""
    if answer is None or answer is ...:
        raise _BlankError
    if not callable(answer) or isinstance(answer, type):
        return answer

    @functools.wraps(answer)
    def call(*arguments, **named):
        try:
            result = answer(*arguments, **named)
        except Exception as error:
            raise _AnswerError from error
        if result is None or result is ...:
            raise _BlankError
        return result

    return call


def _of_raised(error: BaseException) -> str:
    """Return the hint for `error`, with the line of the learner's own cell in which it came up."""
    inside = error.__traceback__.tb_next  # the first frame is `call` above
    if inside is None:  # it could not be called at all
        return _("Calling your code raised {error}.").format(error=_in_words(error))
    return _("Your code raised {error} in line {line}.").format(error=_in_words(error), line=inside.tb_lineno)


def _in_words(error: BaseException) -> str:
    """Return what `error` says as one line of code in Markdown."""
    text = " ".join(f"{type(error).__name__}: {error}".split()).removesuffix(":").replace("`", "'")
    return f"`{text if len(text) <= _LONGEST_ERROR else text[:_LONGEST_ERROR] + '…'}`"
