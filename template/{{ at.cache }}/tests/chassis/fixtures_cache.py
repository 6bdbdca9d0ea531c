"""Services with a cache, which some of them lose."""

from collections.abc import Iterator

import pytest

from tests.chassis.conftest import Start
from tests.chassis.outage import Proxy
from tests.chassis.running import Service
from tests.chassis.variables_cache import REDIS

EARLY = ("caching", "losing", "keeping")
HERD = 3


@pytest.fixture(scope="session")
def caching(start: Start) -> list[Service]:
    """Processes that share what they keep."""
    return [start(CACHE_URL=REDIS, CACHE_VALUE_LIMIT="1000", THREADS="100", CACHE_TIMEOUT="1") for _ in range(HERD)]


@pytest.fixture(scope="session")
def keeping(start: Start) -> Service:
    """Without a Redis, as on the first day of development."""
    return start(ENVIRONMENT="development", SECRET_KEY=None, ALLOWED_HOSTS=None, CACHE_URL=None, LOG_FORMAT="json")


@pytest.fixture(scope="session")
def lost_store() -> Iterator[Proxy]:
    """A Redis or Valkey, through a proxy that takes it away."""
    made = Proxy(REDIS)
    made.end()
    yield made
    made.begin()


@pytest.fixture(scope="session")
def losing(start: Start, lost_store: Proxy) -> list[Service]:
    """The first one's Redis can be taken away, the other one's not."""
    return [start(CACHE_URL=lost_store.url, CACHE_TIMEOUT="2"), start(CACHE_URL=REDIS, CACHE_TIMEOUT="2")]
