"""Health: alive, ready, and not ready any more; a stop that loses no request."""

import threading
import time
from collections.abc import Iterator
from typing import Any, Self

import httpx2
import pytest

from app.chassis import about
from tests.chassis.outage import Outage, Proxy
from tests.chassis.running import ROOT, Service, eventually, migrate
from tests.chassis.told import ANSWER, ASKED

# Django's own apps have some.
HAS_MIGRATIONS = about.FRAMEWORK == "django" or any((ROOT / "migrations" / "versions").glob("*.py"))


def test_alive_and_ready_say_so(crashing: Service) -> None:
    # None of those that fail below: what they said here would be remembered there.
    assert crashing.ready().http.get("/livez").json() == {"status": "alive"}
    ready = crashing.http.get("/readyz")
    assert ready.json() == {"status": "ready", "checks": {"database": "ok", "probe": "ok"}}
    assert ready.headers["cache-control"] == "no-store"


# -- the parts' checks -------------------------------------------------------------------------------------------------


TOLD = {"production": "not ready", "development": "broken", "managed": "1"}


@pytest.fixture(scope="module")
def failing(production: Service, development: Service, managed: Service) -> Iterator[dict[str, Service]]:
    """Each fails in its way, as soon as it has forgotten what it knew before."""
    services = {"production": production, "development": development, "managed": managed}
    for name, answer in TOLD.items():
        (services[name].folder / ANSWER).write_text(answer)
    yield services
    for name in TOLD:
        (services[name].folder / ANSWER).unlink()


def test_one_round_of_checks_answers_for_a_second(failing: dict[str, Service]) -> None:
    service = failing["production"]
    asked = service.folder / ASKED
    before = len(asked.read_text().splitlines())
    eventually(lambda: service.probe("/readyz") == 503)
    started = time.monotonic()
    while time.monotonic() - started < 0.5:
        assert service.probe("/readyz") == 503
    assert len(asked.read_text().splitlines()) == before + 1


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("production", "a test said so"),
        ("development", "unavailable (RuntimeError)"),
        ("managed", "no answer within 0.3 s"),
    ],
)
def test_what_fails_is_named_without_its_secrets(failing: dict[str, Service], name: str, said: str) -> None:
    def fails() -> bool:
        started = time.monotonic()
        status = failing[name].probe("/readyz")
        assert time.monotonic() - started < 1
        return status == 503

    eventually(fails)
    reply = failing[name].management.get("/readyz")
    assert (reply.status_code, reply.json()["checks"]) == (503, {"database": "ok", "probe": said})
    assert "hunter2" not in failing[name].output()


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


@pytest.fixture(scope="module")
def stranded(without_database: Service) -> Service:
    """It has noticed that its database is away."""
    return without_database.alive()


def test_without_its_database_a_service_starts_alive_and_not_ready(stranded: Service) -> None:
    reply = stranded.http.get("/readyz")
    assert reply.status_code == 503
    assert reply.json()["checks"]["database"] != "ok"
    assert stranded.probe("/livez") == 200
    problem(stranded)


def test_it_keeps_trying_until_the_database_is_there(stranded: Service, away: Outage) -> None:
    away.end()
    eventually(lambda: stranded.probe("/readyz") == 200)
    assert stranded.http.get("/probe/sql").json() == {"one": 1}


def test_a_database_that_goes_away_is_a_503_until_it_is_back(stranded: Service, away: Outage) -> None:
    if not isinstance(away, Proxy):
        pytest.skip("a file that is open does not go away")
    assert stranded.http.get("/probe/sql").status_code == 200
    away.begin()
    problem(stranded)
    eventually(lambda: stranded.probe("/readyz") == 503, seconds=4)
    assert stranded.probe("/livez") == 200
    assert stranded.http.get("/probe/ok").status_code == 200
    away.end()
    eventually(lambda: stranded.http.get("/probe/sql").status_code == 200)
    eventually(lambda: stranded.probe("/readyz") == 200)


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
        with httpx2.Client(base_url=self.service.http.base_url, timeout=10, trust_env=False) as client:
            while not self.over.is_set():
                try:
                    self.replies.append(client.get("/probe/sleep?seconds=0.02"))
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
