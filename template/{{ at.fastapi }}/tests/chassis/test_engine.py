"""Connections to the database: limits in time and number that hold, and recovery without help."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterator
from typing import Any

import pytest
from pydantic import ValidationError
from sqlalchemy import event
from sqlalchemy.ext.asyncio import AsyncEngine

from app.chassis import dialect, engine
from app.chassis.database import Away, Settings
from app.chassis.settings import load
from tests.chassis.proxy import Proxy, proxy
from tests.chassis.running import Service

NEVER_ENDING = {
    "sqlite": "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 100000000) "
    "SELECT COUNT(*) FROM n",
    "postgresql": "SELECT pg_sleep(60)",
    "mysql": "SELECT COUNT(*) FROM information_schema.columns a, information_schema.columns b, "
    "information_schema.columns c",
}[dialect.SYSTEM]
# Seconds: far less than that, far more than a busy machine needs to end it.
SOON = 5.0
networked = pytest.mark.skipif(dialect.SYSTEM == "sqlite", reason="SQLite has no network that could fail")

Use = Callable[[AsyncEngine], Awaitable[Any]]


def use(body: Use, **changes: Any) -> float:
    """Run `body` with an engine of these settings; the seconds that it took."""

    async def run() -> float:
        made = engine.create(load(Settings).model_copy(update=changes))
        started = time.monotonic()
        try:
            await body(made)
            return time.monotonic() - started
        finally:
            await made.dispose()

    return asyncio.run(run())


async def ask(made: AsyncEngine, statement: str = "SELECT 1") -> Any:
    async with made.connect() as connection:
        return (await connection.exec_driver_sql(statement)).scalar()


async def ask_until_answered(made: AsyncEngine) -> Any:
    """On a busy machine a server that is well may be slower than limits which let a test be fast."""
    for _ in range(20):
        try:
            return await ask(made)
        except Away:
            await asyncio.sleep(0.05)
    return await ask(made)


async def ask_in_vain(made: AsyncEngine, statement: str = "SELECT 1") -> None:
    with pytest.raises(Away):
        await ask(made, statement)


@pytest.fixture
def network() -> Iterator[Proxy]:
    with proxy(load(Settings).database_url) as made:
        yield made


# -- limits


def test_a_statement_ends_when_its_time_is_over() -> None:
    async def body(made: AsyncEngine) -> None:
        await ask_in_vain(made, NEVER_ENDING)
        assert await ask(made) == 1

    # Before the client's own patience ends: it is the server that stops working.
    assert 0.3 <= use(body, database_statement_timeout=0.3) < SOON


def test_a_pool_of_one_lets_the_second_wait_for_a_limited_time() -> None:
    async def body(made: AsyncEngine) -> None:
        async with made.connect():
            await ask_in_vain(made)
        assert made.sync_engine.pool.timeouts == 1  # type: ignore[attr-defined]
        assert await ask(made) == 1

    assert 0.2 <= use(body, database_pool_size=1, database_pool_timeout=0.2) < SOON


@networked
def test_a_server_that_takes_the_call_and_says_nothing_is_given_up(network: Proxy) -> None:
    network.swallow()
    seconds = use(ask_in_vain, database_url=network.url, database_connect_timeout=0.3)
    assert 0.3 <= seconds < SOON


@networked
def test_a_server_that_falls_silent_is_given_up(network: Proxy, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dialect, "GRACE_SECONDS", 0.2)

    async def body(made: AsyncEngine) -> None:
        await ask_until_answered(made)
        network.swallow()
        await ask_in_vain(made)
        network.mend()
        assert await ask_until_answered(made) == 1

    # The driver says goodbye for two seconds more, in vain.
    assert 0.4 <= use(body, database_url=network.url, database_statement_timeout=0.2) < SOON


# -- recovery


@networked
def test_connections_that_were_cut_are_replaced_before_anybody_notices(network: Proxy) -> None:
    async def body(made: AsyncEngine) -> None:
        async with made.connect() as one, made.connect() as two:
            await one.exec_driver_sql("SELECT 1")
            await two.exec_driver_sql("SELECT 1")
        network.cut()
        network.mend()
        await asyncio.sleep(0.05)
        assert await ask(made) == 1

    use(body, database_url=network.url)


@networked
def test_a_connection_that_was_idle_for_long_is_asked_before_it_is_used(
    network: Proxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def body(made: AsyncEngine) -> None:
        await ask(made)
        # As a firewall does it: neither side is told.
        monkeypatch.setattr(engine, "IDLE_SECONDS", 0)
        monkeypatch.setattr(dialect, "is_closed", lambda _connection: False)
        network.cut()
        network.mend()
        assert await ask(made) == 1

    use(body, database_url=network.url)


# -- figures


def test_the_pool_is_measured(production: Service) -> None:
    production.http.get("/probe/sql")
    assert production.metric("db_client_connection_max") == int(production.env["DATABASE_POOL_SIZE"])
    assert production.metric("db_client_connection_count", state="idle") >= 1
    assert list(production.samples("db_client_connection_count"))[1] == ({"pool": "primary", "state": "used"}, 0)
    assert list(production.samples("db_client_connection_timeouts_total")) == [({"pool": "primary"}, 0)]


# -- settings


@pytest.mark.parametrize("kind", {"sqlite", "postgresql", "mysql"} - {dialect.SYSTEM})
def test_a_url_of_another_kind_names_both(kind: str) -> None:
    with pytest.raises(ValueError, match=f"is for {kind}, this service was rendered for {dialect.SYSTEM}"):
        Settings(database_url=f"{kind}://ada:hunter2@localhost/orders")


@pytest.mark.skipif(dialect.SYSTEM != "sqlite", reason="only SQLite is a file")
@pytest.mark.parametrize(
    ("url", "text"),
    [
        ("sqlite:////nowhere/at/all.db", "the folder /nowhere/at does not exist"),
        ("sqlite:///:memory:", "names no file"),
        ("sqlite://", "names no file"),
    ],
)
def test_a_file_that_cannot_be_is_refused(url: str, text: str) -> None:
    with pytest.raises(ValueError, match=text):
        Settings(database_url=url)


def test_a_parameter_that_the_driver_does_not_take_is_refused_at_the_start() -> None:
    """It would fail every connection, and look like a database that is away."""
    before = dialect.EXAMPLE_URL + ("&" if "?" in dialect.EXAMPLE_URL else "?")
    for known in dialect.PARAMETERS:
        Settings(database_url=f"{before}{known}=1")
    with pytest.raises(ValidationError, match="channel_binding; it takes") as refused:
        Settings(database_url=f"{before}channel_binding=require")
    assert "require" not in str(refused.value)


def test_a_connection_that_dies_while_it_is_set_up_is_away() -> None:
    async def body(made: AsyncEngine) -> None:
        def die(*_connection: Any) -> None:
            raise RuntimeError("the connection is closed")

        event.listen(made.sync_engine, "connect", die)
        await ask_in_vain(made)

    use(body)
