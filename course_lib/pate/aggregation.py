"""Asking the teachers: noisy answers, each paid for in the ledger before the votes are used for it.

Promises that an answer which was given out stands in the ledger, whatever happens after it; that bad input
and a question that could exceed the budget cost nothing; and that whether a question is refused says nothing
about its votes, because room is asked for the most that it could cost. The mechanisms themselves, without a
ledger, stand in `course_lib.pate.mechanisms`. Leaves out keeping the votes from whoever runs this: who holds
an `Aggregator` is trusted, who gets its answers is not.
"""

import numpy as np
from numpy.typing import ArrayLike

from course_lib.i18n import _
from course_lib.pate.accounting.events import Event, epsilon_of
from course_lib.pate.ledger import BudgetExceeded, Ledger
from course_lib.pate.mechanisms import (
    NO_ANSWER,
    ConfidentGNMax,
    GNMax,
    InteractiveGNMax,
    LNMax,
    Mechanism,
)
from course_lib.pate.noise import Noise

__all__ = [
    "NO_ANSWER",
    "Aggregator",
    "BudgetExceeded",
    "ConfidentGNMax",
    "GNMax",
    "InteractiveGNMax",
    "LNMax",
    "Mechanism",
]


class Aggregator:
    """Answers questions by `mechanism`, with that noise, and charges them to that ledger.

    >>> import tempfile
    >>> from course_lib.pate.noise import SeededNoise
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     ledger = Ledger.create(f"{folder}/ledger.jsonl", budget=0.5, delta=1e-5)
    ...     teachers = Aggregator(GNMax(sigma=40), noise=SeededNoise(1), ledger=ledger)
    ...     teachers.ask([230, 20]), len(teachers.ask_while_budget_lasts([[230, 20]] * 100))
    ...     print(ledger)
    (0, 15)
    ε = 0.497 of 0.500 spent at δ = 1e-05: 0 looks, 16 answers
    The noise was not secret (it came from a seed): this protects nobody.
    """

    def __init__(self, mechanism: Mechanism, *, noise: Noise, ledger: Ledger):
        self.mechanism = mechanism
        self.noise = noise
        self.ledger = ledger

    def ask(self, votes: ArrayLike, student: ArrayLike | None = None) -> int | None:
        """Answer one question, or None where the mechanism stays silent.

        `votes` (classes,); `student` (classes,) are the predicted probabilities that Interactive-GNMax asks
        for. Raises ValueError for bad input, BudgetExceeded where it could cost too much, and what the
        ledger raises.
        """
        if np.ndim(votes) != 1:
            message = _("One question's votes are numbers of shape (classes,), but shape {shape} came.")
            raise ValueError(message.format(shape=np.shape(votes)))
        answer = int(self.ask_all([votes], None if student is None else [student])[0])
        return None if answer == NO_ANSWER else answer

    def ask_all(self, votes: ArrayLike, student: ArrayLike | None = None) -> np.ndarray:
        """Answer many questions, as `ask` would one after another, but with few waits for the disk.

        `votes` and `student` (queries, classes). Returns int64 (queries,), with `NO_ANSWER` for None. Raises
        what `ask` raises; `BudgetExceeded.answers` holds the answers to the first questions, which were paid
        for.
        """
        with self.ledger.locked():
            answers = self.ask_while_budget_lasts(votes, student)
            if len(answers) < len(votes):
                refused = self.ledger.exceeded(self._epsilon_of_one_more())
                refused.answers = answers
                raise refused
        return answers

    def ask_while_budget_lasts(self, votes: ArrayLike, student: ArrayLike | None = None) -> np.ndarray:
        """Answer as many of the first questions as the budget is sure to allow: int64, maybe fewer."""
        votes, student = self.mechanism.checked(votes, student)
        answers = np.empty(0, dtype=np.int64)
        with self.ledger.locked():  # so that no other process takes the room between a look and its answer
            while room := self.ledger.room(self._most_events(), most=len(votes) - len(answers)):
                some = slice(len(answers), len(answers) + room)
                of_student = None if student is None else student[some]
                given = self.mechanism.charged_answers(
                    votes[some], of_student, noise=self.noise, charge=self._charge
                )
                answers = np.concatenate([answers, given])
        return answers

    def _most_events(self) -> list[Event]:
        """What one question costs if it is answered."""
        events = [self.mechanism.look_event, self.mechanism.answer_event]
        return [event for event in events if event is not None]

    def _epsilon_of_one_more(self) -> float:
        events = [entry.event for entry in self.ledger.entries] + self._most_events()
        return epsilon_of(events, delta=self.ledger.delta)

    def _charge(self, event: Event, times: int) -> None:
        self.ledger.charge(
            [event] * times,
            mechanism=type(self.mechanism).__name__,
            drawn_by=type(self.noise).__name__,
            protects_anyone=self.noise.protects_anyone,
        )
