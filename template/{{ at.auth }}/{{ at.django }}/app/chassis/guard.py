"""What stands between a route and its view, and which routes need nothing there."""

from collections.abc import Callable
from functools import partial, wraps
from typing import Any

from asgiref.sync import iscoroutinefunction, markcoroutinefunction
from django.http import HttpRequest
from django.http.response import HttpResponseBase

View = Callable[..., HttpResponseBase]
# The admin, which asks for its own users; the documentation.
EXEMPT = ("django.contrib.admin.", "django.contrib.auth.admin", "ninja.openapi.")


def guarded(scope: str, view: View) -> View:
    """The view for callers with this scope; its body is not read for anybody else."""
    from app.chassis.authentication import require  # noqa: PLC0415 - which imports this module

    @wraps(view)
    def guard(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        require(scope)
        return view(request, *args, **kwargs)

    return markcoroutinefunction(guard) if iscoroutinefunction(view) else guard


def is_exempt(view: Any) -> bool:
    """Whether it is of a page of Django's admin or of Ninja's documentation."""
    function = view.func if isinstance(view, partial) else view
    of_the_admin = hasattr(view, "admin_site") or hasattr(view, "model_admin")
    return of_the_admin or getattr(function, "__module__", "").startswith(EXEMPT)
