"""How the course's web services say no: `{"error": "one sentence"}` in the caller's language.

Promises that whatever goes wrong in an endpoint, the framework's own refusals and our mistakes included, is
answered in that form. Leaves out what a service refuses, and with which status: that is its own.
"""

from http import HTTPStatus

from fastapi import FastAPI, HTTPException, Request, Response
from pydantic import BaseModel, Field
from starlette.exceptions import HTTPException as StarletteHTTPException
from starlette.requests import ClientDisconnect

from course_lib.i18n import _


class Refusal(BaseModel):
    """Why a request was refused."""

    error: str = Field(description="one sentence in the language of the Accept-Language header")


def answer_refusals(app: FastAPI) -> None:
    """Let `app` answer in this form what its endpoints raise."""
    app.add_exception_handler(StarletteHTTPException, _answer_refusal)
    app.add_exception_handler(ClientDisconnect, _answer_nobody)
    app.add_exception_handler(Exception, _answer_mistake)


async def _answer_refusal(_request: Request, refusal: StarletteHTTPException) -> Response:
    sentence = refusal.detail
    if not isinstance(refusal, HTTPException):  # the framework's own, in English: there is no such route
        sentence = _("There is nothing at this address for this method; /docs lists what there is.")
    body = Refusal(error=sentence).model_dump_json()
    return Response(body, refusal.status_code, refusal.headers, media_type="application/json")


async def _answer_nobody(_request: Request, _gone: ClientDisconnect) -> Response:
    return Response(status_code=HTTPStatus.BAD_REQUEST)  # the caller hung up: nobody will see this


async def _answer_mistake(_request: Request, _error: Exception) -> Response:
    body = Refusal(error=_("The service made a mistake; its log says which.")).model_dump_json()
    return Response(body, HTTPStatus.INTERNAL_SERVER_ERROR, media_type="application/json")
