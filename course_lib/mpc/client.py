"""The client: it splits a question into shares, gives each party its own, and adds up the answer's shares.

Promises that no party gets more than its share, and that the client learns the answer and the model's
shapes, and nothing else. Leaves out what answers tell about a model: who asks often enough can train a
copy.
"""

import contextlib
import secrets
import weakref
from collections.abc import Sequence
from typing import TYPE_CHECKING

import httpx
import numpy as np

from course_lib.i18n import _
from course_lib.mpc import wire
from course_lib.mpc.availability import require_engine
from course_lib.mpc.connection import MOST_ANSWER_BYTES, Connection
from course_lib.mpc.costs import Cost
from course_lib.mpc.credentials import CLIENT
from course_lib.mpc.spec import PARTIES, ModelSpec

if TYPE_CHECKING:
    from course_lib.mpc.cluster import TFECluster


class ModelClient:
    """A connection to the model that a cluster holds, for questions of one shape.

    Both shapes begin with the batch's size. Raises ValueError where the model has others, RuntimeError where
    the cluster holds no model, and PermissionError where it does not admit this user.
    """

    def __init__(self, cluster: "TFECluster", input_shape: Sequence[int], output_shape: Sequence[int]):
        require_engine()
        self.costs: dict[str, Cost] = {}
        self._connection = cluster.open_connection(CLIENT)
        self._close = weakref.finalize(self, self._connection.close)
        try:
            self._spec = shared_spec(self._connection)
            self._input_shape, self._output_shape = tuple(input_shape), tuple(output_shape)
            self._batch_size = self._check_shapes()
        except BaseException:
            self.close()
            raise

    def query(self, values: np.ndarray) -> np.ndarray:
        """The model's answer, float32; `values` are floating-point numbers of the shape connected with."""
        from course_lib.mpc import engine

        padded = np.zeros((self._batch_size, *self._spec.input_shape), dtype=np.float32)
        padded[: self._input_shape[0]] = self._checked(values)
        shares = engine.make_shares(padded)
        answers = self._ask(secrets.token_hex(16), shares)
        shape = (self._batch_size, *self._spec.output_shape)
        parts = [
            wire.unpack_share(wire.ANSWER, answer.content, fingerprint=self._spec.fingerprint, shape=shape)
            for answer in answers
        ]
        self.costs = {party: _cost(party, answer) for party, answer in zip(PARTIES, answers, strict=True)}
        return engine.reconstruct(parts)[: self._input_shape[0]]

    def close(self) -> None:
        """Close the connection; harmless when that has been done."""
        self._close()

    def _ask(self, question_id: str, shares: list[np.ndarray]) -> list[httpx.Response]:
        path = f"/questions/{question_id}"
        frames = [
            wire.pack_share(wire.QUESTION, share, fingerprint=self._spec.fingerprint) for share in shares
        ]
        try:
            self._connection.ask("PUT", path, contents=frames)
            self._connection.ask_one(PARTIES[0], "POST", f"{path}/turn")
            answer_bytes = wire.share_frame_bytes((self._batch_size, *self._spec.output_shape))
            return self._connection.fetch(path, most=max(answer_bytes, MOST_ANSWER_BYTES))
        except BaseException:  # an interrupt, too: nobody wants the answer any longer
            with contextlib.suppress(RuntimeError, ValueError, PermissionError):
                self._connection.ask("DELETE", path, timeout=1)
            raise

    def _checked(self, values: np.ndarray) -> np.ndarray:
        from course_lib.mpc import engine

        values = np.asarray(values)
        if values.dtype.kind != "f":
            raise ValueError(
                _("Floating-point numbers, scaled as for training, were expected, but {dtype} came.").format(
                    dtype=values.dtype
                )
            )
        if values.shape != self._input_shape:
            raise ValueError(
                _("Values of shape {expected} were expected, but {came} came.").format(
                    expected=self._input_shape, came=values.shape
                )
            )
        engine.check_range(values)
        return values

    def _check_shapes(self) -> int:
        """The batch size that questions are padded to; ValueError where the model has other shapes."""
        spec, examples = self._spec, self._input_shape[0] if self._input_shape else 0
        expected = (examples, *spec.input_shape), (examples, *spec.output_shape)
        if (self._input_shape, self._output_shape) != expected:
            raise ValueError(
                _(
                    "The model takes {input_shape} and answers {output_shape}, after the batch's size;"
                    " {came_input} and {came_output} came."
                ).format(
                    input_shape=spec.input_shape,
                    output_shape=spec.output_shape,
                    came_input=self._input_shape,
                    came_output=self._output_shape,
                )
            )
        return spec.batch_size_for(examples)


def shared_spec(connection: Connection) -> ModelSpec:
    """What the three parties say of their model; RuntimeError where they hold none, or not the same."""
    states = [answer.json() for answer in connection.ask("GET", "/state")]
    specs = {state["spec"] for state in states}
    if specs == {None}:
        raise RuntimeError(_("The cluster holds no model: it is not shared yet, or not any longer."))
    if len(specs) > 1:
        raise RuntimeError(_("The parties do not hold the same model: it has to be shared again."))
    return ModelSpec.from_json(*specs)


def _cost(party: str, answer: httpx.Response) -> Cost:
    try:
        return Cost.from_json(answer.headers["Course-Cost"])
    except (KeyError, TypeError, ValueError) as error:
        sentence = _("The party {party} did not say in a readable form what its answer cost.")
        raise RuntimeError(sentence.format(party=party)) from error
