"""What the service answers over HTTP, and how it describes itself at /docs.

Promises that every refusal is `{"error": "one sentence"}`, that each answer names the version of the model
it comes from, and that a large batch hardly keeps others waiting. The sentence is in the caller's language,
but why the last look at the registry failed is told in that of whoever caused the look. Leaves out logins
and TLS, which a reverse proxy adds.
"""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator
from http import HTTPStatus

import numpy as np
from fastapi import FastAPI, HTTPException, Request, Response
from fastapi_offline import FastAPIOffline
from pydantic import BaseModel, Field

from course_lib.i18n import _
from course_lib.serving.champion import Champion, NoChampion, ServedModel
from course_lib.serving.logs import RequestLog
from course_lib.serving.monitoring import Monitoring
from course_lib.serving.observed import PREDICT, Observed
from course_lib.serving.refreshing import Refreshing
from course_lib.serving.saved_model import RefusedModel
from course_lib.serving.schema import (
    EXAMPLE_WINE,
    MOST_BYTES,
    MOST_ROWS,
    NotJson,
    TooManyRows,
    question_schema,
    read_question,
)
from course_lib.web.intake import SECONDS_TO_SEND, Intake
from course_lib.web.middleware import InTheCallersLanguage, UnderAPrefix
from course_lib.web.refusals import Refusal, answer_refusals

_SMALL_BODY = 32 << 10  # bytes; what is larger is read and predicted in a thread
_SECONDS_BETWEEN_UPDATES = 1


class Answer(BaseModel):
    """Predictions, and the model that they come from."""

    predictions: list[float] = Field(description="the quality of each wine, in the question's order")
    model: str = Field(description="the registered model")
    version: int = Field(description="its version, which the registry's page explains")


class Readiness(BaseModel):
    """Which model answers."""

    model: str
    version: int
    refresh_failure: str | None = Field(description="why the last look at the registry failed, if it did")


class Reloaded(BaseModel):
    """Which model answers after a look at the registry."""

    model: str
    version: int
    changed: bool = Field(description="whether it is another one than before")


def create_app(champion: Champion, *, monitoring: Monitoring | None, refresh_seconds: float = 10) -> FastAPI:
    """The web application that answers with `champion` and asks the registry every `refresh_seconds`."""
    refreshing, log = Refreshing(champion, monitoring), RequestLog()
    app = FastAPIOffline(  # its page at /docs needs nothing from another server
        title="Wine quality",
        description="Predicts what tasters would say of a red wine from eleven measurements. At most "
        f"{MOST_ROWS} wines and {MOST_BYTES} bytes a request. Unusual values are answered, and counted.",
        version="1.0",
        docs_url="/docs",
        redoc_url=None,
        redirect_slashes=False,
        lifespan=lambda _app: _running(refreshing, champion, monitoring, log, refresh_seconds),
    )
    app.add_middleware(InTheCallersLanguage)
    app.add_middleware(Observed, monitoring=monitoring, log=log)
    app.add_middleware(UnderAPrefix)
    answer_refusals(app)
    app.state.stopping = False
    intake = Intake()

    @app.post(
        PREDICT,
        summary="Predict the quality of wines",
        response_model=Answer,
        responses={200: _example({"predictions": [5.2], "model": "wine", "version": 1})}
        | _refusals(400, 408, 413, 415, 422, 503),
        openapi_extra={
            "requestBody": {
                "required": True,
                "content": {
                    "application/json": {"schema": question_schema(), "example": {"wines": [EXAMPLE_WINE]}}
                },
            }
        },
    )
    async def predict(request: Request) -> Response:
        """Every measurement of every wine is needed, under its name, as a finite number."""
        async with intake.body(request, MOST_BYTES) as body:
            _require_json(request)
            served = _require_model(champion)
            if len(body) <= _SMALL_BODY:
                rows, predictions = _predict(served, body)
            else:
                rows, predictions = await asyncio.to_thread(_predict, served, bytes(body))
        request.scope["noted"].update(rows=len(rows), version=served.version)
        if monitoring is not None:
            monitoring.count_rows(served, rows, predictions)
        answer = {"predictions": predictions.tolist(), "model": served.name, "version": served.version}
        return Response(json.dumps(answer), media_type="application/json")

    @app.post("/reload", summary="Look for a new champion", responses=_refusals(409, 503))
    async def reload() -> Reloaded:
        """Requests go on meanwhile, with the model that there is."""
        try:
            changed = await refreshing.refresh()
        except NoChampion as error:
            raise HTTPException(HTTPStatus.SERVICE_UNAVAILABLE, str(error)) from error
        except RefusedModel as error:
            raise HTTPException(HTTPStatus.CONFLICT, str(error)) from error
        served = _require_model(champion)
        return Reloaded(model=served.name, version=served.version, changed=changed)

    @app.get("/health", summary="Is the service alive?", responses={200: _example({"status": "ok"})})
    async def health() -> dict[str, str]:
        """It is, if it answers at all."""
        return {"status": "ok"}

    @app.get("/ready", summary="Has the service a model?", responses=_refusals(503))
    async def ready() -> Readiness:
        """Send requests only to a service that is ready: it has a model, and isn't about to stop."""
        if app.state.stopping:
            raise HTTPException(HTTPStatus.SERVICE_UNAVAILABLE, _("The service is about to stop."))
        served = _require_model(champion)
        return Readiness(model=served.name, version=served.version, refresh_failure=champion.failure)

    if monitoring is not None:

        @app.get(
            "/metrics",
            summary="Metrics for Prometheus",
            response_class=Response,
            responses={200: {"content": {"text/plain": {}}}},
        )
        async def metrics() -> Response:
            """Counts since the start, and what the newest rows look like."""
            monitoring.update(champion)
            return Response(monitoring.exposition(), media_type="text/plain; version=0.0.4; charset=utf-8")

    return app


