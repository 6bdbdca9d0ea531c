"""Services whose clients get little."""

import os
from collections.abc import Iterator

import pytest

from tests.chassis.conftest import Start
from tests.chassis.outage import Proxy
from tests.chassis.running import Service

LIMITS = "default=5/3600, often=1000/60, seldom=2/2"
REDIS = os.environ.get("RATE_LIMIT_URL") or "redis://127.0.0.1:6379/0"
EARLY = ("limited", "unproxied", "replicas", "forsaken")


@pytest.fixture(scope="session")
def limited(start: Start) -> Service:
    return start(RATE_LIMITS=LIMITS, TRUSTED_PROXIES="127.0.0.1")


@pytest.fixture(scope="session")
def unproxied(start: Start) -> Service:
    """It trusts no proxy."""
    return start(RATE_LIMITS=LIMITS)


@pytest.fixture(scope="session")
def store() -> Iterator[Proxy]:
    """A Redis or Valkey, through a proxy that takes it away."""
    made = Proxy(REDIS)
    made.end()
    yield made
    made.begin()


@pytest.fixture(scope="session")
def replicas(start: Start) -> tuple[Service, Service]:
    env = {"RATE_LIMITS": LIMITS, "RATE_LIMIT_URL": REDIS, "TRUSTED_PROXIES": "127.0.0.1"}
    return start(**env), start(**env)


@pytest.fixture(scope="session")
def forsaken(start: Start, store: Proxy) -> Service:
    return start(RATE_LIMITS=LIMITS, RATE_LIMIT_URL=store.url, TRUSTED_PROXIES="127.0.0.1")
