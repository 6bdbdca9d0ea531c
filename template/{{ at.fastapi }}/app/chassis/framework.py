"""FastAPI as this service uses it: problems for errors, a documentation page of its own, no telemetry of its own."""

from inspect import signature
from typing import Any

from fastapi import APIRouter, FastAPI
from fastapi.routing import APIRoute

from app.chassis import about, docs, handlers, openapi
from app.chassis.security import docs_enabled
from app.chassis.settings import Settings, load

# What the edge does already, once, for the whole service.
COVERED = {"ServerErrorMiddleware", "ExceptionTelemetryMiddleware", "AppBodyLimitMiddleware"}
ROUTE = frozenset(signature(APIRouter.add_api_route).parameters) - {"self"}
NO_LIFESPAN = type(APIRouter().lifespan_context)


class Service(FastAPI):
    """FastAPI without the wrappers that the edge makes idle, and with a document that says what its failures are."""

    def build_middleware_stack(self) -> Any:
        stack: Any = super().build_middleware_stack()
        # The one for server errors draws the debug page, where that is wanted.
        while type(stack).__name__ in COVERED and not self.debug:
            stack = stack.app
        return stack

    def openapi(self) -> dict[str, Any]:
        if self.openapi_schema is None:
            self.openapi_schema = openapi.with_problems(super().openapi())
        return self.openapi_schema


def create(*routers: APIRouter, **options: Any) -> FastAPI:
    """The application with these features; `options` go to FastAPI (`lifespan=`, `dependencies=`, ...)."""
    shown = docs_enabled()
    app = Service(
        title=about.NAME,
        description=about.DESCRIPTION,
        version=about.version(),
        debug=load(Settings).debug,
        openapi_url="/openapi.json" if shown else None,
        docs_url=None,
        # Once a tracer provider is set FastAPI would add spans of its own to every request: `observe` has made one.
        telemetry={"tracing": False, "metrics": False, "logs": False, "operation_spans": False},
        redoc_url=None,
        # A path is there or it is not, as in Django: a redirect would lose what is known of the request.
        redirect_slashes=False,
        **options,
    )
    handlers.install(app)
    if shown:
        docs.install(app)
    for router in routers:
        include(app, router)
    return app


def include(app: FastAPI, router: APIRouter) -> None:
    """Put the router's routes on the application itself.

    FastAPI 0.165 looks the routes of an included router up anew for every request, a sixth of what it costs. Routers in
    routers, mounts, websockets and routers with a lifespan are included its way.
    """
    plain = all(type(route) is APIRoute for route in router.routes) and type(router.lifespan_context) is NO_LIFESPAN
    if not plain or router.on_startup or router.on_shutdown:
        app.include_router(router)
        return
    for route in router.routes:
        app.router.add_api_route(**{name: getattr(route, name) for name in ROUTE if hasattr(route, name)})
