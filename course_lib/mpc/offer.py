"""Which model a party answers with, and how many questions it still answers.

Promises that no more questions are granted than the model is served for, however many come at once; a turn in
which nothing was run is given back. Leaves out the questions themselves (`questions`), and the engine, which
holds the weights.
"""

from dataclasses import dataclass

from course_lib.i18n import N_, _
from course_lib.mpc.refusal import Refusal
from course_lib.mpc.spec import ModelSpec

NOT_SHARED = N_("No model is shared with the party.")
_NOT_SERVED = N_("The model is shared, but it is not served yet.")
_STOPPED = N_("The model is no longer served: its owner has stopped that.")
_ANSWERED_ALL = N_(
    "The model is no longer served: it has answered the {num_requests} requests it was served for."
)


@dataclass(eq=False)
class Opening:
    """For how many questions a model is served this time, and how many were granted, and answered, since."""

    num_requests: int | None
    granted: int = 0
    served: int = 0


class Offer:
    """The description of the model that is held, if one is, and the opening in which it is served.

    A turn belongs to the opening in which it was granted: one that ends after the model was closed and opened
    again counts for neither of the new one's numbers.

    >>> offer = Offer()
    >>> offer.require_open()
    Traceback (most recent call last):
    course_lib.mpc.refusal.Refusal: No model is shared with the party.
    """

    def __init__(self):
        self.spec: ModelSpec | None = None
        self._closed: str | None = NOT_SHARED  # why nobody may ask, if nobody may
        self.opening = Opening(None)

    def hold(self, spec: ModelSpec) -> None:
        """Hold this model, which is not served yet."""
        self.spec, self._closed = spec, _NOT_SERVED

    def forget(self) -> None:
        """Hold no model any longer."""
        self.spec = None

    def open(self, num_requests: int | None) -> None:
        """Serve the model for so many questions, or, with None, until this is closed; Refusal without one."""
        if self.spec is None:
            raise Refusal(409, _(NOT_SHARED))
        self._closed = None
        self.opening = Opening(num_requests)

    def close(self) -> None:
        """Serve the model no longer."""
        self._closed = _STOPPED if self.spec is not None else NOT_SHARED

    def grant(self) -> Opening:
        """Grant one question more in the opening that is returned; Refusal where all are granted."""
        opening = self.opening
        if opening.num_requests is not None and opening.granted >= opening.num_requests:
            raise Refusal(410, _(_ANSWERED_ALL).format(num_requests=opening.num_requests))
        opening.granted += 1
        return opening

    def take_back(self, opening: Opening) -> None:
        """Nothing was run in a turn of this opening: it does not count."""
        opening.granted -= 1

    def count_answer(self, opening: Opening) -> None:
        """A question of this opening has been answered; after the last one nobody may ask."""
        opening.served += 1
        last = opening is self.opening and opening.served == opening.num_requests
        if last and self._closed is None:
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
            "num_requests": self.opening.num_requests,
            "served": self.opening.served,
        }

    def _why_closed(self) -> str:
        return _(self._closed).format(num_requests=self.opening.num_requests)
