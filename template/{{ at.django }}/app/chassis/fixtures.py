"""The fixtures of this service's tests; pytest-django's own (`db`, `admin_client`, ...) use the same database."""

import os
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any

import httpx2
import pytest
from django.conf import settings as django_settings
from django.core.management import call_command
from django.core.signals import request_finished, request_started
from django.db import close_old_connections, connection, connections
from pytest_django import DjangoDbBlocker

from app.chassis import about, cache, database, dialect, local_server, old_code, settings
from app.chassis.parts import PARTS

SignIn = Callable[..., dict[str, str]]
Queries = Callable[[], AbstractContextManager[list[str]]]
# What Django sends so that a test's transaction can be taken back, and what surrounds a service's own.
TRANSACTION = ("BEGIN", "SAVEPOINT", "RELEASE SAVEPOINT", "ROLLBACK TO SAVEPOINT")


@pytest.fixture(scope="session", autouse=True)
def _database(django_db_blocker: DjangoDbBlocker) -> Iterator[None]:
    """Made even for tests that do not use it: they may start processes which do."""
    name = f"test_{about.NAME.replace('-', '_')}_{os.getpid()}"
    with local_server.test_database(name) as url:
        use_database(url)
        with django_db_blocker.unblock():
            if not old_code.migrated():
                call_command("migrate", verbosity=0)
        # Processes that tests start may want the database for themselves.
        connections.close_all()
        yield
        # A database that somebody is connected to cannot be dropped.
        connections.close_all()
        dialect.close(connections["default"])


@pytest.fixture(scope="session")
def django_db_setup() -> None:
    """Instead of pytest-django's: `_database` has done it."""


@pytest.fixture(scope="session")
def _service() -> Any:
    from app.wsgi import application  # noqa: PLC0415 - importing the service is what the tests that use it pay for

    application.open()
    return application


@pytest.fixture
def sign_in(_service: Any, db: None) -> SignIn:  # noqa: ARG001
    """`sign_in("ada", {"orders:read"})`: headers that make a request hers; none where nobody has to say who it is."""
    found = [part.sign_in for part in PARTS if hasattr(part, "sign_in")]

    def signed_in(subject: str, scopes: set[str] | None = None) -> dict[str, str]:
        return {name: value for way in found for name, value in way(subject, scopes).items()}

    return signed_in


@pytest.fixture
def client(_service: Any, sign_in: SignIn) -> Iterator[httpx2.Client]:
    """An HTTP client of the whole service, its edge included; every test starts with empty tables.

    Where callers have to say who they are it is "tester", who may do everything.

    Requests run in the test's thread and inside its transaction, which is taken back in the end.
    """
    cache.forget()
    transport = httpx2.WSGITransport(_service, raise_app_exceptions=False)
    with connection_kept(), httpx2.Client(transport=transport, base_url="http://localhost") as client:
        client.headers.update(sign_in("tester"))
        yield client


@pytest.fixture
def queries(db: None) -> Queries:  # noqa: ARG001
    """`with queries() as seen:` collects the service's SQL statements that run meanwhile, not those of the chassis."""
    return collecting


@contextmanager
def connection_kept() -> Iterator[None]:
    """A request ends with its connection back in the pool; the test's transaction needs it still."""
    for signal in (request_started, request_finished):
        signal.disconnect(close_old_connections)
    yield
    for signal in (request_started, request_finished):
        signal.connect(close_old_connections)


def use_database(url: str) -> None:
    os.environ["DATABASE_URL"] = url
    settings.forget()
    django_settings.DATABASES.update(database.databases())
    connections.settings = connections.configure_settings(django_settings.DATABASES)
    del connections["default"]


@contextmanager
def collecting() -> Iterator[list[str]]:
    seen: list[str] = []

    def note(execute: Any, sql: str, params: Any, many: bool, context: Any) -> Any:  # noqa: FBT001
        if not sql.startswith(TRANSACTION) and "chassis_" not in sql:
            seen.append(sql)
        return execute(sql, params, many, context)

    with connection.execute_wrapper(note):
        yield seen
