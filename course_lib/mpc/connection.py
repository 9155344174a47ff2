"""A caller's side of the three endpoints: one request to each, at the same time, in one role.

Promises that each party is asked by the caller itself, so that nobody relays shares, and that one that does
not answer is an error within seconds. What a party answers is bounded, its body in time, too.
"""

import contextlib
import contextvars
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ALL_COMPLETED, FIRST_EXCEPTION, ThreadPoolExecutor, wait
from http import HTTPStatus
from typing import Any

import httpx

from course_lib.i18n import _, language
from course_lib.mpc.addresses import address_of
from course_lib.mpc.credentials import Identity
from course_lib.mpc.spec import PARTIES

SECONDS_TO_CONNECT = 5
SECONDS_TO_ANSWER = 6  # a party that works for longer says so every three seconds
_SECONDS_TO_TRANSFER = 60  # for the whole of an answer that has begun
MOST_ANSWER_BYTES = 1 << 20  # where nothing larger is expected
_READ_HEADERS = (b"content-type", b"course-cost")


class UnboundedAnswer(RuntimeError):
    """A party's answer that is larger than it may be, or does not end."""


class Connection:
    """The parties at `hosts`, in their order, for the reader of `identity`."""

    def __init__(self, hosts: Sequence[str], identity: Identity, *, tls: bool):
        context = identity.client_context() if tls else True
        self._hosts = dict(zip(PARTIES, map(address_of, hosts), strict=True))
        self._clients = {
            party: httpx.Client(
                base_url=f"{'https' if tls else 'http'}://{host}",
                headers={"Authorization": f"Bearer {identity.shown[party]}"},
                limits=httpx.Limits(keepalive_expiry=30),
                verify=context,
                trust_env=False,  # a proxy that the environment names has no business here
            )
            for party, host in self._hosts.items()
        }
        # Twice as many: who was interrupted while answers were waited for can still say that none is wanted.
        self._threads = ThreadPoolExecutor(2 * len(PARTIES), thread_name_prefix="party")

    def ask(
        self,
        method: str,
        path: str,
        *,
        contents: Sequence[bytes | None] = (None,) * len(PARTIES),
        json: dict | None = None,
        timeout: float = SECONDS_TO_ANSWER,
    ) -> list[httpx.Response]:
        """Ask all three at once; their answers in their order. Errors are those of `ask_one`."""
        return self._together(
            lambda party, content: self.ask_one(
                party, method, path, content=content, json=json, timeout=timeout
            ),
            contents,
        )

    def fetch(self, path: str, *, most: int = MOST_ANSWER_BYTES) -> list[httpx.Response]:
        """Ask all three for what they still work at, until it is there; of each, at most `most` bytes."""
        enough = threading.Event()  # one of them failed, or nobody waits any longer

        def fetch(party: str, path: str) -> httpx.Response:
            try:
                return self._fetch_one(party, path, most=most, enough=enough)
            except BaseException:
                enough.set()
                raise

        try:
            # What the others still work at is of no use any more once one has failed.
            return self._together(fetch, [path] * len(PARTIES), until=FIRST_EXCEPTION)
        finally:
            enough.set()

    def carry_out(self, method: str, path: str, **asked) -> None:
        """Ask all three, as `ask` does, for what may take them longer, and return when it is done."""
        self.ask(method, path, **asked)
        self.fetch(path)

    def ask_one(
        self,
        party: str,
        method: str,
        path: str,
        *,
        content: bytes | None = None,
        json: dict | None = None,
        timeout: float = SECONDS_TO_ANSWER,
        most: int = MOST_ANSWER_BYTES,
    ) -> httpx.Response:
        """Ask one party; of its answer at most `most` bytes are read.

        Raises ValueError where it refuses what was sent, PermissionError where it does not admit us, and
        RuntimeError where it can't do so now, or is not there; always with a sentence.
        """
        patience = httpx.Timeout(timeout, connect=SECONDS_TO_CONNECT)
        headers = {"Accept-Language": language(), "Accept-Encoding": "identity"}
        asking = self._clients[party].stream(
            method, path, content=content, json=json, headers=headers, timeout=patience
        )
        try:
            with asking as coming:
                answer = self._read(party, coming, most)
        except UnboundedAnswer:
            raise
        except (httpx.HTTPError, RuntimeError) as error:  # the latter once this connection is closed
            raise self._not_answered(party, error) from error
        if answer.is_error:
            raise _error(party, answer)
        return answer

    def _fetch_one(self, party: str, path: str, *, most: int, enough: threading.Event) -> httpx.Response:
        while True:
            answer = self.ask_one(party, "GET", path, most=most)
            if answer.status_code != HTTPStatus.ACCEPTED or enough.is_set():
                return answer

    def _together(
        self, ask: Callable[[str, Any], httpx.Response], given: Sequence, *, until: str = ALL_COMPLETED
    ) -> list[httpx.Response]:
        asked = [
            self._threads.submit(contextvars.copy_context().run, ask, *each)  # in the caller's language
            for each in zip(PARTIES, given, strict=True)
        ]
        # Usually for all of them: what one refuses, the others may have taken.
        done = wait(asked, return_when=until).done
        for each in asked:  # in the parties' order
            if each in done:
                each.result()
        return [answer.result() for answer in asked]

    def _read(self, party: str, coming: httpx.Response, most: int) -> httpx.Response:
        place = {"party": party, "host": self._hosts[party]}
        body, deadline = bytearray(), time.monotonic() + _SECONDS_TO_TRANSFER
        for part in coming.iter_raw():
            body += part
            if len(body) > most:
                sentence = _("The party {party} at {host} answered with more than {most} bytes.")
                raise UnboundedAnswer(sentence.format(**place, most=most))
            if time.monotonic() > deadline:
                sentence = _("The answer of the party {party} at {host} took more than {seconds} seconds.")
                raise UnboundedAnswer(sentence.format(**place, seconds=_SECONDS_TO_TRANSFER))
        headers = [(name, value) for name, value in coming.headers.raw if name.lower() in _READ_HEADERS]
        return httpx.Response(coming.status_code, headers=headers, content=bytes(body))

    def _not_answered(self, party: str, error: Exception) -> Exception:
        place = {"party": party, "host": self._hosts[party], "reason": str(error) or type(error).__name__}
        if "SSL" in place["reason"]:  # httpx has no type for it
            return PermissionError(
                _("The party {party} at {host} and we have no certificates that fit: {reason}.").format(
                    **place
                )
            )
        return RuntimeError(_("The party {party} at {host} does not answer: {reason}.").format(**place))

    def close(self) -> None:
        """Close the connections; harmless when that has been done."""
        for client in self._clients.values():
            client.close()
        self._threads.shutdown(wait=False)


def _error(party: str, answer: httpx.Response) -> Exception:
    sentence = _("The party {party} answered with the status {status}.").format(
        party=party, status=answer.status_code
    )
    with contextlib.suppress(ValueError, KeyError, TypeError):
        sentence = f"{party}: {answer.json()['error']}"
    if answer.status_code == HTTPStatus.UNAUTHORIZED:
        return PermissionError(sentence)
    refused = (HTTPStatus.BAD_REQUEST, HTTPStatus.REQUEST_ENTITY_TOO_LARGE)
    return ValueError(sentence) if answer.status_code in refused else RuntimeError(sentence)
