"""The four ways to answer by noisy votes: LNMax, GNMax, Confident-GNMax and Interactive-GNMax.

Each is a few lines on a table of votes, (queries, classes): how many teachers voted for each class.
`answers` runs one without a ledger, for experiments; `course_lib.pate.aggregation.Aggregator` asks the same
with one. What a question costs stands here as events, what events cost in `accounting.events`. Algorithms
are those of Papernot et al. 2018, arXiv 1802.08908. Leaves out who may see the votes: whoever calls this
does.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from course_lib.i18n import _
from course_lib.pate.accounting.checks import checked_positive, checked_threshold, checked_votes
from course_lib.pate.accounting.events import Event
from course_lib.pate.accounting.interactive import checked_student, surplus
from course_lib.pate.noise import Noise

#: Stands in a table of answers where a question got none.
NO_ANSWER = -1

Charge = Callable[[Event, int], None]


class Mechanism(ABC):
    """Looks at the votes, if it does, and answers some questions or all; every use of votes is an event."""

    #: What one look at a noisy threshold costs; None where the mechanism answers without looking.
    look_event: Event | None = None

    @property
    @abstractmethod
    def answer_event(self) -> Event:
        """What one answer costs."""

    @abstractmethod
    def labels(self, votes: np.ndarray, *, noise: Noise) -> np.ndarray:
        """The noisy argmax of each row: (queries, classes) to (queries,)."""

    def passes(self, votes: np.ndarray, student: np.ndarray | None, *, noise: Noise) -> np.ndarray:
        """Which questions the teachers shall answer, (queries,) of bool: all, unless the mechanism looks."""
        return np.ones(len(votes), dtype=bool)

    def without_teachers(self, votes: np.ndarray, student: np.ndarray | None) -> np.ndarray:
        """What a question gets that did not pass, (queries,): no answer, unless the mechanism has another."""
        return np.full(len(votes), NO_ANSWER)

    def checked(self, votes: ArrayLike, student: ArrayLike | None) -> tuple[np.ndarray, np.ndarray | None]:
        """Votes and the student's predictions, if the mechanism can use them; ValueError if not."""
        if student is not None:
            raise ValueError(_("{mechanism} asks for no predictions of a student.").format(mechanism=self))
        return checked_votes(votes), None

    def answers(self, votes: ArrayLike, student: ArrayLike | None = None, *, noise: Noise) -> np.ndarray:
        """Answer all questions, and charge nobody: labels, int64 (queries,), `NO_ANSWER` where there is none.

        Raises ValueError for bad votes, bad predictions, or a threshold above the number of teachers.
        """
        return self.charged_answers(
            *self.checked(votes, student), noise=noise, charge=lambda event, times: None
        )

    def charged_answers(
        self, votes: np.ndarray, student: np.ndarray | None, *, noise: Noise, charge: Charge
    ) -> np.ndarray:
        """The same for checked input; `charge(event, times)` is called before votes are used so often."""
        if self.look_event is not None:
            charge(self.look_event, len(votes))
        passed = self.passes(votes, student, noise=noise)
        answers = self.without_teachers(votes, student)
        charge(self.answer_event, int(passed.sum()))
        answers[passed] = self.labels(votes[passed], noise=noise)
        return answers


@dataclass(frozen=True, kw_only=True)
class LNMax(Mechanism):
    """Laplace noise on each count, and the class with the most (Papernot et al. 2017, section 2.1).

    That paper's gamma is 1 / scale. An answer is one use of votes with Laplace noise on two counts that move.

    >>> from course_lib.pate.noise import SeededNoise
    >>> LNMax(scale=5).answers([[90, 10], [20, 80]], noise=SeededNoise(1))
    array([0, 1])
    """

    scale: float

    def __post_init__(self):
        checked_positive("scale", self.scale)

    @property
    def answer_event(self) -> Event:
        """Laplace noise on two counts, each of which moves by 1."""
        return Event(what="answer", noise="laplace", scale=self.scale, moved=2)

    def labels(self, votes: np.ndarray, *, noise: Noise) -> np.ndarray:
        """The class with the most noisy votes."""
        return (votes + noise.laplace(self.scale, votes.shape)).argmax(axis=1)


