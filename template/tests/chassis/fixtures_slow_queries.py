"""Services that think differently of what is slow."""

import pytest

from tests.chassis.conftest import Start
from tests.chassis.running import Service

EARLY = ("impatient", "indifferent")


@pytest.fixture(scope="session")
def impatient(start: Start) -> Service:
    """A twentieth of a second is slow, and three seconds are the end."""
    return start(DATABASE_SLOW_QUERY="0.05", DATABASE_STATEMENT_TIMEOUT="3")


@pytest.fixture(scope="session")
def indifferent(start: Start) -> Service:
    return start(DATABASE_SLOW_QUERY="0")


@pytest.fixture(scope="session")
def pedantic(start: Start) -> Service:
    """Everything is slow."""
    return start(DATABASE_SLOW_QUERY="0.0000001")
