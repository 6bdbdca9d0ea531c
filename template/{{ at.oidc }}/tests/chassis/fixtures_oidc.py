"""Services that tests of tokens need."""

import pytest

from tests.chassis.conftest import Start
from tests.chassis.outage import free_port
from tests.chassis.provider import Provider
from tests.chassis.running import Service

EARLY = ("patient", "orphaned")


@pytest.fixture(scope="session")
def own() -> Provider:
    """A provider that a test may do anything to."""
    return Provider()


@pytest.fixture(scope="session")
def patient(start: Start, own: Provider) -> Service:
    """Asks its provider for keys that it does not know twice a minute, as by default."""
    return start(OIDC_ISSUER=own.url, OIDC_KEYS_PAUSE="30")


@pytest.fixture(scope="session")
def orphaned(start: Start) -> Service:
    """Its provider was never there."""
    return start(OIDC_ISSUER=f"http://127.0.0.1:{free_port()}")
