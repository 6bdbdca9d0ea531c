"""The edge around Django: one WSGI wrapper that runs every part, once per request."""

import threading
from collections.abc import Callable, Iterable, Iterator
from contextvars import Context, copy_context
from functools import lru_cache
from http import HTTPStatus
from io import BytesIO
from types import ModuleType
from typing import Any

from app.chassis import lifecycle, routes
from app.chassis.errors import Problem, problem_reply, refusal, refused_length, too_large
from app.chassis.exchange import BODILESS, Exchange, Reply, current
from app.chassis.logging import error_line

Environ = dict[str, Any]
StartResponse = Callable[..., Any]
App = Callable[[Environ, StartResponse], Iterable[bytes]]
Enter = Callable[[Exchange], Reply | None]
Leave = Callable[[Exchange], None]


class WsgiExchange(Exchange):
    __slots__ = ("_environ",)

    def __init__(self, environ: Environ) -> None:
        path = environ["PATH_INFO"]
        if not path.isascii():
            # WSGI hands over the path's bytes as if they were latin-1.
            path = path.encode("latin-1").decode("utf-8", "replace")
        super().__init__(environ["REQUEST_METHOD"], path, environ.get("REMOTE_ADDR", ""))
        self._environ = environ

    def header(self, name: str) -> str | None:
        value: str | None = self._environ.get(KEYS[name])
        return value


class Keys(dict[str, str]):
    """Where WSGI has a header: parts ask for a handful of them, again and again."""

    def __missing__(self, name: str) -> str:
        key = self[name] = "HTTP_" + name.upper().replace("-", "_")
        return key


KEYS = Keys({"content-type": "CONTENT_TYPE", "content-length": "CONTENT_LENGTH"})


@lru_cache(maxsize=64)
def as_text(pair: tuple[bytes, bytes]) -> tuple[str, str]:
    """A reply header as WSGI wants it; nearly all of them are the same in every reply."""
    return pair[0].decode(), pair[1].decode("latin-1")


class Edge:
    """`load` imports and builds the framework's application; `parts` are run in their order."""

    def __init__(self, load: Callable[[], App], parts: tuple[ModuleType, ...]) -> None:
        self.load = load
        self.parts = parts
        self.app: App = starting
        self.enters: list[tuple[Enter, list[Leave]]] = []
        self.leaves: list[Leave] = []
        for part in parts:
            if hasattr(part, "leave"):
                self.leaves = [part.leave, *self.leaves]
            if hasattr(part, "enter"):
                # A part that refuses or breaks leaves too, and so do those before it.
                self.enters.append((part.enter, self.leaves))

    def start(self) -> None:
        """For the server, in its main thread: load in the background, so that probes are answered meanwhile."""
        lifecycle.relay_signals()
        threading.Thread(target=self.open, name="start", daemon=True).start()

    def open(self) -> None:
        lifecycle.run(self.parts, self.load_app)

    def load_app(self) -> None:
        app = self.load()
        routes.check(self.parts)
        # Served only now: until its routes are known nothing stands before them.
        self.app = app

    def __call__(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        # A context of its own: what a request sets is gone with it, the thread serves others.
        context = copy_context()
        return context.run(self.serve, environ, start_response, context)

    def serve(  # noqa: C901 - a request's whole way
        self, environ: Environ, start_response: StartResponse, context: Context
    ) -> Iterable[bytes]:
        exchange = WsgiExchange(environ)
        current.set(exchange)
        leaves = self.leaves

        def start(status: str, headers: list[tuple[str, str]], exc_info: Any = None) -> Any:
            exchange.status = int(status[:3])
            # Once a reply has begun, what streams may take its time.
            exchange.deadline = None
            return start_response(status, [*headers, *map(as_text, exchange.reply_headers)], exc_info)

        try:
            for enter, leaves in self.enters:  # noqa: B007 - who leaves when this one refuses or breaks
                reply = enter(exchange)
                if reply is not None:
                    return answer(reply, start)
            leaves = self.leaves
            if exchange.method not in BODILESS:
                reply = limit_body(environ, exchange)
                if reply is not None:
                    return answer(reply, start)
            body = self.app(environ, start)
            if getattr(body, "streaming", False):
                chunks = Chunks(body, exchange, context, leaves)
                leaves = []
                return chunks
            return whole(body)
        except Exception as error:  # noqa: BLE001 - the last line of defence
            if not isinstance(error, Problem):
                exchange.error = error
            return answer(refusal(error), start)
        finally:
            for leave in leaves:
                try:
                    leave(exchange)
                except Exception as error:  # noqa: BLE001 - the other parts leave all the same
                    error_line(error)


def whole(body: Iterable[bytes]) -> list[bytes]:
    """The body in one piece, closed: Django gives its database connection back before the client reads."""
    try:
        return [b"".join(body)]
    finally:
        if hasattr(body, "close"):
            body.close()


class Chunks:
    """A streamed body: the parts leave once, when it ends, breaks or is closed."""

    def __init__(self, body: Iterable[bytes], exchange: Exchange, context: Context, leaves: list[Leave]) -> None:
        self.body = body
        self.chunks = iter(body)
        self.exchange = exchange
        self.context = context
        self.leaves = leaves

    def __iter__(self) -> Iterator[bytes]:
        return self

    def __next__(self) -> bytes:
        try:
            return self.context.run(next, self.chunks)
        except StopIteration:
            self.close()
            raise
        except Exception as error:
            # The status is sent, and a server may end the reply as if it were whole: the log and the metrics tell.
            self.exchange.error, self.exchange.status = error, 500
            self.close()
            raise

    def close(self) -> None:
        leaves, self.leaves = self.leaves, []
        if leaves:
            self.context.run(self.finish, leaves)

    def finish(self, leaves: list[Leave]) -> None:
        try:
            if hasattr(self.body, "close"):
                self.body.close()
        finally:
            for leave in leaves:
                try:
                    leave(self.exchange)
                except Exception as error:  # noqa: BLE001 - the other parts leave all the same
                    error_line(error)


def starting(_environ: Environ, start: StartResponse) -> list[bytes]:
    """What stands in for the framework until it is loaded."""
    return answer(problem_reply(503, "The service is starting."), start)


def answer(reply: Reply, start: StartResponse) -> list[bytes]:
    headers = [("content-type", reply.content_type.decode()), ("content-length", str(len(reply.body)))]
    headers += map(as_text, reply.headers)
    start(f"{reply.status} {HTTPStatus(reply.status).phrase}", headers)
    return [reply.body]


def limit_body(environ: Environ, exchange: Exchange) -> Reply | None:
    """Refuse a body over the limit. Django reads only what is declared: without a length it is read here."""
    limit = exchange.body_limit
    declared = environ.get("CONTENT_LENGTH")
    if limit is None:
        return None
    if declared:
        return refused_length(declared, limit)
    if "HTTP_TRANSFER_ENCODING" not in environ:
        return None
    body = environ["wsgi.input"].read(limit + 1)
    if len(body) > limit:
        return too_large(limit)
    environ["CONTENT_LENGTH"] = str(len(body))
    environ["wsgi.input"] = BytesIO(body)
    return None
