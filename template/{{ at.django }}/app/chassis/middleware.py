"""Between Django and the edge: the route's name and problem details, on the way out."""

import re
from collections.abc import Callable
from functools import lru_cache

from django.http import HttpRequest, HttpResponseBase

from app.chassis import handlers, reading
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
        exchange = current.get()
        # Known once Django has looked for the view, whoever has answered since.
        if exchange is not None and request.resolver_match is not None:
            exchange.route = template(request.resolver_match.route)
        if exchange is not None and exchange.wrote:
            reading.told(exchange)
        if response.status_code == METHOD_NOT_ALLOWED:
            return handlers.method_not_allowed(response)
        return response

    def process_exception(self, _request: HttpRequest, error: Exception) -> HttpResponseBase | None:
        return handlers.reply(error)


@lru_cache(maxsize=1024)
def template(route: str) -> str:
    """`v1/orders/<uuid:order_id>` is `/v1/orders/{order_id}`, and so is the regular expression for it."""
    plain = _GROUP.sub(r"{\1}", route).replace("^", "").replace("\\Z", "").replace("$", "")
    return "/" + _PARAMETER.sub(r"{\1}", plain)
