"""From a request's JSON to encrypted scores: what the web service does, without the web.

Promises one way of answering: `service` sends what it receives here unread, and a platform that wants
a scoring script with `init()` and `run(raw_data)` gets the same answers. Callers of the older package
`encrypted-inference` also sent `conn_str` and `container`, a storage account's password among them:
fields that are not expected here are neither used, nor kept, nor logged. Callers should stop sending them.
"""

import functools
import os
import zipfile
from pathlib import Path

import numpy as np
import pydantic_core
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from course_lib.he.keystore import KeyStore, UnknownKeyId, check_digest, check_key_id
from course_lib.he.network import Network
from course_lib.he.server import EINetworkServer, EIServer, PlanServer
from course_lib.i18n import _


class ScoringRequest(BaseModel):
    """What a client sends to be scored."""

    model_config = ConfigDict(strict=True, hide_input_in_errors=True)

    data: list[str] = Field(description="what the client's encrypt() returned: ciphertexts in base64")
    key_id: str = Field(description="the key id of uploaded public keys: their SHA-256 in hexadecimal")


def read_request(raw_data: str | bytes) -> ScoringRequest:
    """The request in `raw_data`; ValueError where it is not JSON, or not with these two fields.

    >>> read_request('{"data": ["abc"], "key_id": "12"}')
    ScoringRequest(data=['abc'], key_id='12')
    >>> read_request('{"data": [NaN], "key_id": "12"}')
    Traceback (most recent call last):
    ValueError: A request in JSON was expected, but the 31 characters that came are none.
    >>> read_request('{"data": "abc", "key_id": "12"}')
    Traceback (most recent call last):
    ValueError: JSON with "data", a list of texts, and "key_id", a text, was expected, but "data" is not so.
    """
    if not isinstance(raw_data, (str, bytes)):
        raise ValueError(
            _("The request should be text or bytes, but a value of type {came} came.").format(
                came=type(raw_data).__name__
            )
        )
    try:
        # A parser with a bound on nesting; NaN and infinity are no JSON.
        parsed = pydantic_core.from_json(raw_data, allow_inf_nan=False)
    except ValueError as error:
        raise ValueError(
            _("A request in JSON was expected, but the {size} characters that came are none.").format(
                size=len(raw_data)
            )
        ) from error
    try:
        return ScoringRequest.model_validate(parsed)
    except ValidationError as error:
        location = error.errors(include_input=False, include_url=False)[0]["loc"]
        raise ValueError(
            _(
                'JSON with "data", a list of texts, and "key_id", a text, was expected,'
                " but {place} is not so."
            ).format(place=_("the whole") if not location else '"' + ".".join(map(str, location)) + '"')
        ) from error


class Scorer:
    """A model and a key store, ready to answer requests; the last few clients' keys are kept parsed."""

    def __init__(self, server: PlanServer, key_store: KeyStore):
        self.server = server
        self.key_store = key_store
        self._parsed_keys = functools.lru_cache(server.needs.clients_kept)(self._parse_keys)

    def run(self, raw_data: str | bytes) -> list[str]:
        """The encrypted scores, as texts for the client's `decrypt`.

        Raises ValueError for a bad request, UnknownKeyId where its keys are not, or no longer, stored.
        """
        request = read_request(raw_data)
        if request.key_id not in self.key_store:  # asked each time: deleted keys are of no use from then on
            raise UnknownKeyId(request.key_id)
        return self.server.score(request.data, self._parsed_keys(request.key_id))

    def upload_keys(self, key_id: str, public_keys: bytes) -> None:
        """Store public keys, once they have proved to be some; ValueError where they are not."""
        check_key_id(key_id)
        check_digest(key_id, public_keys)
        self.server.needs.load(public_keys)
        self.key_store.put(key_id, public_keys)

    def delete_keys(self, key_id: str) -> None:
        """Remove public keys from the store; UnknownKeyId where there are none."""
        self.key_store.delete(key_id)

    def _parse_keys(self, key_id: str):
        return self.server.needs.load(self.key_store.get(key_id))


def load_server(path: str | os.PathLike) -> PlanServer:
    """A server with the model in a file, as numpy.savez writes it.

    The file has the arrays `coeffs` and `intercept`, or those of `Network.arrays()` and `layout`, the name of
    the layout in which images come. Raises FileNotFoundError or ValueError; nothing in it is unpickled.
    """
    if not Path(path).is_file():
        raise FileNotFoundError(_("The model file {path} is missing.").format(path=path))
    try:
        with np.load(path, allow_pickle=False) as file:
            arrays = dict(file)
        names = {"geometry", "layout"} if "kernels" in arrays else {"coeffs", "intercept"}
        if not names <= set(arrays):
            raise KeyError(*names - set(arrays))
    except (ValueError, KeyError, EOFError, TypeError, zipfile.BadZipFile) as error:
        raise ValueError(
            _(
                'A file with the arrays "coeffs" and "intercept", or with those of a network, was expected,'
                " but {path} is none."
            ).format(path=path)
        ) from error
    if "kernels" in arrays:
        return EINetworkServer(Network.from_arrays(arrays), str(arrays["layout"]))
    return EIServer(arrays["coeffs"], arrays["intercept"])


def make_scorer(model_path: str | os.PathLike, key_store_url: str) -> Scorer:
    """A scorer for a model file and a key store's URL."""
    return Scorer(load_server(model_path), KeyStore(key_store_url))


_scorer: Scorer | None = (
    None  # the one global: platforms that call init() and then run() leave no other place
)


def init() -> None:
    """Load the model in COURSE_HE_MODEL and open the key store in COURSE_HE_KEY_STORE."""
    global _scorer
    _scorer = make_scorer(_setting("COURSE_HE_MODEL"), _setting("COURSE_HE_KEY_STORE"))


def run(raw_data: str | bytes) -> list[str]:
    """Answer one request: JSON with `data` and `key_id`. See `Scorer.run` for the errors."""
    if _scorer is None:
        raise RuntimeError(_("init() has to be called before run()."))
    return _scorer.run(raw_data)


def _setting(name: str) -> str:
    if not os.environ.get(name):
        raise RuntimeError(_("The environment variable {name} has to be set.").format(name=name))
    return os.environ[name]
