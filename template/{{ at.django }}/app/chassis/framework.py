"""Django and Ninja as this service uses them: orjson, problems for errors, OpenAPI that names every failure."""

import logging
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import cached_property
from typing import Any, cast

import django
import orjson
from django.core.handlers.wsgi import WSGIHandler
from django.http import HttpRequest
from django.urls import URLPattern, URLResolver, get_resolver
from ninja import NinjaAPI, Router
from ninja.errors import ValidationError, ValidationErrorContext
from ninja.openapi.schema import OpenAPISchema
from ninja.operation import Operation, PathView
from ninja.parser import Parser
from ninja.renderers import BaseRenderer
from ninja.responses import NinjaJSONEncoder

from app.chassis import about, openapi, routes
from app.chassis.errors import Problem
from app.chassis.metrics import METHODS
from app.chassis.middleware import template
from app.chassis.parts import PARTS
from app.chassis.security import docs_enabled


def build() -> WSGIHandler:
    """Django, with everything imported that its first request would import."""
    django.setup(set_prefix=False)
    # The edge writes one line for each request, with the exception when there is one: Django's would be a second.
    logging.getLogger("django.request").addFilter(lambda record: not hasattr(record, "status_code"))
    handler = WSGIHandler()
    patterns = get_resolver().url_patterns
    routes.learn(every_route("", patterns))
    # The first part that a request meets is the outermost.
    for part in reversed(PARTS):
        if hasattr(part, "wrap"):
            wrap(part.wrap, patterns)
    return handler


def every_route(prefix: str, patterns: Iterable[URLPattern | URLResolver]) -> Iterator[routes.Known]:
    """Every route; a plain view answers to any method."""
    for pattern in patterns:
        path = prefix + str(pattern.pattern)
        if isinstance(pattern, URLResolver):
            yield from every_route(path, pattern.url_patterns)
            continue
        operations = operations_of(pattern)
        for operation in operations:
            yield from (routes.Known(method, template(path), operation.view_func) for method in operation.methods)
        if not operations:
            yield from (routes.Known(method, template(path), pattern.callback) for method in METHODS)


def operations_of(pattern: URLPattern) -> list[Operation]:
    """Ninja's views are closures around what it knows of a path; a plain view has none."""
    cells = [cell.cell_contents for cell in getattr(pattern.callback, "__closure__", None) or ()]
    return [one for cell in cells if isinstance(cell, PathView) for one in cell.operations]


def wrap(around: Callable[[routes.Policy, Any], Any], patterns: Iterable[URLPattern | URLResolver]) -> None:
    """Let a part put around every view what the view declares; once, however many patterns lead to it."""
    for owner, name, view in {id(called[0]): called for called in every_call(patterns)}.values():
        setattr(owner, name, around(routes.declared(view), getattr(owner, name)))


def every_call(patterns: Iterable[URLPattern | URLResolver]) -> Iterator[tuple[Any, str, Any]]:
    """Who keeps what is called for a route, under which name, and the view as its author wrote it."""
    for pattern in patterns:
        if isinstance(pattern, URLResolver):
            yield from every_call(pattern.url_patterns)
            continue
        operations = operations_of(pattern)
        yield from ((operation, "run", operation.view_func) for operation in operations)
        if not operations:
            yield pattern, "callback", pattern.callback


def create(**options: Any) -> NinjaAPI:
    """The typed API; `options` go to NinjaAPI (`auth=`, `throttle=`, ...).

    The routes that parts bring are in the one without a name of its own, `urls_namespace`.
    """
    shown = docs_enabled()
    defaults = {
        "title": about.NAME,
        "description": about.DESCRIPTION,
        "version": about.version(),
        "openapi_url": "/openapi.json" if shown else None,
        "docs_url": "/docs" if shown else None,
        "parser": JsonParser(),
        "renderer": JsonRenderer(),
        "urls_namespace": "api",
    }
    api = Api(**defaults | options)
    if "urls_namespace" not in options:
        api.more = [router for part in PARTS if hasattr(part, "routers") for router in part.routers()]
    return api


class Api(NinjaAPI):
    """NinjaAPI whose failures are those of every other view; `more` are routers that come after the service's own."""

    more: Sequence[Router] = ()

    @property
    def urls(self) -> tuple[list[URLResolver | URLPattern], str, str]:
        for router in self.more:
            # Every route that comes before costs each request of the later ones a comparison.
            self.add_router("", router)
        self.more = ()
        return super().urls

    def set_default_exception_handlers(self) -> None:
        """None of Ninja's own: the middleware maps whatever a view raises."""

    def validation_error_from_error_contexts(
        self, error_contexts: list[ValidationErrorContext[Any]]
    ) -> ValidationError:
        """Pointers into the body start at the body, not at the name that the view has for it."""
        errors = []
        for context in error_contexts:
            name = getattr(context.model, "__read_from_single_attr__", None)
            for one in super().validation_error_from_error_contexts([context]).errors:
                source, *rest = one["loc"]
                errors.append(one | {"loc": (source, *(rest[1:] if rest[:1] == [name] else rest))})
        return ValidationError(errors)

    def get_openapi_schema(self, **options: Any) -> OpenAPISchema:
        return self._documented if not options.get("path_params") else super().get_openapi_schema(**options)

    @cached_property
    def _documented(self) -> OpenAPISchema:
        return cast("OpenAPISchema", openapi.with_problems(super().get_openapi_schema()))


class UnsupportedMediaType(Problem):
    status = 415


class JsonParser(Parser):
    """orjson: faster, and strict about what is not JSON (NaN, lone surrogates, bottomless nesting)."""

    def parse_body(self, request: HttpRequest) -> Any:
        kind = request.content_type or ""
        if kind != "application/json" and not kind.endswith("+json"):
            raise UnsupportedMediaType("Send the body as application/json.")
        try:
            return orjson.loads(request.body)
        except orjson.JSONDecodeError as error:
            raise MalformedJson("The body is not valid JSON.") from error


class MalformedJson(Problem):
    status = 400


class JsonRenderer(BaseRenderer):
    media_type = "application/json"

    def render(self, request: HttpRequest, data: Any, *, response_status: int) -> bytes:  # noqa: ARG002
        return orjson.dumps(data, default=NinjaJSONEncoder().default, option=orjson.OPT_UTC_Z | orjson.OPT_NON_STR_KEYS)
