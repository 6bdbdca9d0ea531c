"""The edge around FastAPI: one ASGI wrapper that runs every part, once per request."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, MutableMapping
from types import ModuleType
from typing import Any

from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect

from app.chassis import lifecycle
from app.chassis.errors import Problem, problem, problem_reply
from app.chassis.exchange import BODILESS, UNMATCHED, Exchange, Reply, current
from app.chassis.logging import error_line

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Message, Receive, Send], Awaitable[None]]
Enter = Callable[[Exchange], Any]
Leave = Callable[[Exchange], None]

CLIENT_CLOSED = 499
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
        headers[name] = headers[name] + b"," + value if name in headers else value
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
        """Nothing to do before the event loop runs: the lifespan protocol starts the service."""

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:  # noqa: C901, PLR0912 - a request's whole way
        if self.state:
            scope["state"] = {**scope.get("state", {}), **self.state}
        if scope["type"] != "http":
            await (self.live(receive, send) if scope["type"] == "lifespan" else self.app(scope, receive, send))
            return
        exchange = AsgiExchange(scope)
        token = current.set(exchange)
        leaves = self.leaves
        answered = False

        def send_on(message: Message) -> Awaitable[None]:
            nonlocal answered
            if message["type"] == "http.response.start":
                answered = True
                exchange.status = message["status"]
                message["headers"] = [*message["headers"], *exchange.reply_headers]
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
            headers = exchange.headers
            if exchange.method not in BODILESS or b"content-length" in headers or b"transfer-encoding" in headers:
                receive = limited(receive, exchange.body_limit)
            await self.app(scope, receive, send_on)
        except asyncio.CancelledError:
            exchange.status = CLIENT_CLOSED
            raise
        except ClientDisconnect:
            exchange.status = CLIENT_CLOSED
        except Exception as error:  # noqa: BLE001 - the last line of defence
            if answered or not isinstance(error, Problem):
                exchange.error = error
            if answered:
                # The client has its status: that the rest went wrong can only be told to the log and the metrics.
                exchange.status = 500
            else:
                await answer(refusal(error), send_on)
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
        opened, stop = asyncio.Event(), asyncio.Event()
        service = asyncio.create_task(lifecycle.run(self.parts, self.load_app, self.state, opened, stop))
        await send({"type": "lifespan.startup.complete"})
        await receive()
        stop.set()
        await service
        await send({"type": "lifespan.shutdown.complete"})

    def load_app(self) -> App:
        self.app = self.load()
        return self.app


def template(scope: Message) -> str | None:
    """The path as the route was written, with the prefixes of the routers around it, which FastAPI keeps apart."""
    route = scope.get("fastapi", {}).get("effective_route_context") or scope.get("route")
    return getattr(route, "path_format", None)


async def starting(scope: Message, _receive: Receive, send: Send) -> None:
    """What stands in for the framework until it is loaded."""
    if scope["type"] == "http":
        await answer(problem_reply(503, "The service is starting."), send)
    else:
        await send({"type": "websocket.close", "code": 1013})


def refusal(error: Exception) -> Reply:
    """What no framework has answered: a problem says how it wants to be told, the rest is told nothing about."""
    if not isinstance(error, Problem):
        return problem_reply(500)
    headers = [(name.lower().encode(), value.encode("latin-1")) for name, value in error.headers.items()]
    return Reply(error.status, problem(error.status, error.detail, **error.members), headers=headers)


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
