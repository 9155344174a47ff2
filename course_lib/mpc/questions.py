"""The questions that a party has in hand: how many, how large, and for how long.

Promises that neither a flood of questions nor clients that vanish fill a party's memory.
"""

import asyncio
import contextlib
import time
from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np

from course_lib.i18n import _
from course_lib.mpc.costs import Cost
from course_lib.mpc.refusal import Refusal

MOST_QUESTIONS = 64
MOST_BYTES = 512 << 20
SECONDS_KEPT = 60  # an answer that nobody fetches, or a question that nobody wants answered


@dataclass(eq=False)
class Question:
    """One party's share of a question, until the three run it, and then of its answer, with the cost."""

    question_id: str
    fingerprint: bytes
    share: np.ndarray | None
    answer: asyncio.Future = field(default_factory=lambda: asyncio.get_running_loop().create_future())
    since: float = field(default_factory=time.monotonic)

    def take_share(self) -> np.ndarray | None:
        """The share, which is forgotten here; None the second time."""
        share, self.share = self.share, None
        return share

    def settle(self, result: tuple[np.ndarray, Cost] | Refusal) -> None:
        """Have `result` for the client, unless there is one already."""
        if self.answer.done():
            return
        if isinstance(result, Refusal):
            self.answer.set_exception(result)
            self.answer.exception()  # it is no mistake of ours if nobody asks
        else:
            self.answer.set_result(result)


class Questions:
    """All questions in hand, by their ids; each is forgotten when it was answered, or after a minute."""

    def __init__(self):
        self._by_id: dict[str, Question] = {}
        self._coming: list[int] = []  # bytes of those that are on their way

    @contextlib.contextmanager
    def room_for(self, size: int) -> Iterator[None]:
        """Keep room for a question of `size` bytes while it comes; Refusal where there is none."""
        self._require_room(size)
        self._coming.append(size)
        try:
            yield
        finally:
            self._coming.remove(size)

    def add(self, question: Question) -> None:
        """Take a question in; Refusal where there are too many, or where its id is taken."""
        self.forget_old()
        if question.question_id in self._by_id:
            raise Refusal(409, _("There is a question with this id already."))
        self._require_room(question.share.nbytes)
        self._by_id[question.question_id] = question

    def _require_room(self, size: int) -> None:
        held = [other.share.nbytes for other in self._by_id.values() if other.share is not None]
        count = len(self._by_id) + len(self._coming)
        if count >= MOST_QUESTIONS or sum(held) + sum(self._coming) + size > MOST_BYTES:
            raise Refusal(503, _("There are too many questions at once; please try again."))

    def find(self, question_id: str) -> Question | None:
        """The question with this id, or None."""
        return self._by_id.get(question_id)

    def forget(self, question_id: str) -> None:
        """Forget a question; harmless where there is none."""
        self._by_id.pop(question_id, None)

    def refuse_all(self, refusal: Refusal) -> None:
        """Tell all who wait for an answer that there will be none, and forget all questions."""
        for question in self._by_id.values():
            question.settle(refusal)
        self._by_id.clear()

    def forget_old(self) -> None:
        """Forget those that are older than a minute and are not just being run."""
        oldest = time.monotonic() - SECONDS_KEPT
        for question in list(self._by_id.values()):
            running = question.share is None and not question.answer.done()
            if question.since < oldest and not running:
                self.forget(question.question_id)
