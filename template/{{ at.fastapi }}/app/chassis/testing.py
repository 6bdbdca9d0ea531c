"""The pytest plugin of this service: a database of its own for every run, and the fixtures `client` and `queries`."""

import os
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager, redirect_stdout
from importlib import import_module
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import event
from starlette.testclient import TestClient

from app.chassis import about, cache, database, local_server, logging, old_code, settings
from app.chassis.parts import PARTS

BASE_URL = "http://localhost"
START_SECONDS = 20.0
SignIn = Callable[..., dict[str, str]]
Queries = Callable[[], AbstractContextManager[list[str]]]
_run = ExitStack()


def pytest_configure(config: pytest.Config) -> None:
    """Before any test module is imported: no test may meet the development database, or `.env`."""
    os.environ["ENVIRONMENT"] = "test"
    os.environ.pop("DATABASE_REPLICA_URL", None)
    settings.forget()
    # What capabilities bring for tests.
    for found in sorted(Path(__file__).parent.glob("*/fixtures.py")):
        config.pluginmanager.import_plugin(f"app.chassis.{found.parent.name}.fixtures")


@pytest.hookimpl(tryfirst=True)
def pytest_runtestloop(session: pytest.Session) -> None:
    distributed = getattr(session.config.option, "numprocesses", None) and not hasattr(session.config, "workerinput")
    if session.items and not session.config.option.collectonly and not distributed:
        make_database()


def pytest_unconfigure() -> None:
    """Reached on Ctrl-C too."""
    _run.close()


def make_database() -> None:
    from app.chassis import migrate  # noqa: PLC0415 - Alembic, which a run that only collects does not need

    name = f"test_{about.NAME.replace('-', '_')}_{os.getpid()}"
    os.environ["DATABASE_URL"] = _run.enter_context(local_server.test_database(name))
    settings.forget()
    if old_code.migrated():
        return
    migrate.quiet()
    with redirect_stdout(StringIO()):
        migrate.upgrade()


@pytest.fixture(scope="session")
def _service() -> Iterator[TestClient]:
    # Imported here and by name: only the tests that use the service pay for it, and the chassis knows no feature.
    application = import_module("app.asgi").application
    with TestClient(application, BASE_URL, raise_server_exceptions=False) as service:
        wait_until_ready(service)
        # A line that waited for company would come out between two tests, where nobody expects it.
        logging.unbuffer()
        yield service


def wait_until_ready(service: TestClient) -> None:
    give_up = time.monotonic() + START_SECONDS
    while (answer := service.get("/readyz")).status_code != 200:
        assert time.monotonic() < give_up, answer.text  # noqa: S101 - this is a test
        time.sleep(0.02)


@pytest.fixture
def sign_in(_service: TestClient) -> SignIn:
    """`sign_in("ada", {"orders:read"})`: headers that make a request hers; none where nobody has to say who it is."""
    portal = _service.portal
    assert portal is not None  # noqa: S101 - this is a test
    found = [part.sign_in for part in PARTS if hasattr(part, "sign_in")]

    def signed_in(subject: str, scopes: set[str] | None = None) -> dict[str, str]:
        return {name: value for way in found for name, value in portal.call(way, subject, scopes).items()}

    return signed_in


@pytest.fixture
def client(_service: TestClient, sign_in: SignIn) -> TestClient:
    """An HTTP client of the whole service, its edge included; every test starts with empty tables.

    Where callers have to say who they are it is "tester", who may do everything.
    """
    fresh = TestClient(_service.app, BASE_URL, raise_server_exceptions=False)
    # The event loop that the service was started on: connections belong to it.
    fresh.portal = _service.portal
    assert fresh.portal is not None  # noqa: S101
    fresh.portal.call(empty_tables)
    cache.forget()
    fresh.headers.update(sign_in("tester"))
    return fresh


async def empty_tables() -> None:
    from app.chassis import tables  # noqa: PLC0415

    async with database.opened().engine.begin() as connection:
        for table in reversed([*tables.metadata().sorted_tables, *tables.chassis_metadata().sorted_tables]):
            await connection.execute(table.delete())


@pytest.fixture
def queries(_service: TestClient) -> Queries:
    """`with queries() as seen:` collects the service's SQL statements that run meanwhile, not those of the chassis."""

    @contextmanager
    def collecting() -> Iterator[list[str]]:
        seen: list[str] = []

        def note(_connection: Any, _cursor: Any, statement: str, *_rest: Any) -> None:
            if "chassis_" not in statement:
                seen.append(statement)

        engine = database.opened().engine.sync_engine
        event.listen(engine, "before_cursor_execute", note)
        try:
            yield seen
        finally:
            event.remove(engine, "before_cursor_execute", note)

    return collecting
