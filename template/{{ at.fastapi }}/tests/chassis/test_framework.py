"""Routers on the application: put there flat, and no different for it."""

import asyncio
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Annotated, Any

import pytest
from fastapi import (
    APIRouter,
    BackgroundTasks,
    Depends,
    FastAPI,
    Header,
    HTTPException,
    Request,
    Response,
    WebSocket,
    WebSocketDisconnect,
)
from pydantic import BaseModel
from starlette.testclient import TestClient

from app.chassis import lifecycle, openapi
from app.chassis.edge import Edge
from app.chassis.errors import Unavailable
from app.chassis.exchange import UNMATCHED, Exchange, current
from app.chassis.framework import create, include


class Thing(BaseModel):
    name: str
    note: str | None = None


def keyed(x_key: Annotated[str, Header()]) -> str:
    if x_key != "open":
        raise HTTPException(403)
    return x_key


def things() -> APIRouter:
    router = APIRouter(
        prefix="/things", tags=["things"], dependencies=[Depends(keyed)], responses={418: {"description": "Tea"}}
    )

    @router.post("", status_code=201, response_model_exclude_none=True, summary="Make", deprecated=True)
    def make(thing: Thing) -> Thing:
        return thing

    @router.get("/{name}", response_model=Thing, name="one", operation_id="one_thing", openapi_extra={"x-cost": 1})
    async def get(name: str, key: Annotated[str, Depends(keyed)]) -> dict[str, str]:
        return {"name": name, "note": key, "hidden": "x"}

    return router


def flat() -> FastAPI:
    app = FastAPI()
    include(app, things())
    return app


def included() -> FastAPI:
    app = FastAPI()
    app.include_router(things())
    return app


def test_the_document_is_that_of_an_included_router() -> None:
    assert flat().openapi() == included().openapi()


@pytest.mark.parametrize("key", ["open", "shut", None])
@pytest.mark.parametrize(
    "request_", [("GET", "/things/a", None), ("POST", "/things", {"name": "a"}), ("PUT", "/things/a", None)]
)
def test_answers_are_those_of_an_included_router(key: str | None, request_: tuple[str, str, Any]) -> None:
    method, path, body = request_
    answers = []
    for app in (flat(), included()):
        reply = TestClient(app).request(method, path, json=body, headers={"x-key": key} if key else {})
        answers.append((reply.status_code, reply.json()))
    assert answers[0] == answers[1]


def test_flat_means_that_no_router_is_looked_through() -> None:
    assert [getattr(route, "path", "") for route in flat().routes if "things" in getattr(route, "path", "")] == [
        "/things",
        "/things/{name}",
    ]


def test_routers_in_routers_and_lifespans_keep_working() -> None:
    opened = []

    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        opened.append("router")
        yield

    outer, living = APIRouter(prefix="/outer"), APIRouter(prefix="/living", lifespan=lifespan)
    outer.include_router(things())
    living.add_api_route("", lambda: "alive")
    with TestClient(create(outer, living)) as client:
        assert client.get("/outer/things/a", headers={"x-key": "open"}).json()["name"] == "a"
        assert client.get("/living").json() == "alive"
    assert opened == ["router"]


def test_only_the_wrappers_that_the_edge_makes_idle_are_gone() -> None:
    stack = create().build_middleware_stack()
    assert type(stack).__name__ == "ExceptionMiddleware"


# -- the edge ----------------------------------------------------------------------------------------------------------


class Part:
    """A part that remembers who left, and may break on its way in or out."""

    def __init__(self, *, refuses: Exception | None = None, breaks: bool = False) -> None:
        self.refuses = refuses
        self.breaks = breaks
        self.left: list[Exchange] = []

    def enter(self, exchange: Exchange) -> None:
        exchange.body_limit = 10
        if self.refuses is not None:
            raise self.refuses

    def leave(self, exchange: Exchange) -> None:
        self.left.append(exchange)
        if self.breaks:
            raise RuntimeError("leaving")


def edge(app: FastAPI, *parts: Part) -> TestClient:
    made = Edge(lambda: app, parts)  # type: ignore[arg-type]
    made.load_app()
    return TestClient(made)


def test_what_breaks_after_the_reply_is_known_to_the_parts() -> None:
    app, part = create(), Part()

    def fail() -> None:
        raise RuntimeError("late")

    @app.get("/late")
    def late(tasks: BackgroundTasks) -> None:
        tasks.add_task(fail)

    assert edge(app, part).get("/late").status_code == 200
    (exchange,) = part.left
    assert (exchange.status, str(exchange.error)) == (500, "late")


def test_a_problem_that_a_part_raises_is_its_own_reply_and_only_those_who_entered_leave() -> None:
    first, second, third = Part(), Part(refuses=Unavailable("Full.", queue=7)), Part()
    reply = edge(create(), first, second, third).get("/")
    assert (reply.status_code, reply.headers["retry-after"]) == (503, "1")
    assert (reply.json()["detail"], reply.json()["queue"]) == ("Full.", 7)
    assert [len(part.left) for part in (first, second, third)] == [1, 1, 0]


