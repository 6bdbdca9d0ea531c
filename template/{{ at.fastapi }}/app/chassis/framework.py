"""FastAPI as this service uses it: problems for errors, a documentation page of its own, no telemetry of its own."""

from collections.abc import Callable, Coroutine, Iterable, Iterator
from inspect import signature
from typing import Any

from fastapi import APIRouter, FastAPI, Request, Response
from fastapi.routing import APIRoute, iter_route_contexts
from starlette.routing import BaseRoute

from app.chassis import about, docs, handlers, openapi
from app.chassis.parts import PARTS
from app.chassis.routes import Known, Policy, declare, declared
from app.chassis.security import docs_enabled
from app.chassis.settings import Settings, load

# What the edge does already, once, for the whole service.
COVERED = {"ServerErrorMiddleware", "ExceptionTelemetryMiddleware", "AppBodyLimitMiddleware"}
ROUTE = frozenset(signature(APIRouter.add_api_route).parameters) - {"self"}
NO_LIFESPAN = type(APIRouter().lifespan_context)


class Route(APIRoute):
    """A route around which the parts put what its view declares; `policy` is what it declared when they did."""

    policy: Policy | None = None

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        handler = super().get_route_handler()
        self.policy = declared(self.endpoint)
        # The first part that a request meets is the outermost.
        for part in reversed(PARTS):
            if hasattr(part, "wrap"):
                handler = part.wrap(self.policy, handler)
        return handler


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
    app.router.route_class = Route
    handlers.install(app)
    if shown:
        docs.install(app)
    for made in app.routes:
        if made not in (options.get("routes") or ()):
            declare(public=True)(view_of(made))
    # The service's own first: every route that comes before costs each request of the later ones a comparison.
    for router in (*routers, *parts_routers()):
        include(app, router)
    return app


def parts_routers() -> Iterator[APIRouter]:
    """The routes that parts bring."""
    for part in PARTS:
        if hasattr(part, "routers"):
            yield from part.routers()


def include(app: FastAPI, router: APIRouter) -> None:
    """Put the router's routes on the application itself.

    FastAPI 0.165 looks the routes of an included router up anew for every request, a sixth of what it costs. Routers in
    routers, mounts, websockets and routers with a lifespan are included its way.
    """
    plain = all(type(route) in {APIRoute, Route} for route in router.routes)
    if not plain or type(router.lifespan_context) is not NO_LIFESPAN or router.on_startup or router.on_shutdown:
        app.include_router(router)
        return
    for route in router.routes:
        app.router.add_api_route(**{name: getattr(route, name) for name in ROUTE if hasattr(route, name)})


def every_route(app: Any) -> Iterator[Known]:
    """Every route of a FastAPI application, those of included routers too; any method is `*`."""
    # FastAPI keeps those of `app.frontend` apart.
    every = [*app.routes, *getattr(app.router, "_low_priority_routes", ())]
    adopt(every)
    for route in iter_route_contexts(every):
        view, original = view_of(route), route.original_route
        wrapped = isinstance(original, Route) and original.policy == declared(view)
        for method in route.methods or ("*",):
            yield Known(method, route.path or "", view, wrapped)


def view_of(route: Any) -> Any:
    """What is called for a route; of a mount it is a whole application."""
    return getattr(route, "endpoint", None) or getattr(route, "app", None)


def adopt(routes: Iterable[BaseRoute]) -> None:
    """Make the routes of routers that FastAPI includes its way ours: it asks for their handlers later."""
    for route in routes:
        inner = getattr(route, "original_router", None)
        if inner is not None:
            adopt(inner.routes)
            # Or has asked already, for whoever looked at the routes before.
            inner._mark_routes_changed()  # noqa: SLF001 - it has no other way to say so
        elif type(route) is APIRoute:
            route.__class__ = Route
