"""Services that share a database which no test of anything else uses."""

import os
from collections.abc import Iterator

import pytest

from app.chassis import local_server
from tests.chassis.conftest import Start
from tests.chassis.keyed import Keyed, environment
from tests.chassis.running import migrate

EARLY = ("keyed",)


@pytest.fixture(scope="session")
def keyed(start: Start) -> Iterator[Keyed]:
    with local_server.test_database(f"test_keyed_{os.getpid()}") as url:
        migrate(url)
        one, other, forgetful = (start(**environment(url), IDEMPOTENCY_TTL=ttl) for ttl in (None, None, "1"))
        yield Keyed(url, one, other, forgetful)
        for service in (one, other, forgetful):
            service.stop()
