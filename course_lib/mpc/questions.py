"""The questions that a party has in hand: how many, how large, and for how long.

Promises that neither a flood of questions nor clients that vanish fill a party's memory.
"""

import asyncio
import time
from dataclasses import dataclass, field

import numpy as np

from course_lib.i18n import _
from course_lib.mpc.refusal import Refusal

MOST_QUESTIONS = 64
MOST_BYTES = 512 << 20
SECONDS_KEPT = 60  # an answer that nobody fetches, or a question that nobody wants answered


@dataclass(eq=False)
class Question:
    """One party's share of a question, and, when the three have run it, of its answer."""

    question_id: str
    fingerprint: bytes
    share: np.ndarray | None
    answer: asyncio.Future | None = None
    has_its_turn: asyncio.Event = field(default_factory=asyncio.Event)
    since: float = field(default_factory=time.monotonic)


class Questions:
    """All questions in hand, by their ids; each is forgotten when it was answered, or after a minute."""

    def __init__(self):
        self._by_id: dict[str, Question] = {}

    def add(self, question: Question) -> None:
        """Take a question in; Refusal where there are too many, or where its id is taken."""
        self.forget_old()
        if question.question_id in self._by_id:
            raise Refusal(409, _("There is a question with this id already."))
        held = sum(other.share.nbytes for other in self._by_id.values() if other.share is not None)
        if len(self._by_id) >= MOST_QUESTIONS or held + question.share.nbytes > MOST_BYTES:
            raise Refusal(503, _("There are too many questions at once; please try again."))
        self._by_id[question.question_id] = question

    def find(self, question_id: str) -> Question | None:
        """The question with this id, or None."""
        return self._by_id.get(question_id)

    def forget(self, question_id: str) -> None:
        """Forget a question; harmless where there is none."""
        self._by_id.pop(question_id, None)

    def forget_all(self) -> None:
        """Forget all questions."""
        self._by_id.clear()

    def forget_old(self) -> None:
        """Forget those that are older than a minute and are not just being run."""
        oldest = time.monotonic() - SECONDS_KEPT
        for question in list(self._by_id.values()):
            running = question.answer is not None and not question.answer.done()
            if question.since < oldest and not running:
                self.forget(question.question_id)
