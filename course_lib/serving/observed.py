"""ASGI middleware: every request has an id, is timed, counted and logged, and no mistake goes unanswered.

Promises the header X-Request-ID in every answer, the caller's own where it is of 1 to 64 letters, digits or
`._-`; and that whoever has the answer finds it counted. Leaves out what a request holds: of it, its path,
status, time and number of rows are noted.
"""

import time
from http import HTTPStatus

from course_lib.i18n import _
from course_lib.serving.logs import LOGGER, RequestLog, request_id
from course_lib.serving.monitoring import Monitoring
from course_lib.web.refusals import Refusal

PREDICT = "/predict"
_QUIET = ("/health", "/ready", "/metrics")  # asked every few seconds; a line each would bury the rest


class Observed:
    """The middleware; with `monitoring` None it gives ids and answers mistakes, and notes nothing."""

    def __init__(self, app, monitoring: Monitoring | None, log: RequestLog):
        self._app = app
        self._monitoring = monitoring
        self._log = log

    async def __call__(self, scope, receive, send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started, status, open_end = time.perf_counter(), None, self._monitoring is not None
        given = next((value for name, value in scope["headers"] if name == b"x-request-id"), None)
        identity = request_id(given)
        scope["noted"] = noted = {}  # what the endpoint adds to the log line

        async def send_with_id(message) -> None:
            nonlocal status, open_end
            if message["type"] == "http.response.start":
                status = message["status"]
                message["headers"].append((b"x-request-id", identity.encode()))
            elif open_end and not message.get("more_body"):
                open_end = False
                self._note(scope, identity, status, time.perf_counter() - started, noted)
            await send(message)

        try:
            await self._app(scope, receive, send_with_id)
        except Exception:
            fields = {"request_id": identity, "path": scope["path"][:200]}
            self._log.flush()  # what came before it, should the process die of it
            LOGGER.error("mistake", exc_info=True, extra={"fields": fields})
            if status is not None:  # the answer has begun: all that is left is to break it off
                raise
            await _answer_mistake(send_with_id)
        finally:
            if open_end:  # nobody was there any more to hear the end of the answer
                self._note(scope, identity, status or 500, time.perf_counter() - started, noted)

    def _note(self, scope, identity: str, status: int, seconds: float, noted: dict) -> None:
        path = scope["path"].removeprefix(scope.get("root_path", ""))
        if path == PREDICT and scope["method"] == "POST":
            self._monitoring.count_request(status, seconds)
        if path not in _QUIET or status >= HTTPStatus.BAD_REQUEST:
            fields = {
                "request_id": identity,
                "method": scope["method"],
                "path": path[:200],
                "status": status,
                "seconds": round(seconds, 6),
                **noted,
            }
            self._log.note(fields)


async def _answer_mistake(send) -> None:
    body = Refusal(error=_("The service made a mistake; its log says which.")).model_dump_json().encode()
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": 500, "headers": headers})
    await send({"type": "http.response.body", "body": body})
