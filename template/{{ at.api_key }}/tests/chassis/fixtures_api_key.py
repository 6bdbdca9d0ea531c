"""Services that tests of API keys need."""

import pytest

from tests.chassis.conftest import Start
from tests.chassis.running import Service

EARLY = ("forgetful", "strict")


@pytest.fixture(scope="session")
def forgetful(start: Start) -> Service:
    """Asks the database each time."""
    return start(API_KEY_CACHE="0")


@pytest.fixture(scope="session")
def strict(start: Start) -> Service:
    """Bears with three refused credentials a minute, and asks the database each time."""
    return start(AUTH_FAILURES="3", API_KEY_CACHE="0")
