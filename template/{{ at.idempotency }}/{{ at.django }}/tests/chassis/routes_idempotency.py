"""Declared idempotent: views whose replies are rendered late, or stream."""

import itertools

from django.http import HttpRequest, StreamingHttpResponse
from django.http.response import HttpResponseBase
from django.template import engines
from django.template.response import TemplateResponse
from ninja import Router

from app.chassis.routes import declare
from tests.chassis import wall

router = Router()
calls = itertools.count(1)


@router.post("/rendered")
@declare(idempotent=True)
def rendered(request: HttpRequest) -> HttpResponseBase:
    """Django renders it when the view has returned."""
    return TemplateResponse(request, engines["django"].from_string("{{ call }}"), {"call": next(calls)}, status=201)


@router.post("/streamed")
@declare(idempotent=True)
def streamed(request: HttpRequest) -> HttpResponseBase:
    return StreamingHttpResponse((b"one", b"two"))


wall.install()
