"""A service with a replica: two databases that differ show who answers, and one of them can go away."""

import os
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import pytest

from app.chassis import dialect, local_server
from tests.chassis.conftest import Start
from tests.chassis.outage import Proxy
from tests.chassis.running import Service

SYSTEM: Final[str] = dialect.SYSTEM
# One service waits so long after a write, in seconds.
LAG = 1.0


@dataclass(frozen=True)
class Replicated:
    service: Service
    network: Proxy


@pytest.fixture(scope="session")
def copy(start: Start) -> Iterator[str]:
    """The URL of what takes the place of a replica; a row in it says so."""
    if SYSTEM == "sqlite":
        pytest.skip("SQLite has no replicas")
    with local_server.test_database(f"test_replica_{os.getpid()}") as url:
        service = start(DATABASE_URL=url).alive()
        named(service, "replica")
        service.stop()
        yield url


@pytest.fixture(scope="session")
def replicated(start: Start, copy: str) -> Iterator[Replicated]:
    network = Proxy(copy)
    network.end()
    limits = {"DATABASE_CONNECT_TIMEOUT": "1", "DATABASE_POOL_TIMEOUT": "1"}
    service = start(DATABASE_REPLICA_URL=network.url, DATABASE_REPLICA_LAG=str(LAG), **limits)
    named(service.ready(), "primary")
    yield Replicated(service, network)
    service.stop()
    network.begin()


@pytest.fixture(scope="session")
def eager(start: Start, copy: str, replicated: Replicated) -> Iterator[Service]:
    """Every GET is a read; the primary is that of the other one."""
    service = start(DATABASE_REPLICA_URL=copy, DATABASE_REPLICA_READS="safe")
    yield service
    service.stop()


def named(service: Service, name: str) -> None:
    answer = service.http.put("/probe/place", params={"name": name})
    assert answer.status_code == 200, service.output()
