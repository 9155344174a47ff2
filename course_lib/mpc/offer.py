"""Which model a party answers with, and how many questions it still answers.

Promises that no more questions are granted than the model is served for, however many come at once; a turn in
which nothing was run is given back. Leaves out the questions themselves (`questions`), and the engine, which
holds the weights.
"""

from course_lib.i18n import N_, _
from course_lib.mpc.refusal import Refusal
from course_lib.mpc.spec import ModelSpec

NOT_SHARED = N_("No model is shared with the party.")
_NOT_SERVED = N_("The model is shared, but it is not served yet.")
_STOPPED = N_("The model is no longer served: its owner has stopped that.")
_ANSWERED_ALL = N_(
    "The model is no longer served: it has answered the {num_requests} requests it was served for."
)


class Offer:
    """The description of the model that is held, if one is, and for how many questions it is served.

    >>> offer = Offer()
    >>> offer.require_open()
    Traceback (most recent call last):
    course_lib.mpc.refusal.Refusal: No model is shared with the party.
    """

    def __init__(self):
        self.spec: ModelSpec | None = None
        self._closed: str | None = NOT_SHARED  # why nobody may ask, if nobody may
        self._limit: int | None = None
        self._granted = self._served = 0

    def hold(self, spec: ModelSpec) -> None:
        """Hold this model, which is not served yet."""
        self.spec, self._closed = spec, _NOT_SERVED

    def open(self, num_requests: int | None) -> None:
        """Serve the model for so many questions, or, with None, until this is closed."""
        if self.spec is None:
            raise Refusal(409, _(NOT_SHARED))
        self._closed = None
        self._limit, self._granted, self._served = num_requests, 0, 0

    def close(self) -> None:
        """Serve the model no longer."""
        self._closed = _STOPPED if self.spec is not None else NOT_SHARED

    def grant(self) -> None:
        """Grant one question more; Refusal where all are granted."""
        if self._limit is not None and self._granted >= self._limit:
            raise Refusal(410, _(_ANSWERED_ALL).format(num_requests=self._limit))
        self._granted += 1

    def take_back(self) -> None:
        """Nothing was run in a turn: it does not count."""
        self._granted -= 1

    def count_answer(self) -> None:
        """A question has been answered; after the last one nobody may ask."""
        self._served += 1
        if self._served == self._limit and self._closed is None:
            self._closed = _ANSWERED_ALL

    def require_open(self) -> ModelSpec:
        """The model that questions are answered with; Refusal where none are."""
        if self._closed is not None:
            raise self.refusal()
        return self.spec

    def refusal(self) -> Refusal:
        """What is told to those who ask a model that is not served."""
        return Refusal(410, self._why_closed())

    def state(self) -> dict:
        """What clients and the owner may know."""
        return {
            "spec": self.spec and self.spec.to_json(),
            "closed": self._closed and self._why_closed(),
            "num_requests": self._limit,
            "served": self._served,
        }

    def _why_closed(self) -> str:
        return _(self._closed).format(num_requests=self._limit)
