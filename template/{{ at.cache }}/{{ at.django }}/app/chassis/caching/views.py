"""A view whose reply has an ETag: who has it already gets a 304."""

from collections.abc import Callable
from functools import wraps
from inspect import iscoroutinefunction
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.template.response import SimpleTemplateResponse

from app.chassis.caching.conditional import REPEATED, control, matches, tag, vary

View = Callable[..., HttpResponseBase]


def conditional(declared: str, view: View) -> View:
    if iscoroutinefunction(view):
        raise TypeError("a view whose reply is declared with cache= is no coroutine")

    @wraps(view)
    def answered(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        response = view(request, *args, **kwargs)
        if isinstance(response, SimpleTemplateResponse):
            response = response.render()
        if response.status_code != 200 or response.streaming or request.method not in {"GET", "HEAD"}:
            return response
        response.headers.setdefault("Cache-Control", control(declared))
        response.headers.setdefault("ETag", tag(getattr(response, "content", b"")))
        response.headers["Vary"] = vary(response.headers.get("Vary"))
        if not matches(request.headers.get("If-None-Match"), response.headers["ETag"]):
            return response
        repeated = {name: value for name, value in response.items() if name.lower() in REPEATED}
        made = HttpResponse(status=304, headers=repeated)
        del made.headers["Content-Type"]
        return made

    return answered
