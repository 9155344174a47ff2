"""`TFEWorker`: a party's place in a cluster, or a client that asks one; the names are those of Syft Keras."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from course_lib.i18n import _
from course_lib.mpc.addresses import is_loopback, split_host

if TYPE_CHECKING:
    from course_lib.mpc.client import ModelClient
    from course_lib.mpc.cluster import TFECluster
    from course_lib.mpc.costs import Cost


class TFEWorker:
    """A party at `host`, "name:port", or a client, which has none.

    The cluster starts a party on this machine, on any free port without a `host`; with `auto_managed=False`
    people start it, on its own machine, by the command that the cluster prints. Raises ValueError for a host
    that is none.

    >>> TFEWorker("localhost:4000")
    TFEWorker('localhost:4000')
    """

    def __init__(self, host: str | None = None, auto_managed: bool = True):
        if host is None and not auto_managed:
            raise ValueError(_("A party that people start wants a host, for example localhost:4000."))
        if host is not None:
            split_host(host)
        self.host = host
        self.auto_managed = auto_managed
        self._model: ModelClient | None = None

    @property
    def is_here(self) -> bool:
        """Whether the party can only be on this machine."""
        return self.host is None or is_loopback(split_host(self.host)[0])

    def connect_to_model(
        self, input_shape: Sequence[int], output_shape: Sequence[int], cluster: "TFECluster"
    ) -> None:
        """As a client: connect to the model that a cluster holds; the shapes begin with the batch's size.

        Raises ValueError where the model has other shapes, RuntimeError where there is none.
        """
        from course_lib.mpc.client import ModelClient

        if self._model is not None:
            self._model.close()
        self._model = ModelClient(cluster, input_shape, output_shape)

    def query_model(self, image: np.ndarray) -> np.ndarray:
        """As a client: the model's answer to `image`, which has the shape that was connected with.

        Raises ValueError for another shape or type, NaN, or values out of range; RuntimeError where the
        model is not served any longer, or a party is gone.
        """
        return self._connected().query(image)

    @property
    def costs(self) -> dict[str, "Cost"]:
        """What the last query cost each party, by the party's name."""
        return self._connected().costs

    def _connected(self) -> "ModelClient":
        if self._model is None:
            raise RuntimeError(_("Connect to a model first: client.connect_to_model(...)."))
        return self._model

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.host!r})"
