"""The owner of a model: shares its weights among the parties and lets them serve it.

Promises that each party gets its own share of each weight from here, and nothing else of it. The
architecture, the shapes and the number of requests are public. Leaves out taking shares back: what a party
was given, it has.
"""

import sys
import time
import weakref
from typing import TYPE_CHECKING

from tqdm import tqdm

from course_lib.i18n import _
from course_lib.mpc.availability import require_engine
from course_lib.mpc.client import shared_spec
from course_lib.mpc.compilation import CompiledModel, compile_model
from course_lib.mpc.credentials import OWNER
from course_lib.mpc.frames import pack_model
from course_lib.mpc.spec import PARTIES

if TYPE_CHECKING:
    from course_lib.mpc.cluster import TFECluster

_SECONDS_BETWEEN_LOOKS = 0.3


class SharedModel:
    """A model whose weights three parties hold in shares; `share` makes it from a Keras model."""

    def __init__(self, compiled: CompiledModel, cluster: "TFECluster"):
        from course_lib.mpc import engine

        self.spec = compiled.spec
        self._connection = cluster.open_connection(OWNER)
        self._close = weakref.finalize(self, self._connection.close)
        shares = [engine.make_shares(weight) for weight in compiled.weights]
        bodies = [
            pack_model(compiled.spec, compiled.programs, [each[rank] for each in shares])
            for rank in range(len(PARTIES))
        ]
        self._connection.carry_out("PUT", "/model", contents=bodies)

    def serve(self, num_requests: int | None = None) -> None:
        """Let the parties answer so many requests, or, with None, requests until `stop`; returns at once."""
        if num_requests is not None and num_requests < 1:
            raise ValueError(
                _("A number of requests of 1 or more was expected, but {came} came.").format(
                    came=num_requests
                )
            )
        shared_spec(self._connection)
        self._connection.ask("PUT", "/serving", json={"num_requests": num_requests})

    def wait(self) -> None:
        """Return when all requests that the model is served for are answered; shows how many are.

        Raises RuntimeError where a party is gone. An interrupt ends the waiting; the model is still served.
        """
        state = self._state()
        with tqdm(total=state["num_requests"], desc=_("requests answered"), file=sys.stdout) as bar:
            while True:
                bar.update(state["served"] - bar.n)
                if state["closed"] is not None:
                    return
                time.sleep(_SECONDS_BETWEEN_LOOKS)
                state = self._state()

    @property
    def served(self) -> int:
        """How many requests have been answered since `serve`."""
        return self._state()["served"]

    def stop(self) -> None:
        """Let the parties answer no further requests and forget the model's shares; harmless twice."""
        self._connection.carry_out("DELETE", "/model")

    def _state(self) -> dict:
        return min((answer.json() for answer in self._connection.ask("GET", "/state")), key=_served)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.spec.input_shape} -> {self.spec.output_shape})"


def share(model, cluster: "TFECluster", *, batch_sizes: tuple[int, ...] | None = None) -> SharedModel:
    """Split a Keras model's weights among the parties of a cluster that has been started.

    `batch_sizes` are how many examples can be asked about at once; a smaller number is filled up with zeros.
    Without them, the model's own batch size or 1, 16 and 64. Raises ValueError where the engine can't compile
    the model or its weights are out of range, RuntimeError where a party is gone.
    """
    require_engine()
    with cluster.connect(OWNER) as owner:  # who is not admitted is told so before anything is compiled
        owner.ask("GET", "/state")
    return SharedModel(compile_model(model, batch_sizes), cluster)


def _served(state: dict) -> int:
    return state["served"]
