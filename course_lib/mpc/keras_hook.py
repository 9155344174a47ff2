"""`KerasHook(tf.keras)`: Keras models learn `share`, `serve`, `stop`, `shutdown_workers`, as in Syft Keras.

Who would rather not have a class of somebody else's changed takes `course_lib.mpc.share`, which does the
same.
"""

import weakref
from types import ModuleType
from typing import TYPE_CHECKING

from course_lib.i18n import _
from course_lib.mpc.shared_model import SharedModel, share

if TYPE_CHECKING:
    from course_lib.mpc.cluster import TFECluster

_METHODS = ("share", "serve", "stop", "shutdown_workers")


class KerasHook:
    """Adds four methods to the `Model` class of `keras`; `remove` takes them away again.

    - `model.share(cluster, batch_sizes=None)`: split the weights among a cluster's parties.
    - `model.serve(num_requests=None)`: with a number, wait until so many requests are answered; without one,
      go on at once while the parties answer.
    - `model.stop()`: no further requests are answered, and the parties forget the shares.
    - `model.shutdown_workers()`: stop the cluster.
    """

    def __init__(self, keras: ModuleType):
        self._model_class = keras.Model
        self._shared: weakref.WeakKeyDictionary = weakref.WeakKeyDictionary()
        for name in _METHODS:
            hooked = getattr(self, f"_{name}")
            setattr(self._model_class, name, _as_method(hooked))

    def remove(self) -> None:
        """Take the methods away; harmless when that has been done."""
        for name in _METHODS:
            if name in vars(self._model_class):
                delattr(self._model_class, name)

    def _share(self, model, cluster: "TFECluster", *, batch_sizes: tuple[int, ...] | None = None) -> None:
        self._shared[model] = share(model, cluster, batch_sizes=batch_sizes), cluster

    def _serve(self, model, num_requests: int | None = None) -> None:
        shared = self._require_shared(model)
        shared.serve(num_requests)
        if num_requests is not None:
            shared.wait()

    def _stop(self, model) -> None:
        self._require_shared(model).stop()

    def _shutdown_workers(self, model) -> None:
        if model in self._shared:
            _shared_model, cluster = self._shared.pop(model)
            cluster.stop()

    def _require_shared(self, model) -> SharedModel:
        if model not in self._shared:
            raise RuntimeError(_("The model is not shared: model.share(cluster) comes first."))
        return self._shared[model][0]


def _as_method(hooked):
    def method(model, *arguments, **named):
        return hooked(model, *arguments, **named)

    method.__name__ = method.__qualname__ = hooked.__name__.removeprefix("_")
    method.__doc__ = KerasHook.__doc__
    return method
