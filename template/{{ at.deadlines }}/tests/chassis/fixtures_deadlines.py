"""A service in a hurry."""

import pytest

from tests.chassis.conftest import Start
from tests.chassis.running import Service

EARLY = ("hurried",)


@pytest.fixture(scope="session")
def hurried(start: Start) -> Service:
    """Requests have a second, clients may ask for two; one connection, so that a lost one is missed."""
    return start(REQUEST_TIMEOUT="1", REQUEST_TIMEOUT_CAP="2", DATABASE_POOL_SIZE="1", TRUSTED_PROXIES="127.0.0.1")
