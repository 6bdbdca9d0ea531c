"""Django's and Ninja's failures as problem details."""

import sys
from collections.abc import Mapping
from typing import Any

from django.conf import settings
from django.core.exceptions import (
    BadRequest,
    PermissionDenied,
    RequestDataTooBig,
    SuspiciousOperation,
)
from django.db import DataError, InterfaceError, OperationalError
from django.http import Http404, HttpRequest, HttpResponse, UnreadablePostError
from django.http.multipartparser import MultiPartParserError
from django.http.response import HttpResponseBase
from ninja.errors import HttpError, ValidationError

from app.chassis import database
from app.chassis.errors import CONTENT_TYPE, Problem, Unavailable, problem, validation_errors
from app.chassis.exchange import current

# ruff: noqa: ARG001 - Django passes what it has, by name

# The first that fits.
PLAIN: tuple[tuple[type[Exception], int, str | None], ...] = (
    (Http404, 404, None),
    (PermissionDenied, 403, None),
    (RequestDataTooBig, 413, None),
    (BadRequest, 400, None),
    (MultiPartParserError, 400, None),
    (SuspiciousOperation, 400, None),
    (UnreadablePostError, 400, None),
    (DataError, 422, "A value cannot be stored."),
)


def reply(error: BaseException) -> HttpResponse | None:
    """The reply to what a view raised; None for what nobody foresaw, which is Django's to report."""
    match error:
        case Problem():
            return respond(error.status, error.detail, error.headers, **error.members)
        case ValidationError():
            return respond(422, "Some values were refused.", errors=validation_errors(error.errors))
        case HttpError():
            # Ninja wraps whatever its parser raised.
            known = error.__cause__
            return reply(known) if isinstance(known, Problem) else respond(error.status_code, str(error))
        case OperationalError() | InterfaceError() if database.is_unavailable(error):
            remember(error)
            return respond(503, "The database does not answer; try again.", Unavailable.headers)
    plain = ((status, detail) for kind, status, detail in PLAIN if isinstance(error, kind))
    return next((respond(status, detail) for status, detail in plain), None)


def respond(
    status: int, detail: str | None = None, headers: Mapping[str, str] | None = None, **members: Any
) -> HttpResponse:
    return HttpResponse(problem(status, detail, **members), CONTENT_TYPE, status, headers=headers)


def remember(error: BaseException | None) -> None:
    """What the log line and the span tell of a failure, and the client does not learn."""
    exchange = current.get()
    if exchange is not None:
        exchange.error = error


def method_not_allowed(response: HttpResponseBase) -> HttpResponse:
    """Django's and Ninja's own have no body worth keeping, only the `Allow` header."""
    return respond(405, None, {"Allow": response.get("Allow", "")})


# -- what Django asks app/urls.py for: failures outside of any view ----------------------------------------------------


def handler400(request: HttpRequest, exception: Exception) -> HttpResponse:
    return reply(exception) or respond(400)


def handler403(request: HttpRequest, exception: Exception) -> HttpResponse:
    return reply(exception) or respond(403)


def handler404(request: HttpRequest, exception: Exception) -> HttpResponse:
    return respond(404)


def handler500(request: HttpRequest) -> HttpResponse:
    remember(sys.exc_info()[1])
    return respond(500)


def csrf_failure(request: HttpRequest, reason: str = "") -> HttpResponse:
    return respond(403, reason if settings.DEBUG else "The CSRF check failed.")
