"""A route's handler whose reply has an ETag: who has it already gets a 304."""

from collections.abc import Awaitable, Callable

from starlette.requests import Request
from starlette.responses import Response

from app.chassis.caching.conditional import REPEATED, control, matches, tag, vary

Handler = Callable[[Request], Awaitable[Response]]


def conditional(declared: str, handler: Handler) -> Handler:
    async def answered(request: Request) -> Response:
        response = await handler(request)
        body = getattr(response, "body", None)
        if response.status_code != 200 or not isinstance(body, bytes) or request.method not in {"GET", "HEAD"}:
            return response
        headers = response.headers
        headers.setdefault("cache-control", control(declared))
        headers["vary"] = vary(headers.get("vary"))
        etag = headers.setdefault("etag", tag(body))
        if not matches(request.headers.get("if-none-match"), etag):
            return response
        return Response(None, 304, {name: value for name, value in headers.items() if name in REPEATED})

    return answered