@dataclass(frozen=True, kw_only=True)
class GNMax(Mechanism):
    """Gaussian noise on each count, and the class with the most (section 4.1).

    >>> from course_lib.pate.noise import SeededNoise
    >>> GNMax(sigma=20).answers([[90, 10], [20, 80]], noise=SeededNoise(1))
    array([0, 1])
    """

    sigma: float

    def __post_init__(self):
        checked_positive("sigma", self.sigma)

    @property
    def answer_event(self) -> Event:
        """Gaussian noise on two counts, which move by sqrt(2) together."""
        return Event(what="answer", noise="gaussian", scale=self.sigma, moved=2)

    def labels(self, votes: np.ndarray, *, noise: Noise) -> np.ndarray:
        """The class with the most noisy votes."""
        return (votes + noise.gaussian(self.sigma, votes.shape)).argmax(axis=1)


@dataclass(frozen=True, kw_only=True)
class ConfidentGNMax(GNMax):
    """GNMax where the noisy top count reaches the threshold, else no answer (Algorithm 1).

    Looking costs less than answering, and is paid for each question. The paper's sigma_1 is
    `sigma_threshold`, its sigma_2 is `sigma`.

    >>> from course_lib.pate.noise import SeededNoise
    >>> confident = ConfidentGNMax(threshold=70, sigma_threshold=10, sigma=5)
    >>> confident.answers([[95, 5], [55, 45]], noise=SeededNoise(1))
    array([ 0, -1])
    """

    threshold: float
    sigma_threshold: float

    def __post_init__(self):
        super().__post_init__()
        checked_positive("sigma_threshold", self.sigma_threshold)

    @property
    def look_event(self) -> Event:
        """Gaussian noise on the top count, which moves by 1 at most."""
        return Event(what="look", noise="gaussian", scale=self.sigma_threshold, moved=1)

    def passes(self, votes: np.ndarray, student: np.ndarray | None, *, noise: Noise) -> np.ndarray:
        """Whether the noisy top count reaches the threshold."""
        return votes.max(axis=1) + noise.gaussian(self.sigma_threshold, len(votes)) >= self.threshold

    def checked(self, votes: ArrayLike, student: ArrayLike | None) -> tuple[np.ndarray, np.ndarray | None]:
        """Votes, if so many teachers voted that the threshold can be reached."""
        votes, student = super().checked(votes, student)
        checked_threshold(self.threshold, teachers=int(votes[0].sum()))
        return votes, student


@dataclass(frozen=True, kw_only=True)
class InteractiveGNMax(ConfidentGNMax):
    """Asks the teachers only where they disagree with the student (Algorithm 2).

    The noisy test compares the votes with those that the student expects, number of teachers times predicted
    probability. Where the largest surplus reaches the threshold, the teachers give a new label by GNMax.
    Where it does not, the student's own label is reinforced if its probability is above `confidence` (the
    paper's gamma); else there is no answer.

    >>> from course_lib.pate.noise import SeededNoise
    >>> interactive = InteractiveGNMax(threshold=60, sigma_threshold=10, sigma=5, confidence=0.8)
    >>> student = [[0.1, 0.9], [0.9, 0.1], [0.5, 0.5]]
    >>> interactive.answers([[95, 5]] * 3, student, noise=SeededNoise(1))
    array([ 0,  0, -1])
    """

    confidence: float

    def __post_init__(self):
        super().__post_init__()
        if not 0 <= self.confidence <= 1:
            message = _("confidence must lie between 0 and 1, but {value} came.")
            raise ValueError(message.format(value=self.confidence))

    def passes(self, votes: np.ndarray, student: np.ndarray | None, *, noise: Noise) -> np.ndarray:
        """Whether some class noisily has so many votes more than the student expects."""
        most = surplus(votes, student).max(axis=1)
        return most + noise.gaussian(self.sigma_threshold, len(votes)) >= self.threshold

    def without_teachers(self, votes: np.ndarray, student: np.ndarray | None) -> np.ndarray:
        """The student's own label where it is sure: that uses no votes, and costs nothing."""
        return np.where(student.max(axis=1) > self.confidence, student.argmax(axis=1), NO_ANSWER)

    def checked(self, votes: ArrayLike, student: ArrayLike | None) -> tuple[np.ndarray, np.ndarray | None]:
        """Votes and the student's predicted probabilities, both (queries, classes)."""
        votes, _no_student = super().checked(votes, None)
        if student is None:
            raise ValueError(_("{mechanism} asks for the student's predictions.").format(mechanism=self))
        return votes, checked_student(student, shape=votes.shape)
