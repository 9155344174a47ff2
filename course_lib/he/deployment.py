"""From Python: start the encrypted-inference service with a model, ask it, delete it.

Promises that the service answers when `deploy` returns, and that `delete` leaves no process, port or
file behind. Leaves out other machines: there, start `course_lib.he.service` by its own command.
"""

import contextlib
import os
import tempfile
from http import HTTPStatus
from pathlib import Path

import httpx
import numpy as np

from course_lib.he.network import Network
from course_lib.he.server import EINetworkServer, EIServer
from course_lib.i18n import _, language
from course_lib.processes import ServerProcess, start_server

SECONDS_TO_ANSWER = 60


class WebService:
    """A running service; `deploy` makes it. As a context manager it is deleted at the block's end."""

    def __init__(self, process: ServerProcess, key_store: str, resources: contextlib.ExitStack):
        self.process = process
        self.key_store = key_store
        self._resources = resources
        # A proxy that the environment names has no business between us and our own machine.
        self._http = httpx.Client(base_url=process.url, timeout=SECONDS_TO_ANSWER, trust_env=False)

    @property
    def scoring_uri(self) -> str:
        """The address that scores: POST JSON with `data` and `key_id`."""
        return f"{self.process.url}/score"

    def run(self, input_data: str | bytes) -> list[str]:
        """The encrypted scores for a request in JSON, as texts for the client's `decrypt`.

        Raises ValueError with the service's own sentence where it refuses the request.
        """
        return self._answer("POST", "/score", input_data).json()

    def upload_keys(self, key_id: str, public_keys: bytes) -> None:
        """Store what the client's `get_public_keys()` returned; ValueError where the service refuses it."""
        self._answer("PUT", f"/keys/{key_id}", public_keys)

    def delete_keys(self, key_id: str) -> None:
        """Remove a client's public keys; ValueError where there are none."""
        self._answer("DELETE", f"/keys/{key_id}")

    def delete(self) -> None:
        """Stop the service and remove its files; harmless when that has been done."""
        self._http.close()
        self._resources.close()

    def _answer(self, method: str, path: str, content: str | bytes | None = None) -> httpx.Response:
        headers = {"Accept-Language": language()}
        try:
            answer = self._http.request(method, path, content=content, headers=headers)
        except (httpx.TransportError, RuntimeError) as error:  # the latter once our client is closed
            raise RuntimeError(
                _("The service {address} does not answer: it was deleted, or has died.").format(
                    address=self.process.url
                )
            ) from error
        if answer.status_code >= HTTPStatus.INTERNAL_SERVER_ERROR:
            raise RuntimeError(answer.json()["error"])
        if answer.is_error:
            raise ValueError(answer.json()["error"])
        return answer

    def __enter__(self) -> "WebService":
        return self

    def __exit__(self, *_error) -> None:
        self.delete()

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.scoring_uri})"


def deploy(
    coeffs, intercept, *, key_store: str | os.PathLike | None = None, port: int | None = None
) -> WebService:
    """Start a service that scores coeffs @ values + intercept, and return when it answers.

    `coeffs` has shape (classes, features), `intercept` (classes,). `key_store` is a folder or any other
    fsspec URL, a temporary folder unless given; `port` a free one unless given. Raises ValueError for a
    model that is none, RuntimeError where the service does not start.

    >>> import json
    >>> from course_lib.he import EILinearRegressionClient
    >>> client = EILinearRegressionClient()
    >>> key_id, public_keys = client.get_public_keys()
    >>> with deploy([[1.0, 2.0], [3.0, 4.0]], [0.5, -0.5]) as service:
    ...     service.upload_keys(key_id, public_keys)
    ...     request = json.dumps({"data": client.encrypt([1.0, 1.0]), "key_id": key_id})
    ...     client.decrypt(service.run(request)).round(2)
    array([3.5, 6.5])
    """
    EIServer(coeffs, intercept)  # says what is wrong with a model before a process is started
    arrays = {"coeffs": np.asarray(coeffs, float), "intercept": np.asarray(intercept, float)}
    return _deployed(arrays, key_store, port)


def deploy_network(
    network: Network,
    *,
    layout: str = "im2col",
    key_store: str | os.PathLike | None = None,
    port: int | None = None,
) -> WebService:
    """Start a service that scores images with a network, and return when it answers.

    `layout` says how clients lay out their images, "im2col" or "compact"; the rest is as for `deploy`.
    """
    EINetworkServer(network, layout)  # says what is wrong with it before a process is started
    return _deployed(network.arrays() | {"layout": np.array(layout)}, key_store, port)


def _deployed(
    arrays: dict[str, np.ndarray], key_store: str | os.PathLike | None, port: int | None
) -> WebService:
    with contextlib.ExitStack() as resources:
        folder = Path(resources.enter_context(tempfile.TemporaryDirectory(prefix="course-he-")))
        model = folder / "model.npz"
        np.savez(model, **arrays)
        key_store = os.fspath(folder / "keys" if key_store is None else key_store)
        process = start_server(
            ["-m", "course_lib.he.service", "--model", str(model), "--key-store", key_store],
            name=_("encrypted inference"),
            ready_path="/health",
            port=port,
        )
        resources.enter_context(process)
        return WebService(process, key_store, resources.pop_all())
