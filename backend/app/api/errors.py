"""Failures become HTTP here and nowhere else. No answer echoes the request or our internals."""

import asyncio
from functools import cache
from http import HTTPStatus
from typing import Any

import structlog
from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.core.errors import Conflict, ETFTraderError, NotFound, Refused, StillRunning, Unavailable
from app.quant.errors import QuantError
from app.schemas.base import Input
from app.schemas.problem import Fault, Problem, problem_type

RETRY_AFTER_SECONDS = 1
LONGEST_ANSWER_SECONDS = 15

STATUS: dict[type[Exception], HTTPStatus] = {
    NotFound: HTTPStatus.NOT_FOUND,
    Conflict: HTTPStatus.CONFLICT,
    Refused: HTTPStatus.UNPROCESSABLE_ENTITY,
    QuantError: HTTPStatus.UNPROCESSABLE_ENTITY,
    Unavailable: HTTPStatus.SERVICE_UNAVAILABLE,
    ETFTraderError: HTTPStatus.BAD_REQUEST,
}

MEANING = {
    400: "The request cannot be understood, or comes from a host or origin that is not allowed",
    404: "Absent, or not yours",
    408: "The body did not arrive in time",
    405: "The path does not take this method",
    409: "Not possible in the present state, or the first request with this key still runs",
    413: "The body is larger than 256 kB",
    422: "A field is wrong, or the request cannot be done as it stands",
    503: "The database does not answer; try again after the given seconds",
}

ALWAYS = (400, 408, 413, 422, 503)

log = structlog.get_logger()


def problems(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """The `responses` of a route: what it may answer besides success."""
    return {
        status: {
            "model": Problem,
            "description": MEANING[status],
            "content": {"application/problem+json": {}},
        }
        for status in statuses
    }


def problem(
    status: int, detail: str, *, kind: str = "", faults: tuple[Fault, ...] = ()
) -> Response:
    title = HTTPStatus(status).phrase
    body = Problem(
        type=problem_type(kind or title),
        title=title,
        status=status,
        detail=detail,
        errors=list(faults),
    )
    again = status == HTTPStatus.SERVICE_UNAVAILABLE or kind == StillRunning.__name__
    headers = {"Retry-After": str(RETRY_AFTER_SECONDS)} if again else None
    return Response(body.model_dump_json(), status, headers, "application/problem+json")


def install(app: FastAPI) -> None:
    for family in STATUS:
        app.add_exception_handler(family, _known)
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(HTTPException, _from_framework)
    for lost in (OperationalError, InterfaceError):
        app.add_exception_handler(lost, _database_away)


async def _known(_: Request, error: Exception) -> Response:
    status = next(STATUS[kind] for kind in type(error).__mro__ if kind in STATUS)
    return problem(status, str(error), kind=type(error).__name__)


async def _invalid(_: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    faults = tuple(
        Fault(location=_location(fault), message=_message(fault)) for fault in error.errors()
    )
    first = faults[0]
    where = ".".join(str(part) for part in first.location)
    return problem(422, f"{where}: {first.message}.", kind="invalid-request", faults=faults)


async def _from_framework(_: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    answer = problem(error.status_code, MEANING.get(error.status_code, "Not possible") + ".")
    answer.headers.update(error.headers or {})
    return answer


async def _database_away(_: Request, error: Exception) -> Response:
    assert isinstance(error, DBAPIError)
    log.warning("database_away", error=type(error.orig).__name__)
    return problem(503, "The database does not answer: try again in a moment.", kind="Unavailable")


class LastResort:
    """Answers what nobody foresaw, so that a request always ends and its connection stays usable.

    An unforeseen error is logged and answered with a bare 500; a request that waits for something
    that is frozen, with 503.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        started = False

        async def note_start(message: Message) -> None:
            nonlocal started
            started = started or message["type"] == "http.response.start"
            await send(message)

        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        try:
            async with asyncio.timeout(LONGEST_ANSWER_SECONDS):
                await self._app(scope, receive, note_start)
        except ClientDisconnect:
            log.info("client_gone", method=scope["method"])
        except TimeoutError:
            if started:
                raise
            log.warning("answer_took_too_long", method=scope["method"])
            answer = problem(503, "Something we stand on does not answer: try again in a moment.")
            await answer(scope, receive, send)
        except Exception:
            if started:
                raise
            log.exception("unforeseen_error", method=scope["method"])
            answer = problem(500, "Something went wrong on our side; it has been logged.")
            await answer(scope, receive, send)


def _location(fault: dict[str, Any]) -> list[str | int]:
    """Where the fault is, in our names only: an unknown field or a key may be anything."""
    first, *rest = fault["loc"]
    if first != "body" and fault["type"] != "extra_forbidden":
        return [first, *rest]
    return [
        first,
        *(part if isinstance(part, int) or part in _our_names() else "?" for part in rest),
    ]


def _message(fault: dict[str, Any]) -> str:
    if fault["type"] == "extra_forbidden":
        return "a field of this name is not known; check its spelling"
    return str(fault["msg"]).removeprefix("Value error, ")


@cache
def _our_names() -> frozenset[str]:
    inputs, names = [Input], set[str]()
    for model in inputs:
        inputs.extend(model.__subclasses__())
        names.update(model.model_fields)
    return frozenset(names)
