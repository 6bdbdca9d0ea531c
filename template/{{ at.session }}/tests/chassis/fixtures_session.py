"""Services that tests of sessions need."""

import pytest

from tests.chassis.fixtures_accounts import Begin
from tests.chassis.running import Service

EARLY = ("fleeting", "idle")
PAGE = "https://app.example.com"


@pytest.fixture(scope="session")
def fleeting(apart: Begin) -> Service:
    """Who has logged in has to do so again soon, whatever it does meanwhile; a page of elsewhere may ask."""
    return apart(SESSION_TTL="3", SESSION_IDLE_TTL="3", CORS_ORIGINS=PAGE)


@pytest.fixture(scope="session")
def idle(apart: Begin) -> Service:
    """Who does nothing for a while has to log in again."""
    return apart(SESSION_IDLE_TTL="5")
