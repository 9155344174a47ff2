"""What the web service answers over HTTP, and how it describes itself at /docs.

Promises that every refusal is `{"error": "one sentence"}` in the caller's language. What comes in is
counted here and read nowhere but in a worker. Leaves out logins and TLS, which a reverse proxy adds.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from http import HTTPStatus

from fastapi import FastAPI, HTTPException, Request, Response
from fastapi_offline import FastAPIOffline

from course_lib.he import wire
from course_lib.he.keystore import check_key_id
from course_lib.he.parameters import LINEAR
from course_lib.he.pool import WorkerPool
from course_lib.he.scoring import ScoringRequest
from course_lib.i18n import language
from course_lib.web.intake import SECONDS_TO_SEND, Intake
from course_lib.web.middleware import InTheCallersLanguage, UnderAPrefix
from course_lib.web.refusals import Refusal, answer_refusals

MOST_KEY_BYTES = wire.max_frame_bytes("galois keys", LINEAR)
MOST_SCORING_BYTES = 8 << 20

_EXAMPLE_KEY_ID = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"
_EXAMPLE_TEXT = "Q0tGMQBq…"


def create_app(
    pool: WorkerPool, *, classes: int, features: int, most_key_bytes: int = MOST_KEY_BYTES
) -> FastAPI:
    """The web application in front of `pool`, whose model has that many classes and features.

    `most_key_bytes` bounds what a client may upload; the default is what a linear model needs.
    """
    app = FastAPIOffline(  # its page at /docs needs nothing from another server
        title="Encrypted inference",
        description="Scores of a model on values that this service never sees, by CKKS on SEAL.",
        version="1.0",
        docs_url="/docs",
        redoc_url=None,
        redirect_slashes=False,
        lifespan=lambda _app: _running(pool),
    )
    app.add_middleware(InTheCallersLanguage)
    app.add_middleware(UnderAPrefix)
    answer_refusals(app)
    intake = Intake()

    @app.put(
        "/keys/{key_id:path}",
        summary="Upload a client's public keys",
        status_code=HTTPStatus.NO_CONTENT,
        responses=_refusals(400, 408, 413, 422, 503),
        openapi_extra=_described_body("application/octet-stream", {"type": "string", "format": "binary"}),
    )
    async def upload_keys(key_id: str, request: Request) -> Response:
        """The path ends with the key id, the body is the blob: what `client.get_public_keys()` returns."""
        _check(key_id, request)
        async with intake.body(request, most_key_bytes) as public_keys:
            answer = await _ask(pool, "upload", public_keys, key_id=key_id)
        return _without_body(answer)

    @app.delete(
        "/keys/{key_id:path}",
        summary="Delete a client's public keys",
        status_code=HTTPStatus.NO_CONTENT,
        responses=_refusals(400, 404, 422, 503),
    )
    async def delete_keys(key_id: str, request: Request) -> Response:
        """From the answer on, no request is scored with these keys."""
        _check(key_id, request)
        return _without_body(await _ask(pool, "delete", key_id=key_id))

    @app.post(
        "/score",
        summary="Score encrypted values",
        response_model=list[str],
        response_description="Encrypted scores in base64, for `client.decrypt()`",
        responses={200: _example([_EXAMPLE_TEXT])} | _refusals(400, 404, 408, 413, 422, 503),
        openapi_extra=_described_body(
            "application/json",
            ScoringRequest.model_json_schema(),
            example={"data": [_EXAMPLE_TEXT], "key_id": _EXAMPLE_KEY_ID},
        ),
    )
    async def score(request: Request) -> Response:
        """`data` is what `client.encrypt(values)` returned; `key_id` names public keys uploaded before."""
        async with intake.body(request, MOST_SCORING_BYTES) as body:
            answer = await _ask(pool, "score", body)
        return _with_body(answer)

    @app.get("/health", summary="Is the service well?", responses={200: _example(_health(classes, features))})
    async def health() -> dict:
        """The service answers, and which model it has."""
        return _health(classes, features)

    return app


@contextlib.asynccontextmanager
async def _running(pool: WorkerPool) -> AsyncIterator[None]:
    await asyncio.to_thread(pool.wait_until_ready)
    try:
        yield
    finally:
        await asyncio.to_thread(pool.close)


async def _ask(pool: WorkerPool, operation: str, payload: bytes = b"", key_id: str = "") -> tuple[int, bytes]:
    question = {"operation": operation, "language": language(), "key_id": key_id}
    return await pool.answer(question, payload)


def _with_body(answer: tuple[int, bytes]) -> Response:
    status, body = answer
    return Response(body, status_code=status, media_type="application/json")


def _without_body(answer: tuple[int, bytes]) -> Response:
    return Response(status_code=HTTPStatus.NO_CONTENT) if answer[0] == HTTPStatus.OK else _with_body(answer)


def _check(key_id: str, request: Request) -> None:
    if request.scope["path"].endswith(f"/{key_id}\n"):  # the router drops a line's end after the id
        key_id += "\n"
    try:
        check_key_id(key_id)
    except ValueError as error:
        raise HTTPException(HTTPStatus.BAD_REQUEST, str(error)) from error


def _health(classes: int, features: int) -> dict:
    return {"status": "ok", "classes": classes, "features": features}


def _example(value) -> dict:
    return {"content": {"application/json": {"example": value}}}


_REASONS = {
    400: ("Not what was expected", "A key id of 64 hexadecimal digits (0-9, a-f) was expected, but …"),
    404: ("No keys under this key id", f"No public keys are stored under the key id {_EXAMPLE_KEY_ID}."),
    408: ("The body came too slowly", f"The whole body was expected within {SECONDS_TO_SEND} seconds."),
    413: ("Too large", f"A body of at most {MOST_KEY_BYTES} bytes was expected, but more came."),
    422: ("It ended the process that evaluated it", "What came can't be evaluated: …"),
    503: ("The key store can't be used, or too much at once", "The key store can't be used (…)."),
}


def _refusals(*statuses: int) -> dict:
    return {
        status: {"model": Refusal, "description": _REASONS[status][0]}
        | _example({"error": _REASONS[status][1]})
        for status in statuses
    }


def _described_body(media_type: str, schema: dict, **example) -> dict:
    return {"requestBody": {"required": True, "content": {media_type: {"schema": schema, **example}}}}
