"""Services that tests of tokens need."""

from pathlib import Path

import pytest

from tests.chassis.fixtures_accounts import Begin
from tests.chassis.keys import make
from tests.chassis.running import Service

EARLY = ("rotating", "fleeting")


@pytest.fixture(scope="session")
def own_keys(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder that a test may do anything to."""
    folder = tmp_path_factory.mktemp("keys")
    make(folder, "1.pem")
    return folder


@pytest.fixture(scope="session")
def rotating(apart: Begin, own_keys: Path) -> Service:
    """Signs with keys that come and go."""
    return apart(JWT_KEYS=str(own_keys))


@pytest.fixture(scope="session")
def fleeting(apart: Begin) -> Service:
    """Who has logged in has to do so again soon."""
    return apart(REFRESH_TTL="1")
