"""Services that little is too much for."""

import pytest

from tests.chassis.conftest import Start
from tests.chassis.running import Service

PLACES = 2
EARLY = ("narrow", "single")
SETTINGS = {"LOAD_SHEDDING_TARGET": "0.02", "TRUSTED_PROXIES": "127.0.0.1"}


@pytest.fixture(scope="session")
def narrow(start: Start) -> Service:
    """Connections are what there is too few of under ASGI, threads under WSGI."""
    return start(THREADS=str(PLACES), DATABASE_POOL_SIZE=str(PLACES), **SETTINGS)


@pytest.fixture(scope="session")
def single(start: Start) -> Service:
    return start(THREADS="1", DATABASE_POOL_SIZE="1", **SETTINGS)
