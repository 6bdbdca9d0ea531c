"""Services that tests of accounts need."""

import os
from collections.abc import Callable, Iterator

import pytest

from app.chassis import local_server
from tests.chassis.conftest import Start
from tests.chassis.running import Service, migrate

EARLY = ("choosy", "brief", "guessed")
Begin = Callable[..., Service]


@pytest.fixture(scope="session")
def apart(start: Start) -> Iterator[Begin]:
    """`apart(NAME=value)`: a service with a database that stays as it is while the tests of features empty theirs."""
    with local_server.test_database(f"test_accounts_{os.getpid()}") as url:
        migrate(url)
        services: list[Service] = []

        def started(**env: str) -> Service:
            services.append(start(DATABASE_URL=url, **env))
            return services[-1]

        yield started
        for service in services:
            service.stop()


@pytest.fixture(scope="session")
def choosy(apart: Begin) -> Service:
    """Whoever registers has to be confirmed."""
    return apart(REGISTRATION="confirmed", ROLES="clerk=probe:write")


@pytest.fixture(scope="session")
def brief(apart: Begin) -> Service:
    """Takes nobody in, and what it hashes takes its time."""
    return apart(REGISTRATION="closed", PASSWORD_MIN_LENGTH="15", ARGON2_PASSES="100")


@pytest.fixture(scope="session")
def guessed(apart: Begin) -> Service:
    """The one whose passwords a test tries to guess."""
    return apart()
