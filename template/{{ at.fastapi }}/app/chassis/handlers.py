"""FastAPI's failures as problem details."""

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any, cast

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from sqlalchemy.exc import DataError
from starlette.exceptions import HTTPException
from starlette.routing import Match

from app.chassis import database
from app.chassis.errors import CONTENT_TYPE, Problem, Unavailable, problem, validation_errors
from app.chassis.exchange import current
from app.chassis.metrics import METHODS


def install(app: FastAPI) -> None:
    """Every failure that FastAPI knows leaves as `application/problem+json`; what nobody foresaw is the edge's."""
    app.add_exception_handler(Problem, on_problem)
    app.add_exception_handler(HTTPException, on_http_exception)
    app.add_exception_handler(RequestValidationError, on_invalid_request)
    app.add_exception_handler(DataError, on_data_error)
    for kind in database.UNAVAILABLE:
        app.add_exception_handler(kind, on_database_away)


async def on_problem(_request: Request, error: Exception) -> Response:
    known = cast("Problem", error)
    return reply(known.status, known.detail, known.headers, **known.members)


async def on_http_exception(request: Request, error: Exception) -> Response:
    known = cast("HTTPException", error)
    if known.status_code == HTTPStatus.METHOD_NOT_ALLOWED:
        return reply(known.status_code, headers={"Allow": allowed(request)})
    return reply(known.status_code, known.detail, known.headers)


def allowed(request: Request) -> str:
    """What the path can do: Starlette names the methods of the first route that has it, and others may have it too."""
    scopes = ({**request.scope, "method": method} for method in sorted(METHODS))
    return ", ".join(
        scope["method"]
        for scope in scopes
        if any(route.matches(scope)[0] is Match.FULL for route in request.app.routes)
    )


async def on_invalid_request(request: Request, error: Exception) -> Response:
    errors = cast("list[dict[str, Any]]", list(cast("RequestValidationError", error).errors()))
    if any(one["type"] == "json_invalid" for one in errors):
        return reply(400, "The body is not valid JSON.")
    if any(one["loc"] == ("body",) and one["type"] != "missing" for one in errors) and not _is_json(request):
        return reply(415, "Send the body as application/json.")
    return reply(422, "Some values were refused.", errors=validation_errors(errors))


async def on_data_error(_request: Request, _error: Exception) -> Response:
    return reply(422, "A value cannot be stored.")


async def on_database_away(_request: Request, error: Exception) -> Response:
    exchange = current.get()
    if exchange is not None:
        exchange.error = error
    return reply(503, "The database does not answer; try again.", Unavailable.headers)


def reply(status: int, detail: str | None = None, headers: Mapping[str, str] | None = None, **members: Any) -> Response:
    return Response(problem(status, detail, **members), status, headers, CONTENT_TYPE)


def _is_json(request: Request) -> bool:
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    return kind == "application/json" or kind.endswith("+json")
