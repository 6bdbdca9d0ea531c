"""The edge around FastAPI: one ASGI wrapper that runs every part, once per request."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, MutableMapping
from types import ModuleType
from typing import Any

from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.websockets import WebSocketDisconnect

from app.chassis import lifecycle, routes
from app.chassis.errors import Problem, encoded, problem, problem_reply, refusal, refused_length
from app.chassis.exchange import BODILESS, UNMATCHED, Exchange, Reply, current
from app.chassis.logging import error_line
from app.chassis.overdue import in_time

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Message, Receive, Send], Awaitable[None]]
Enter = Callable[[Exchange], Any]
Leave = Callable[[Exchange], None]

SWITCHING = 101
FORBIDDEN = 403
CLIENT_CLOSED = 499
POLICY_VIOLATION = 1008
INTERNAL_ERROR = 1011
HEADS = frozenset({"http.response.start", "websocket.accept"})
BODY_SECONDS = 30.0


class AsgiExchange(Exchange):
    def __init__(self, scope: Message) -> None:
        client = scope["client"]
        super().__init__(scope["method"], scope["path"], client[0] if client else "")
        pairs = scope["headers"]
        self.headers: dict[bytes, bytes] = dict(pairs)
        if len(self.headers) != len(pairs):
            self.headers = joined(pairs)

    def header(self, name: str) -> str | None:
        value = self.headers.get(ENCODED[name])
        return None if value is None else value.decode("latin-1")

    def has_body(self) -> bool:
        headers = self.headers
        return self.method not in BODILESS or b"content-length" in headers or b"transfer-encoding" in headers


class Encoded(dict[str, bytes]):
    """Header names as bytes: parts ask for a handful of them, again and again."""

    def __missing__(self, name: str) -> bytes:
        encoded = self[name] = name.encode("latin-1")
        return encoded


ENCODED = Encoded()


def joined(pairs: Iterable[tuple[bytes, bytes]]) -> dict[bytes, bytes]:
    """Repeated headers as one list, RFC 9110 section 5.3: two hosts are no host, not the one that comes last."""
    headers: dict[bytes, bytes] = {}
    for name, value in pairs:
        if name in headers:
            # HTTP/2 takes cookies apart, RFC 9113 section 8.2.3.
            headers[name] += (b"; " if name == b"cookie" else b",") + value
        else:
            headers[name] = value
    return headers


class Edge:
    """`load` imports and builds the framework's application; `parts` are run in their order."""

    def __init__(self, load: Callable[[], App], parts: tuple[ModuleType, ...]) -> None:
        self.load = load
        self.parts = parts
        self.app: App = starting
        self.state: dict[str, Any] = {}
        self.enters: list[tuple[Enter, list[Leave]]] = []
        self.leaves: list[Leave] = []
        for part in parts:
            if hasattr(part, "leave"):
                self.leaves = [part.leave, *self.leaves]
            if hasattr(part, "enter"):
                # A part that refuses or breaks leaves too, and so do those before it.
                self.enters.append((part.enter, self.leaves))

    def start(self) -> None:
        """For the server, before the event loop runs; the lifespan protocol starts the rest."""
        lifecycle.stop_once(asyncio.get_event_loop())

    async def __call__(  # noqa: C901, PLR0912, PLR0915 - a request's whole way
        self, scope: Message, receive: Receive, send: Send
    ) -> None:
        if self.state:
            scope["state"] = {**scope.get("state", {}), **self.state}
        if scope["type"] != "http":
            if scope["type"] == "lifespan":
                await self.live(receive, send)
                return
            # A WebSocket is a GET until it opens, and counts as one that lasts until it closes.
            scope["method"], send = "GET", conversation(send)
        exchange = AsgiExchange(scope)
        token = current.set(exchange)
        leaves = self.leaves
        answered = False

        def send_on(message: Message) -> Awaitable[None]:
            nonlocal answered
            if message["type"] in HEADS:
                answered = True
                # Once a reply has begun, what streams and what runs in the background may take its time.
                exchange.deadline = None
                exchange.status = message.get("status", SWITCHING)
                message["headers"] = [*message.get("headers", ()), *exchange.reply_headers]
            elif message["type"] == "websocket.close" and not answered:
                exchange.status = FORBIDDEN
            return send(message)

        try:
            for enter, leaves in self.enters:  # noqa: B007 - who leaves when this one refuses or breaks
                reply = enter(exchange)
                if reply is not None:
                    reply = reply if isinstance(reply, Reply) else await reply
                    if reply is not None:
                        await answer(reply, send_on)
                        return
            leaves = self.leaves
            if exchange.has_body():
                limit = exchange.body_limit
                declared = exchange.headers.get(b"content-length", b"0")
                reply = None if limit is None else refused_length(declared, limit)
                if reply is not None:
                    await answer(reply, send_on)
                    return
                receive = limited(receive, limit)
            serving = self.app(scope, receive, send_on)
            await (serving if exchange.deadline is None else in_time(serving, exchange, exchange.deadline))
        except asyncio.CancelledError:
            exchange.status = CLIENT_CLOSED
            raise
        except Exception as error:  # noqa: BLE001 - the last line of defence
            if answered:
                await broken(error, exchange, scope, send)
            else:
                await refused(error, exchange, send_on)
        finally:
            exchange.route = template(scope) or UNMATCHED
            for leave in leaves:
                try:
                    leave(exchange)
                except Exception as error:  # noqa: BLE001 - the other parts leave all the same
                    error_line(error)
            current.reset(token)

    async def live(self, receive: Receive, send: Send) -> None:
        """The lifespan protocol: said to be complete at once, so that probes are answered while the rest loads."""
        await receive()
        stop = asyncio.Event()
        service = asyncio.create_task(lifecycle.run(self.parts, self.load_app, self.state, stop))
        await send({"type": "lifespan.startup.complete"})
        await receive()
        stop.set()
        await service
        await send({"type": "lifespan.shutdown.complete"})

    def load_app(self) -> App:
        app = self.load()
        from app.chassis import framework  # noqa: PLC0415 - FastAPI, which the service has just imported

        routes.learn(framework.every_route(app))
        routes.check(self.parts)
        # Served only now: until its routes are known nothing stands before them.
        self.app = app
        return app


