"""How request bodies come into memory: never more than there is room for, and never for long.

Promises that a body beyond its bound is dropped while it comes, whatever length was announced; that all
bodies together stay below a bound too; and that a slow caller keeps nobody waiting but itself. What is
refused is read to its end all the same: most callers look at the answer once they have sent everything.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from http import HTTPStatus

from fastapi import HTTPException, Request

from course_lib.i18n import _

MOST_BYTES_AT_ONCE = 64 << 20  # of all bodies that are in memory together
SECONDS_TO_SEND = 30


class Intake:
    """How many bytes of bodies are in memory, and whether there is room for more."""

    def __init__(self, most: int = MOST_BYTES_AT_ONCE):
        self._room = most

    @contextlib.asynccontextmanager
    async def body(self, request: Request, most: int) -> AsyncIterator[bytearray]:
        """The request's body, while the block runs; HTTPException where it is too large or too slow."""
        announced = request.headers.get("content-length", "")
        if "expect" in request.headers and announced.isdecimal() and int(announced) > most:
            raise _too_large(most)  # the caller waits for a go-ahead, and is told no instead
        body, refused = bytearray(), None
        try:
            try:
                async with asyncio.timeout(SECONDS_TO_SEND):
                    async for part in request.stream():
                        refused = refused or self._refusal(len(part), len(body), most)
                        if refused:
                            self._drop(body)
                        else:
                            self._room -= len(part)
                            body += part
            except TimeoutError:
                raise refused or _too_slow() from None
            if refused:
                raise refused
            yield body
        finally:
            self._drop(body)

    def _refusal(self, coming: int, held: int, most: int) -> HTTPException | None:
        if held + coming > most:
            return _too_large(most)
        return _too_busy() if coming > self._room else None

    def _drop(self, body: bytearray) -> None:
        self._room += len(body)
        body.clear()


def _too_large(most: int) -> HTTPException:
    sentence = _("A body of at most {most} bytes was expected, but more came.").format(most=most)
    return HTTPException(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, sentence)


def _too_busy() -> HTTPException:
    sentence = _("The service has too many requests at once; please try again.")
    return HTTPException(HTTPStatus.SERVICE_UNAVAILABLE, sentence, headers={"Retry-After": "1"})


def _too_slow() -> HTTPException:
    sentence = _("The whole body was expected within {seconds} seconds.").format(seconds=SECONDS_TO_SEND)
    return HTTPException(HTTPStatus.REQUEST_TIMEOUT, sentence)
