"""What a party answers over HTTP, and whom it admits.

Promises that nothing but `GET /health` is answered to a caller without a token of this cluster, that a token
opens what its role needs and no more, that a body beyond its bound is dropped while it comes, and that every
refusal is `{"error": "one sentence"}` in the caller's language.
"""

import asyncio
import contextlib
import json
import re
from collections.abc import AsyncIterator

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route

from course_lib.i18n import _, best_language, use_language
from course_lib.mpc import wire
from course_lib.mpc.credentials import CLIENT, OWNER, PARTY
from course_lib.mpc.refusal import Refusal
from course_lib.mpc.service import PartyService
from course_lib.mpc.spec import PARTIES

MOST_MODEL_BYTES = 1 << 30
_MOST_JSON_BYTES = 1 << 16
_SECONDS_TO_SEND = 60
_QUESTION = "/questions/{question_id:str}"


def create_app(service: PartyService) -> Starlette:
    """The web application in front of a party's `service`."""

    async def health(_request: Request) -> Response:
        return JSONResponse({"party": service.member.setting.name})

    async def state(_request: Request) -> Response:
        return JSONResponse(service.state())

    async def link_port(_request: Request) -> Response:
        port = await service.member.link_port()
        return _not_yet() if port is None else JSONResponse({"link_port": port})

    async def join(request: Request) -> Response:
        given = await _json(request)
        session, endpoints, links = (given.get(name) for name in ("session", "endpoints", "links"))
        if not (_is_id(session) and _are_hosts(endpoints) and _are_hosts(links)):
            raise Refusal(400, _("A session, three endpoints and three links were expected."))
        service.join(session, endpoints, links)
        return _not_yet()

    async def joined(_request: Request) -> Response:
        return _done() if await service.has_joined() else _not_yet()

    async def end(_request: Request) -> Response:
        service.member.stop()
        return _done()

    async def share(request: Request) -> Response:
        service.hold_model(await _body(request, MOST_MODEL_BYTES))
        return _not_yet()

    async def unshare(_request: Request) -> Response:
        service.forget_model()
        return _not_yet()

    async def changed(_request: Request) -> Response:
        return _done() if await service.has_changed() else _not_yet()

    async def serve(request: Request) -> Response:
        num_requests = (await _json(request)).get("num_requests")
        if num_requests is not None and (type(num_requests) is not int or num_requests < 1):
            raise Refusal(400, _("A number of requests of 1 or more was expected, or none."))
        service.serve(num_requests)
        return _done()

    async def ask(request: Request) -> Response:
        spec = service.require_serving()
        largest = wire.share_frame_bytes((max(spec.batch_sizes), *spec.input_shape))
        with service.room_for(min(largest, _announced_bytes(request) or largest)):
            frame = await _body(request, largest)
        service.take_question(_question_id(request), frame)
        return _done()

    async def run(request: Request) -> Response:
        await service.run(_question_id(request))
        return _done()

    async def turn(request: Request) -> Response:
        given = await _json(request)
        question_id, fingerprint = given.get("question_id"), given.get("fingerprint")
        if not (_is_id(question_id) and _is_id(fingerprint)):
            raise Refusal(400, _("A question's id and a model's fingerprint were expected."))
        service.take_turn(question_id, bytes.fromhex(fingerprint))
        return _done()

    async def answer(request: Request) -> Response:
        found = await service.answer(_question_id(request))
        if found is None:
            return _not_yet()
        frame, cost = found
        return Response(frame, media_type="application/octet-stream", headers={"Course-Cost": cost.to_json()})

    async def forget(request: Request) -> Response:
        service.forget(_question_id(request))
        return _done()

    async def pulse(_request: Request) -> Response:
        return StreamingResponse(service.member.beats(), media_type="application/octet-stream")

    def route(path: str, method: str, endpoint, *roles: str) -> Route:
        return Route(path, _for(service, roles, endpoint), methods=[method])

    return Starlette(
        routes=[
            Route("/health", health),
            route("/state", "GET", state, OWNER, CLIENT),
            route("/link-port", "GET", link_port, OWNER),
            route("/join", "POST", join, OWNER),
            route("/join", "GET", joined, OWNER),
            route("/end", "POST", end, OWNER),
            route("/model", "PUT", share, OWNER),
            route("/model", "DELETE", unshare, OWNER),
            route("/model", "GET", changed, OWNER),
            route("/serving", "PUT", serve, OWNER),
            route(_QUESTION, "PUT", ask, CLIENT),
            route(_QUESTION + "/turn", "POST", run, CLIENT),
            route(_QUESTION, "GET", answer, CLIENT),
            route(_QUESTION, "DELETE", forget, CLIENT),
            route("/turns", "POST", turn, PARTY),
            route("/pulse", "GET", pulse, PARTY),
        ],
        exception_handlers={HTTPException: _nothing_here},
        lifespan=lambda _app: _sweeping(service),
    )


