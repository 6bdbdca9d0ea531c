"""Whichever way a route came into the application: it is guarded, or it is known not to be."""

from typing import Any

import pytest
from fastapi import APIRouter, FastAPI
from fastapi.routing import APIRoute
from fastapi.testclient import TestClient

from app.chassis.framework import create, every_route
from app.chassis.routes import declare


async def view() -> str:
    return "secret"


def declared() -> Any:
    async def made() -> str:
        return await view()

    return declare(scope="a")(made)


def router() -> APIRouter:
    made = APIRouter()
    made.get("/secret")(declared())
    return made


def included() -> FastAPI:
    return create(router())


def nested() -> FastAPI:
    outer = APIRouter(prefix="/outer")
    outer.include_router(router())
    return create(outer)


def included_its_way() -> FastAPI:
    app = create()
    app.include_router(router())
    # Whoever looks at the routes makes FastAPI build them.
    app.openapi()
    return app


def declared_too_late() -> FastAPI:
    app = create()
    declare(scope="a")(app.get("/secret")(plain()))
    return app


def plain() -> Any:
    async def made() -> str:
        return await view()

    return made


def put_in_by_hand() -> FastAPI:
    app = create()
    app.router.routes.append(APIRoute("/secret", declared()))
    return app


@pytest.mark.parametrize("made", [included, nested, included_its_way])
def test_it_is_guarded(made: Any) -> None:
    app = made()
    (route,) = [one for one in every_route(app) if one.template.endswith("/secret")]
    assert route.wrapped
    assert TestClient(app).get(route.template).status_code == 401


@pytest.mark.parametrize("made", [declared_too_late, put_in_by_hand])
def test_it_is_known_not_to_be(made: Any) -> None:
    (route,) = [one for one in every_route(made()) if one.template == "/secret"]
    assert not route.wrapped


def test_what_the_author_hands_over_is_not_made_public() -> None:
    given = [APIRoute("/secret", plain())]
    (route,) = [one for one in every_route(create(routes=given)) if one.template == "/secret"]
    assert not hasattr(route.view, "__route_policy__")
