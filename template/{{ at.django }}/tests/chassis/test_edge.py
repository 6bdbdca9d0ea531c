"""The edge: parts leave once, however a reply ends, and nothing that goes wrong gets past it."""

from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest

from app.chassis.edge import Edge, Environ, StartResponse
from app.chassis.errors import Unavailable
from app.chassis.exchange import Exchange, current
from app.chassis.middleware import template

ENVIRON = {"REQUEST_METHOD": "GET", "PATH_INFO": "/"}


class Streamed:
    """What Django's StreamingHttpResponse is to a server."""

    streaming = True

    def __init__(self, *, breaks: bool = False) -> None:
        self.breaks = breaks
        self.closed = 0

    def __iter__(self) -> Iterator[bytes]:
        yield b"one"
        if self.breaks:
            raise RuntimeError("broken")
        # The request is still the current one, whichever thread asks for the rest of it.
        assert current.get() is not None
        yield b"two"

    def close(self) -> None:
        self.closed += 1


class Log:
    """A part, and a server's `start_response`."""

    def __init__(self) -> None:
        self.left: list[Exchange] = []
        self.status = ""

    def leave(self, exchange: Exchange) -> None:
        self.left.append(exchange)

    def start(self, status: str, _headers: list[tuple[str, str]], _exc_info: Any = None) -> None:
        self.status = status


def edge(log: Log, reply: Any) -> Edge:
    def app(_environ: Environ, start: StartResponse) -> Any:
        if isinstance(reply, Exception):
            raise reply
        start("200 OK", [])
        return reply

    made = Edge(lambda: app, (SimpleNamespace(leave=log.leave),))  # type: ignore[arg-type]
    made.load_app()
    return made


@pytest.fixture
def log() -> Log:
    return Log()


def test_a_streamed_reply_leaves_when_it_has_ended(log: Log) -> None:
    body = Streamed()
    chunks = edge(log, body)(dict(ENVIRON), log.start)
    assert log.left == []
    assert list(chunks) == [b"one", b"two"]
    chunks.close()  # type: ignore[attr-defined]
    assert (len(log.left), log.left[0].status, body.closed) == (1, 200, 1)


def test_a_streamed_reply_that_the_client_abandons_leaves_when_it_is_closed(log: Log) -> None:
    body = Streamed()
    chunks = edge(log, body)(dict(ENVIRON), log.start)
    assert next(iter(chunks)) == b"one"
    chunks.close()  # type: ignore[attr-defined]
    chunks.close()  # type: ignore[attr-defined]
    assert (len(log.left), body.closed) == (1, 1)


def test_a_streamed_reply_that_breaks_leaves_with_its_error(log: Log) -> None:
    chunks = edge(log, Streamed(breaks=True))(dict(ENVIRON), log.start)
    with pytest.raises(RuntimeError):
        list(chunks)
    assert [str(exchange.error) for exchange in log.left] == ["broken"]
    assert log.left[0].status == 500


def test_an_exception_is_a_problem_and_goes_no_further(log: Log) -> None:
    (body,) = edge(log, RuntimeError("secret"))(dict(ENVIRON), log.start)
    assert (log.status, len(log.left)) == ("500 Internal Server Error", 1)
    assert b"secret" not in body


def test_a_problem_that_a_part_raises_is_its_own_reply_and_only_those_who_entered_leave(log: Log) -> None:
    def refuse(_exchange: Exchange) -> None:
        raise Unavailable("Full.", queue=7)

    later = Log()
    parts = (SimpleNamespace(leave=log.leave), SimpleNamespace(enter=refuse), SimpleNamespace(leave=later.leave))
    (body,) = Edge(lambda: None, parts)(dict(ENVIRON), log.start)  # type: ignore[arg-type, return-value]
    assert (log.status, b'"queue":7' in body) == ("503 Service Unavailable", True)
    assert (len(log.left), log.left[0].error, later.left) == (1, None, [])


def test_a_part_that_breaks_when_it_leaves_keeps_nobody_else(log: Log) -> None:
    def fail(_exchange: Exchange) -> None:
        raise RuntimeError("leaving")

    made = Edge(lambda: None, (SimpleNamespace(leave=log.leave), SimpleNamespace(leave=fail)))  # type: ignore[arg-type, return-value]
    made.app = lambda _environ, start: [start("200 OK", []) or b"fine"]
    assert list(made(dict(ENVIRON), log.start)) == [b"fine"]
    assert len(log.left) == 1


def test_before_it_is_loaded_a_request_is_a_503(log: Log) -> None:
    (body,) = Edge(lambda: None, ())(dict(ENVIRON), log.start)  # type: ignore[arg-type, return-value]
    assert log.status == "503 Service Unavailable"
    assert b"starting" in body


def test_a_request_leaves_nothing_behind_in_its_thread(log: Log) -> None:
    list(edge(log, [b"ok"])(dict(ENVIRON), log.start))
    assert current.get() is None


@pytest.mark.parametrize(
    ("written", "label"),
    [
        ("v1/orders/<uuid:order_id>", "/v1/orders/{order_id}"),
        ("<slug>/", "/{slug}/"),
        (r"admin/(?P<url>.*)$", "/admin/{url}"),
        (r"^files/(?P<path>[\w/]+)\Z", "/files/{path}"),
    ],
)
def test_routes_have_one_shape_however_they_are_written(written: str, label: str) -> None:
    assert template(written) == label
