"""What a mechanism does with private votes, as events, and what all events of a ledger cost together.

The ε is data-independent: it holds for any votes, and may be published. It holds for questions chosen one
after another in the light of the answers, up to a budget fixed beforehand:

- Gaussian events of any sigma, by exact Gaussian accounting (see `gaussian`; Smith and Thakurta 2022);
- Laplace events of one and the same scale: what each costs is known beforehand, so that RDP adds up.

Leaves out Laplace events of several scales, and both kinds together, where the scale of the next event may
be chosen in the light of answers: that is refused, for no theorem used here covers it.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from course_lib.i18n import _
from course_lib.pate.accounting.checks import checked_delta, checked_positive
from course_lib.pate.accounting.conversion import tight_epsilon
from course_lib.pate.accounting.gaussian import gaussian_epsilons
from course_lib.pate.accounting.orders import ORDERS
from course_lib.pate.accounting.rdp import laplace_rdp


@dataclass(frozen=True, kw_only=True)
class Event:
    """One use of private votes: noise of one scale on numbers, `moved` of which one teacher moves by 1.

    A teacher's vote that goes from one class to another moves two counts; it moves the top count, or its
    distance to a threshold, by 1 at most. `scale` is sigma for Gaussian noise. Raises ValueError for another
    kind of noise or use, a scale that is not positive, or `moved` below 1.

    >>> Event(what="answer", noise="gaussian", scale=40, moved=2).mu_squared
    0.00125
    """

    what: Literal["look", "answer"]
    noise: Literal["gaussian", "laplace"]
    scale: float
    moved: int

    def __post_init__(self):
        if self.what not in ("look", "answer") or self.noise not in ("gaussian", "laplace"):
            message = _(
                "An event is a 'look' or an 'answer', with 'gaussian' or 'laplace' noise, but {value} came."
            )
            raise ValueError(message.format(value=f"{self.what!r}, {self.noise!r}"))
        object.__setattr__(self, "scale", checked_positive("scale", self.scale))
        if self.moved not in (1, 2):
            message = _("One teacher's vote moves 1 or 2 numbers, but moved = {value} came.")
            raise ValueError(message.format(value=self.moved))

    @property
    def mu_squared(self) -> float:
        """Of Gaussian noise, in Gaussian differential privacy: squared distance over squared sigma."""
        return self.moved / self.scale**2


def epsilons_after(events: Sequence[Event], *, delta: float, since: int = 0) -> np.ndarray:
    """The ε of the first event, of the first two together, and so on, without the first `since` of these.

    Returns (len(events) - since,), float. Raises ValueError for events that cannot stand in one ledger, and
    for a bad delta.

    >>> look = Event(what="look", noise="gaussian", scale=150, moved=1)
    >>> answer = Event(what="answer", noise="gaussian", scale=40, moved=2)
    >>> epsilons_after([look, answer, look, answer], delta=1e-5).round(3)
    array([0.017, 0.112, 0.114, 0.163])
    """
    delta = checked_delta(delta)
    if all(event.noise == "gaussian" for event in events):
        squares = np.cumsum(np.fromiter((event.mu_squared for event in events), float, len(events)))
        return gaussian_epsilons(np.sqrt(squares[since:]), delta=delta)
    first, *others = dict.fromkeys(events)
    if others:
        message = _(
            "A ledger holds Gaussian noise alone, or Laplace noise of one scale: {first} and {other}"
            " can't be added up."
        )
        raise ValueError(
            message.format(
                first=f"{first.noise}({first.scale:g})", other=f"{others[0].noise}({others[0].scale:g})"
            )
        )
    counts = range(since + 1, len(events) + 1)
    return np.array([_laplace_epsilon(first, count, delta=delta) for count in counts])


def _laplace_epsilon(event: Event, count: int, *, delta: float) -> float:
    """Of so many equal events: by RDP, or by adding up pure ε, which is better for the first few."""
    pure = event.moved / event.scale
    curve = count * event.moved * laplace_rdp(ORDERS, scale=event.scale)
    return min(count * pure, tight_epsilon(ORDERS, curve, delta=delta).epsilon)


def epsilon_of(events: Sequence[Event], *, delta: float) -> float:
    """The ε of all events together; 0 where there are none.

    >>> epsilon_of([Event(what="answer", noise="laplace", scale=20, moved=2)] * 3, delta=1e-5).__round__(3)
    0.3
    """
    return float(epsilons_after(events, delta=delta, since=len(events) - 1)[0]) if events else 0.0
