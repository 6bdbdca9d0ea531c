"""What stands between a route and its view, and which routes need nothing there."""

from collections.abc import Awaitable, Callable
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

Handler = Callable[[Request], Awaitable[Response]]


def guarded(scope: str, handler: Handler) -> Handler:
    """The handler for callers with this scope; its body is not read for anybody else."""
    from app.chassis.authentication import require  # noqa: PLC0415 - which imports this module

    async def guard(request: Request) -> Response:
        require(scope)
        return await handler(request)

    return guard


def is_exempt(view: Any) -> bool:  # noqa: ARG001 - Django's own views are
    """Nothing is: the pages of the documentation say themselves that they are public."""
    return False