def _for(service: PartyService, roles: tuple[str, ...], endpoint):
    """`endpoint` for callers with one of `roles`; what it refuses is told in the caller's language."""

    async def admitted(request: Request) -> Response:
        with use_language(best_language(request.headers.get("accept-language"))):
            try:
                token = request.headers.get("authorization", "").removeprefix("Bearer ")
                if service.member.setting.identity.role_of(token) not in roles:
                    raise Refusal(401, _("The party does not admit this token for this."))
                return await endpoint(request)
            except Refusal as refusal:
                return JSONResponse({"error": str(refusal)}, status_code=refusal.status)
            except ValueError as error:
                return JSONResponse({"error": str(error)}, status_code=400)
            except ClientDisconnect:
                return Response(status_code=400)  # nobody is there to read it

    return admitted


async def _nothing_here(_request: Request, error: HTTPException) -> Response:
    return JSONResponse({"error": _("There is nothing here for this method.")}, error.status_code)


def _announced_bytes(request: Request) -> int | None:
    announced = request.headers.get("content-length", "")
    return int(announced) if announced.isdecimal() else None


async def _body(request: Request, most: int) -> bytes:
    """The request's body; Refusal where it has more than `most` bytes or comes too slowly."""
    body = bytearray()
    try:
        async with asyncio.timeout(_SECONDS_TO_SEND):
            async for part in request.stream():
                if len(body) + len(part) > most:
                    sentence = _("At most {most} bytes were expected, but more came.")
                    raise Refusal(413, sentence.format(most=most))
                body += part
    except TimeoutError:
        sentence = _("All of it was expected within {seconds} seconds.")
        raise Refusal(408, sentence.format(seconds=_SECONDS_TO_SEND)) from None
    return bytes(body)


async def _json(request: Request) -> dict:
    try:
        given = json.loads(await _body(request, _MOST_JSON_BYTES))
    except (UnicodeDecodeError, json.JSONDecodeError, RecursionError):
        given = None
    if not isinstance(given, dict):
        raise Refusal(400, _("JSON with named values was expected."))
    return given


def _question_id(request: Request) -> str:
    question_id = request.path_params["question_id"]
    if not _is_id(question_id):
        raise Refusal(400, _("A question's id has 32 hexadecimal digits."))
    return question_id


def _is_id(value) -> bool:
    return isinstance(value, str) and re.fullmatch("[0-9a-f]{32}", value) is not None


def _are_hosts(values) -> bool:
    return (
        isinstance(values, list)
        and len(values) == len(PARTIES)
        and all(isinstance(value, str) and re.fullmatch(r"[\w.-]{1,255}:\d{1,5}", value) for value in values)
    )


@contextlib.asynccontextmanager
async def _sweeping(service: PartyService) -> AsyncIterator[None]:
    sweeper = asyncio.create_task(service.sweep())
    try:
        yield
    finally:
        sweeper.cancel()


def _done() -> Response:
    return Response(status_code=204)


def _not_yet() -> Response:
    """The caller is to ask again, by GET."""
    return Response(status_code=202)