def _predict(served: ServedModel, body: bytes | bytearray) -> tuple[np.ndarray, np.ndarray]:
    """The rows in `body` and their predictions; HTTPException where there are none."""
    try:
        rows = read_question(body)
    except NotJson as error:
        raise HTTPException(HTTPStatus.BAD_REQUEST, str(error)) from error
    except TooManyRows as error:
        raise HTTPException(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, str(error)) from error
    except ValueError as error:
        raise HTTPException(HTTPStatus.UNPROCESSABLE_ENTITY, str(error)) from error
    predictions = served.model.predict(rows)
    if not np.isfinite(predictions).all():  # JSON has no such number
        row = int(np.flatnonzero(~np.isfinite(predictions))[0]) + 1
        sentence = _("The model has no finite answer for wine {row}.").format(row=row)
        raise HTTPException(HTTPStatus.UNPROCESSABLE_ENTITY, sentence)
    return rows, predictions


def _require_json(request: Request) -> None:
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != "application/json":
        sentence = _("The content type application/json was expected.")
        raise HTTPException(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, sentence)


def _require_model(champion: Champion) -> ServedModel:
    if champion.current is None:
        sentence = champion.failure or _("The service has no model yet; please try again.")
        raise HTTPException(HTTPStatus.SERVICE_UNAVAILABLE, sentence, headers={"Retry-After": "5"})
    return champion.current


@contextlib.asynccontextmanager
async def _running(
    refreshing: Refreshing,
    champion: Champion,
    monitoring: Monitoring | None,
    log: RequestLog,
    refresh_seconds: float,
) -> AsyncIterator[None]:
    with contextlib.suppress(Exception):  # logged; /ready says it until there is one
        await refreshing.refresh()
    tasks = [asyncio.create_task(refreshing.keep(refresh_seconds))]
    if monitoring is not None:
        tasks.append(asyncio.create_task(_keep_updating(champion, monitoring, log)))
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        log.flush()


async def _keep_updating(champion: Champion, monitoring: Monitoring, log: RequestLog) -> None:
    while True:
        monitoring.update(champion)
        log.flush()
        await asyncio.sleep(_SECONDS_BETWEEN_UPDATES)


def _example(value) -> dict:
    return {"content": {"application/json": {"example": value}}}


_REASONS = {
    400: ("Not JSON", "JSON was expected, but what came can't be read as JSON."),
    408: ("The body came too slowly", f"The whole body was expected within {SECONDS_TO_SEND} seconds."),
    409: ("The champion is refused", "The model is in the format pickle, and …"),
    413: ("Too large", f"A body of at most {MOST_BYTES} bytes was expected, but more came."),
    415: ("Another content type", "The content type application/json was expected."),
    422: ("Not the eleven measurements", 'For "pH" of wine 1 a finite number was expected, but …'),
    503: ("No model, or too much at once", 'The registry has no model "wine" with the alias "champion".'),
}


def _refusals(*statuses: int) -> dict:
    return {
        status: {"model": Refusal, "description": _REASONS[status][0]}
        | _example({"error": _REASONS[status][1]})
        for status in statuses
    }
