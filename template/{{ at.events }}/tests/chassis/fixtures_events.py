"""A service that publishes, and the processes that relay and handle what it does."""

import os
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager, suppress
from typing import Any
from uuid import uuid4

import pytest

from app.chassis import local_server
from tests.chassis import event_broker
from tests.chassis.collector import Collector
from tests.chassis.conftest import Start
from tests.chassis.forked import Forked, call
from tests.chassis.outage import free_port
from tests.chassis.running import Service, eventually, migrate

EARLY = ("eventful",)
# There are many of them at a time, and a server has so many connections.
MODEST = {"DATABASE_POOL_SIZE": "3", "EVENTS_CONCURRENCY": "2"}


needs_broker = pytest.mark.skipif(not event_broker.is_there(), reason=event_broker.MISSING)


class Loops(Service):
    """A process of loops; `names` are theirs."""

    module = "tests.chassis.looping_events"
    names: tuple[str, ...] = ("relay", "consumer")

    def started(self) -> Forked:
        return Forked(call, self.folder, self.env, self.module, self.names)

    def again(self) -> "Loops":
        """What an orchestrator does with a process that has ended."""
        self.process = self.started()
        return self


class Relays(Loops):
    names = ("relay",)


class Consumers(Loops):
    names = ("consumer",)


class Eventful:
    """A web process with a database and a stream of its own."""

    def __init__(self, web: Service, env: dict[str, str], run: Callable[..., Any]) -> None:
        self.web, self.env, self.run = web, env, run

    def prepared(self) -> "Eventful":
        assert self.web.http.put("/probe/events").status_code == 204
        return self

    def publish(self, name: str, **query: Any) -> int:
        return self.web.http.post(f"/probe/events/{name}", params=query).status_code

    def effects(self, name: str) -> list[int]:
        found: list[int] = self.web.http.get(f"/probe/events/{name}").json()
        return found

    def wait_for(self, name: str, count: int) -> list[int]:
        return eventually(lambda: found if len(found := self.effects(name)) >= count else [], pause=0.05)


Made = Callable[..., AbstractContextManager[Eventful]]


@pytest.fixture(scope="session")
def with_events(start: Start, tmp_path_factory: pytest.TempPathFactory, traces: Collector) -> Made:
    """`with with_events(NAME=value) as service`: a web process with a database and a stream of its own, and its loops.

    All of them end with the block: loops are never idle, and the other tests want the cores, too.
    """
    tracing = {
        "OTEL_EXPORTER_OTLP_ENDPOINT": traces.url,
        "OTEL_BSP_SCHEDULE_DELAY": "50",
        "OTEL_TRACES_SAMPLER_ARG": "1",
    }

    @contextmanager
    def made(**env: str) -> Iterator[Eventful]:
        name = f"test_events_{os.getpid()}_{uuid4().hex[:6]}"
        with local_server.test_database(name) as url, ExitStack() as stack:
            migrate(url)
            given = event_broker.variables() | tracing | MODEST | {"DATABASE_URL": url} | env
            stack.callback(forgotten, given)

            def run(kind: type[Loops] = Loops, **more: str) -> Loops:
                folder = tmp_path_factory.mktemp("loops")
                loops = kind(folder, whole=True, MANAGEMENT_PORT=str(free_port()), **given | more)
                stack.callback(loops.stop)
                return loops

            web = start(**given)
            stack.callback(web.stop)
            yield Eventful(web, given, run)

    return made


def forgotten(env: dict[str, str]) -> None:
    with suppress(Exception):
        event_broker.forget(env)


@pytest.fixture(scope="session")
def eventful(with_events: Made) -> Iterator[tuple[Eventful, Loops]]:
    """The ones that several tests use."""
    with with_events(EVENTS_TRIES="3") as made:
        yield made, made.run()
