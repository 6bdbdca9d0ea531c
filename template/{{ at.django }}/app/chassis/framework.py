"""Django and Ninja as this service uses them: orjson, problems for errors, OpenAPI that names every failure."""

import logging
from functools import cached_property
from typing import Any, cast

import django
import orjson
from django.core.handlers.wsgi import WSGIHandler
from django.http import HttpRequest
from django.urls import get_resolver
from ninja import NinjaAPI
from ninja.errors import ValidationError, ValidationErrorContext
from ninja.openapi.schema import OpenAPISchema
from ninja.parser import Parser
from ninja.renderers import BaseRenderer
from ninja.responses import NinjaJSONEncoder

from app.chassis import about, openapi
from app.chassis.errors import Problem
from app.chassis.security import docs_enabled


def build() -> WSGIHandler:
    """Django, with everything imported that its first request would import."""
    django.setup(set_prefix=False)
    # The edge writes one line for each request, with the exception when there is one: Django's would be a second.
    logging.getLogger("django.request").addFilter(lambda record: not hasattr(record, "status_code"))
    handler = WSGIHandler()
    get_resolver().url_patterns  # noqa: B018 - a property that imports app/urls.py
    return handler


def create(**options: Any) -> NinjaAPI:
    """The typed API; `options` go to NinjaAPI (`auth=`, `throttle=`, ...)."""
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
    return Api(**defaults | options)


class Api(NinjaAPI):
    """NinjaAPI whose failures are those of every other view."""

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