def template(scope: Message) -> str | None:
    """The path as the route was written, with the prefixes of the routers around it, which FastAPI keeps apart."""
    route = scope.get("fastapi", {}).get("effective_route_context") or scope.get("route")
    if route is None and "endpoint" in scope:
        # Starlette's own routes and mounts say only what they lead to.
        routes = {getattr(one, "endpoint", None) or getattr(one, "app", None): one for one in scope["app"].routes}
        route = routes.get(scope["endpoint"])
    return getattr(route, "path_format", None)


async def starting(_scope: Message, _receive: Receive, send: Send) -> None:
    """What stands in for the framework until it is loaded."""
    await answer(problem_reply(503, "The service is starting."), send)


async def refused(error: Exception, exchange: Exchange, send: Send) -> None:
    """What neither the framework nor a middleware has answered."""
    if isinstance(error, ClientDisconnect):
        exchange.status = CLIENT_CLOSED
        return
    if isinstance(error, HTTPException):
        # Raised by a middleware: it does not pass FastAPI's handlers.
        body = problem(error.status_code, error.detail)
        reply = Reply(error.status_code, body, headers=encoded(error.headers or {}))
    else:
        exchange.error = None if isinstance(error, Problem) else error
        reply = refusal(error)
    await answer(reply, send)


async def broken(error: Exception, exchange: Exchange, scope: Message, send: Send) -> None:
    """The client has its status: that the rest went wrong can only be told to the log and the metrics."""
    if isinstance(error, ClientDisconnect):
        exchange.status = CLIENT_CLOSED
    elif not isinstance(error, WebSocketDisconnect):  # which is how a conversation ends
        exchange.status, exchange.error = 500, error
        if scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": INTERNAL_ERROR})


def conversation(send: Send) -> Send:
    """What can be said on a WebSocket: one that is refused is closed before it opens, its client sees 403."""

    async def send_on(message: Message) -> None:
        match message["type"]:
            case "http.response.start":
                await send({"type": "websocket.close", "code": POLICY_VIOLATION})
            case "http.response.body":
                pass
            case _:
                await send(message)

    return send_on


async def answer(reply: Reply, send: Send) -> None:
    headers = [(b"content-type", reply.content_type), (b"content-length", b"%d" % len(reply.body)), *reply.headers]
    await send({"type": "http.response.start", "status": reply.status, "headers": headers})
    await send({"type": "http.response.body", "body": reply.body})


def limited(receive: Receive, limit: int | None) -> Receive:
    """Count what is streamed, and wait only so long: nothing else limits a body without a length, or one that stops."""
    seen = 0
    complete = False

    async def counted() -> Message:
        nonlocal seen, complete
        if complete:
            # What comes now is the client hanging up, whenever that may be.
            return await receive()
        try:
            async with asyncio.timeout(BODY_SECONDS):
                message = await receive()
        except TimeoutError:
            raise HTTPException(408, f"No more of the body came for {BODY_SECONDS:g} s.") from None
        seen += len(message.get("body", b""))
        complete = not message.get("more_body", False)
        if limit is not None and seen > limit:
            # FastAPI turns what it does not know into a 400 while it reads a body; this it passes on.
            raise HTTPException(413, f"The body is larger than {limit} bytes.")
        return message

    return counted
