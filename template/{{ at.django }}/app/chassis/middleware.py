"""Between Django and the edge: the route's name on the way in, problem details on the way out."""

import re
from collections.abc import Callable
from functools import lru_cache
from typing import Any

from django.http import HttpRequest, HttpResponseBase

from app.chassis import handlers
from app.chassis.exchange import current

_PARAMETER = re.compile(r"<(?:[^>:]+:)?([^>]+)>")
_GROUP = re.compile(r"\(\?P<(\w+)>[^()]*\)")
METHOD_NOT_ALLOWED = 405


class Chassis:
    """The outermost middleware."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        response = self.get_response(request)
        if response.status_code == METHOD_NOT_ALLOWED:
            return handlers.method_not_allowed(response)
        return response

    def process_view(self, request: HttpRequest, *_view: Any) -> None:
        exchange = current.get()
        if exchange is not None and request.resolver_match is not None:
            exchange.route = template(request.resolver_match.route)

    def process_exception(self, _request: HttpRequest, error: Exception) -> HttpResponseBase | None:
        return handlers.reply(error)


@lru_cache(maxsize=1024)
def template(route: str) -> str:
    """`v1/orders/<uuid:order_id>` is `/v1/orders/{order_id}`, and so is the regular expression for it."""
    plain = _GROUP.sub(r"{\1}", route).replace("^", "").replace("\\Z", "").replace("$", "")
    return "/" + _PARAMETER.sub(r"{\1}", plain)
