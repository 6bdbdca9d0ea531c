"""The pytest plugin of this service: a database of its own for every run, and the fixtures `client` and `queries`."""

import os
from collections.abc import Generator
from pathlib import Path

import pytest


@pytest.hookimpl(wrapper=True)
def pytest_load_initial_conftests() -> Generator[None]:
    """Before pytest-django imports app/settings.py: no test may meet the development database, or `.env`."""
    os.environ["ENVIRONMENT"] = "test"
    os.environ.pop("DATABASE_REPLICA_URL", None)
    os.environ["DJANGO_SETTINGS_MODULE"] = "app.settings"
    return (yield)


def pytest_configure(config: pytest.Config) -> None:
    # Later than pytest-django: these replace its fixtures of the same names.
    config.pluginmanager.import_plugin("app.chassis.fixtures")
    # What capabilities bring for tests.
    for found in sorted(Path(__file__).parent.glob("*/fixtures.py")):
        config.pluginmanager.import_plugin(f"app.chassis.{found.parent.name}.fixtures")
