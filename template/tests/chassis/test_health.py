"""Health: alive, ready, and not ready any more; a stop that loses no request."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Self

import httpx2
import pytest

from app.chassis import about
from tests.chassis.outage import Outage, Proxy
from tests.chassis.running import ROOT, Service, client, eventually, migrate
from tests.chassis.told import ANSWER, ASKED

# Django's own apps have some.
HAS_MIGRATIONS = about.FRAMEWORK == "django" or any((ROOT / "migrations" / "versions").glob("*.py"))


def test_alive_and_ready_say_so(behind: Service) -> None:
    # None of those that fail below: what they said here would be remembered there.
    assert behind.http.get("/livez").json() == {"status": "alive"}
    ready = behind.http.get("/readyz")
    assert ready.json()["status"] == "ready"
    assert ready.json()["checks"].items() >= {"database": "ok", "probe": "ok"}.items()
    assert ready.headers["cache-control"] == "no-store"


# -- the parts' checks -------------------------------------------------------------------------------------------------


@contextmanager
def failing(service: Service, answer: str) -> Iterator[None]:
    """Its check fails in that way, as soon as it has forgotten what it knew before."""
    told = service.ready().folder / ANSWER
    told.write_text(answer)
    try:
        eventually(lambda: service.probe("/readyz") == 503)
        yield
    finally:
        told.unlink()


@pytest.mark.beside("managed")
def test_one_round_of_checks_answers_for_a_second(production: Service) -> None:
    with failing(production, "not ready"):
        asked = production.folder / ASKED
        before, started = len(asked.read_text().splitlines()), time.monotonic()
        for _ in range(20):
            assert production.probe("/readyz") == 503
        assert len(asked.read_text().splitlines()) - before <= 1 + (time.monotonic() - started)


@pytest.mark.beside("managed")
@pytest.mark.parametrize(
    ("name", "answer", "said"),
    [
        ("production", "not ready", "a test said so"),
        ("development", "broken", "unavailable (RuntimeError)"),
        ("managed", "1", "no answer within 0.3 s"),
    ],
)
def test_what_fails_is_named_without_its_secrets(
    running: dict[str, Service], name: str, answer: str, said: str
) -> None:
    with failing(running[name], answer):
        # A machine that stood still kept the database from answering within the limit, too; the next round tells.
        named = {"database": "ok", "probe": said}.items()
        eventually(lambda: running[name].management.get("/readyz").json()["checks"].items() >= named, pause=0.1)
        assert running[name].probe("/readyz") == 503
    assert "hunter2" not in running[name].output()


# -- the database ------------------------------------------------------------------------------------------------------


def problem(service: Service) -> dict[str, Any]:
    """What a request that needs the database is told while it is away."""
    reply = service.http.get("/probe/sql")
    assert (reply.status_code, reply.headers["content-type"]) == (503, "application/problem+json"), reply.text
    assert reply.headers["retry-after"]
    assert ":" not in reply.json()["detail"]
    # The client learns nothing; whoever looks after the service learns why.
    assert service.line(event="http.error", request_id=reply.headers["x-request-id"])["exception"]
    members: dict[str, Any] = reply.json()
    return members


@pytest.mark.beside
def test_a_service_lives_through_what_becomes_of_its_database(without_database: Service, away: Outage) -> None:
    service = without_database
    starts_alive_and_not_ready(service)
    keeps_trying_until_it_is_there(service, away)
    # A file that is open does not go away.
    if isinstance(away, Proxy):
        says_so_until_it_is_back(service, away)


def starts_alive_and_not_ready(service: Service) -> None:
    reply = service.alive().http.get("/readyz")
    assert reply.status_code == 503
    assert reply.json()["checks"]["database"] != "ok"
    assert service.probe("/livez") == 200
    problem(service)


def keeps_trying_until_it_is_there(service: Service, away: Outage) -> None:
    away.end()
    eventually(lambda: service.probe("/readyz") == 200)
    eventually(lambda: service.http.get("/probe/sql").json() == {"one": 1})


def says_so_until_it_is_back(service: Service, away: Proxy) -> None:
    away.begin()
    problem(service)
    eventually(lambda: service.probe("/readyz") == 503)
    assert service.probe("/livez") == 200
    assert service.http.get("/probe/ok").status_code == 200
    away.end()
    eventually(lambda: service.http.get("/probe/sql").status_code == 200)
    eventually(lambda: service.probe("/readyz") == 200)


@pytest.mark.beside
def test_pending_migrations_are_not_ready(unmigrated: Service) -> None:
    if not HAS_MIGRATIONS:
        pytest.skip("there is no migration yet")
    reply = unmigrated.alive().http.get("/readyz")
    assert reply.status_code == 503
    assert "migrations are pending" in reply.json()["checks"]["database"]
    migrate(unmigrated.env["DATABASE_URL"])
    eventually(lambda: unmigrated.probe("/readyz") == 200)


# -- the stop ----------------------------------------------------------------------------------------------------------


class Load:
    """Clients that call again and again, as a load balancer lets them: until it has seen that nobody is ready."""

    def __init__(self, service: Service, clients: int) -> None:
        self.service = service
        self.replies: list[httpx2.Response] = []
        self.lost: list[Exception] = []
        self.over = threading.Event()
        self.threads = [threading.Thread(target=self.call) for _ in range(clients)]

    def __enter__(self) -> Self:
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(self, *_error: object) -> None:
        self.over.set()
        for thread in self.threads:
            thread.join()

    def call(self) -> None:
        with client(self.service.port) as own:
            while not self.over.is_set():
                try:
                    self.replies.append(own.get("/probe/sleep?seconds=0.02"))
                except httpx2.TransportError as error:
                    self.lost.append(error)


@pytest.mark.beside
def test_a_stop_under_load_loses_no_request(stopping: Service) -> None:
    service = stopping.ready()
    slow: list[httpx2.Response] = []
    in_flight = threading.Thread(target=lambda: slow.append(service.http.get("/probe/sleep?seconds=3.6")))
    with Load(service, clients=4) as load:
        in_flight.start()
        eventually(lambda: len(load.replies) > 20)
        stopped = time.monotonic()
        service.terminate()

        # All of this has to be seen within the three seconds of draining.
        eventually(lambda: service.probe("/readyz") == 503, seconds=1.5)
        assert service.http.get("/readyz").json() == {"status": "draining"}
        assert service.http.get("/livez").status_code == 200
        before = len(load.replies)
        assert service.http.get("/probe/ok").headers["connection"] == "close"
        eventually(lambda: len(load.replies) > before + 4, seconds=1.5)

    in_flight.join()
    assert service.exit_status() == 0
    assert 3 <= time.monotonic() - stopped < 7
    assert load.lost == []
    assert {reply.status_code for reply in [*load.replies, *slow]} == {200}
    assert len(slow) == 1