def test_a_part_that_breaks_when_it_leaves_keeps_nobody_else() -> None:
    first, second = Part(), Part(breaks=True)
    assert edge(create(), first, second).get("/").status_code == 404
    assert (len(first.left), current.get()) == (1, None)


def test_the_body_of_a_get_is_limited_too() -> None:
    app = create()

    @app.get("/read")
    async def read(request: Request) -> int:
        return len(await request.body())

    assert edge(app, Part()).request("GET", "/read", content=b"x" * 11).status_code == 413


def test_what_a_middleware_refuses_is_no_error_of_ours() -> None:
    app, part = create(), Part()

    @app.middleware("http")
    async def refuse(_request: Request, _call_next: Any) -> Any:
        raise HTTPException(402, "Pay first.", {"X-Price": "7"})

    reply = edge(app, part).get("/")
    assert (reply.status_code, reply.headers["x-price"], reply.json()["detail"]) == (402, "7", "Pay first.")
    assert part.left[0].error is None


@pytest.mark.parametrize(
    ("path", "route"),
    [("/plain", "/plain"), ("/files/a/b.txt", "/files/{path}"), ("/none", UNMATCHED), ("/docs", "/docs")],
)
def test_what_fastapi_does_not_route_itself_has_a_route_too(path: str, route: str) -> None:
    app, part = create(), Part()
    app.add_route("/plain", lambda _request: Response())
    app.mount("/files", Response())
    edge(app, part).get(path)
    assert part.left[0].route == route


def echo() -> FastAPI:
    app = create()

    @app.websocket("/echo")
    async def echo(socket: WebSocket) -> None:
        await socket.accept()
        text = await socket.receive_text()
        if text == "break":
            raise RuntimeError(text)
        await socket.send_text(text)

    @app.websocket("/never")
    async def never(socket: WebSocket) -> None:
        await socket.close()

    return app


def test_a_websocket_is_one_request_for_the_parts() -> None:
    class Greeting(Part):
        def enter(self, exchange: Exchange) -> None:
            exchange.reply_headers.append((b"x-hello", b"you"))

    part = Greeting()
    with edge(echo(), part).websocket_connect("/echo") as socket:
        socket.send_text("hi")
        assert socket.receive_text() == "hi"
        assert (b"x-hello", b"you") in (socket.extra_headers or [])
    (exchange,) = part.left
    assert (exchange.method, exchange.route, exchange.status, exchange.error) == ("GET", "/echo", 101, None)


def test_a_websocket_that_breaks_is_known_to_the_parts() -> None:
    part = Part()
    with edge(echo(), part).websocket_connect("/echo") as socket:
        socket.send_text("break")
        with pytest.raises(WebSocketDisconnect) as ended:
            socket.receive_text()
    assert ended.value.code == 1011
    assert (part.left[0].status, str(part.left[0].error)) == (500, "break")


@pytest.mark.parametrize(("path", "parts"), [("/never", [Part()]), ("/echo", [Part(), Part(refuses=Unavailable())])])
def test_a_websocket_that_is_refused_never_opens(path: str, parts: list[Part]) -> None:
    with pytest.raises(WebSocketDisconnect), edge(echo(), *parts).websocket_connect(path):
        pass
    assert parts[0].left[0].status in {403, 503}


def test_requests_have_the_state_that_the_lifespan_yields() -> None:
    app = create()
    made = Edge(lambda: app, ())
    made.load_app()
    made.state = {"name": "kept"}

    @app.get("/kept")
    def kept(request: Request) -> str:
        return str(request.state.name)

    assert TestClient(made).get("/kept").json() == "kept"


def test_a_path_with_a_slash_too_many_is_not_there() -> None:
    app = create()
    app.add_api_route("/here", lambda: "here")
    assert TestClient(app).get("/here/", follow_redirects=False).status_code == 404


def test_responses_without_a_status_of_their_own_stay_as_they_are() -> None:
    own = {"description": "mine"}
    document = {"paths": {"/": {"get": {"responses": {"200": own, "4XX": own, "default": own}}}}}
    responses = openapi.with_problems(document)["paths"]["/"]["get"]["responses"]
    assert (responses["4XX"], responses["default"]) == (own, own)
    assert next(iter(responses)) == "200"


def blocked(done: threading.Event) -> None:
    done.wait(5)


def test_a_check_that_blocks_keeps_neither_the_loop_nor_the_probe() -> None:
    done = threading.Event()

    async def check() -> BaseException | None:
        result = await lifecycle._result(lambda: blocked(done), 0.05)
        done.set()
        return result

    assert isinstance(asyncio.run(check()), TimeoutError)
