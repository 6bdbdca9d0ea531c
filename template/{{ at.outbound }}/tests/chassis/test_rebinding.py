"""A name that leads outside when it is checked and inside a moment later (DNS rebinding) leads nowhere."""

import socket
from collections.abc import Iterator
from typing import Any

import httpcore2
import pytest

from app.chassis import about, network
from app.chassis.outbound import AddressRefused, Rules, Unreachable, http_client
from tests.chassis.calling import caller
from tests.chassis.faulty import Faulty, faulty

NAME = "rebinding.example"
OUTSIDE = "93.184.216.34"


@pytest.fixture
def inside() -> Iterator[Faulty]:
    with faulty() as made:
        yield made


@pytest.fixture
def connected(monkeypatch: pytest.MonkeyPatch, inside: Faulty) -> list[str]:
    """Where connections to this port are made to; nobody is at the address outside."""
    asked: list[str] = []
    backend: Any = {"fastapi": httpcore2.AnyIOBackend, "django": httpcore2.SyncBackend}[about.FRAMEWORK]
    connect = backend.connect_tcp

    def note(self: Any, host: str, port: int, *args: Any, **options: Any) -> Any:
        if inside.url.endswith(f":{port}"):
            asked.append(host)
        if host == OUTSIDE:
            raise httpcore2.ConnectError("nobody is there")
        return connect(self, host, port, *args, **options)

    monkeypatch.setattr(backend, "connect_tcp", note)
    return asked


@pytest.fixture(autouse=True)
def _rebound(monkeypatch: pytest.MonkeyPatch) -> None:
    """A resolver that changes its mind after the first answer."""
    answers = iter([OUTSIDE])
    resolve = socket.getaddrinfo

    def changing(host: Any, port: Any, *args: Any, **options: Any) -> Any:
        found = resolve("127.0.0.1", port, *args, **options) if host in {NAME, NAME.encode()} else None
        if found is None:
            return resolve(host, port, *args, **options)
        address = next(answers, "127.0.0.1")
        return [(*one[:4], (address, *one[4][1:])) for one in found]

    monkeypatch.setattr(socket, "getaddrinfo", changing)
    # Where that was imported by name.
    monkeypatch.setattr(network, "getaddrinfo", changing, raising=False)


def test_what_is_connected_to_is_what_was_checked(inside: Faulty, connected: list[str]) -> None:
    url = inside.url.replace("127.0.0.1", NAME) + "/ok"
    client = http_client("rebinding", rules=Rules(attempts=1, timeout=2.0), schemes=("http",))
    with caller() as calls:
        with pytest.raises(Unreachable):
            calls.get(client, url)
        assert connected == [OUTSIDE]
        # From now on the name leads inside when it is checked, too.
        with pytest.raises(AddressRefused):
            calls.get(client, url)
    assert connected == [OUTSIDE]
    assert not inside.asked
