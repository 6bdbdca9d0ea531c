"""The database: its pool of connections, a transaction for each request, and whether it can be used."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal
from urllib.parse import parse_qsl

from pydantic import Field, ValidationInfo, field_validator

from app.chassis import conflicts, dialect, replica, revisions, slow_queries, tracing
from app.chassis.errors import Unavailable
from app.chassis.readiness import Degraded, NotReady
from app.chassis.settings import BaseSettings, load, split_url

if TYPE_CHECKING:
    # SQLAlchemy takes a fifth of a second to import: `resources` does, when /livez already answers.
    from prometheus_client import Metric
    from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, AsyncSession, async_sessionmaker

KINDS = {"postgres": "postgresql", "mariadb": "mysql"}
REPLICATED = frozenset({"postgresql", "mysql"})


class Settings(BaseSettings):
    database_url: str = Field(
        "",
        validate_default=True,
        repr=False,
        description="Where the database is; required in production.",
        examples=[dialect.EXAMPLE_URL],
    )
    database_pool_size: int = Field(10, ge=1, le=1000, description="Most connections of one process.", examples=["10"])
    database_pool_timeout: float = Field(
        5.0, gt=0, description="Seconds to wait for a free connection.", examples=["5"]
    )
    database_connect_timeout: float = Field(
        5.0, gt=0, description="Seconds to wait for a new connection.", examples=["5"]
    )
    database_statement_timeout: float = Field(
        30.0, ge=0, description="Seconds that a statement may run; 0 for no limit.", examples=["30"]
    )
    database_slow_query: float = Field(
        0.5, ge=0, description="Seconds after which a statement is slow and gets a line; 0 for never.", examples=["0.5"]
    )
    database_retries: int = Field(
        3, ge=0, le=10, description="How often a transaction that lost against another runs again.", examples=["3"]
    )
    database_replica_url: str = Field(
        "",
        repr=False,
        description="A copy that answers reads which may be a little old; none by default.",
        examples=[dialect.EXAMPLE_URL],
    )
    database_replica_lag: float = Field(
        5.0, ge=0, le=3600, description="Seconds for which whoever has written reads from the primary.", examples=["5"]
    )
    database_replica_reads: Literal["declared", "safe"] = Field(
        "declared",
        description="Which requests the replica serves: routes that declare it, or every GET and HEAD.",
        examples=["declared"],
    )

    @field_validator("database_url")
    @classmethod
    def check_url(cls, value: str, info: ValidationInfo) -> str:
        if not value:
            if info.data.get("environment") == "production":
                raise ValueError("is missing")
            value = dialect.DEFAULT_URL
        return checked(value)

    @field_validator("database_replica_url")
    @classmethod
    def check_replica_url(cls, value: str) -> str:
        if value and dialect.SYSTEM not in REPLICATED:
            raise ValueError("is for databases that have replicas: SQLite is one file, leave it out")
        return checked(value) if value else ""


def checked(value: str) -> str:
    """The URL in the form that the driver takes. Raises ValueError, never with the value: it carries the password."""
    parts = split_url(value)
    scheme = parts.scheme.partition("+")[0]
    kind = KINDS.get(scheme, scheme)
    if kind != dialect.SYSTEM:
        raise ValueError(f"is for {kind or 'no database'}, this service was rendered for {dialect.SYSTEM}")
    unknown = {name for name, _ in parse_qsl(parts.query, keep_blank_values=True)} - dialect.PARAMETERS
    if unknown:
        known = ", ".join(sorted(dialect.PARAMETERS)) or "none"
        raise ValueError(
            f"has parameters that the driver does not take: {', '.join(sorted(unknown))}; it takes {known}"
        )
    found = dialect.checked_url(value)
    if not parts.path.strip("/"):
        raise ValueError("names no database")
    return found


class Away(Unavailable):
    """Every way in which a database cannot be used just now: away, busy, too slow, failing over."""


class Lost(Away):
    """The database let another transaction win and has taken this one back; `reason` as in `conflicts.REASONS`."""

    def __init__(self, reason: str) -> None:
        super().__init__(f"The transaction gave way to another one: {reason}.")
        self.reason = reason


UNAVAILABLE = (Away,)


@dataclass(frozen=True, slots=True)
class Opened:
    """What is there while the service runs."""

    engine: "AsyncEngine"
    sessions: "async_sessionmaker[AsyncSession]"
    replica: "AsyncEngine | None" = None


_opened: Opened | None = None
_migrated = False
_inside: ContextVar["tuple[AsyncSession, asyncio.Task[Any] | None] | None"] = ContextVar("inside", default=None)


@asynccontextmanager
async def resources() -> AsyncIterator[None]:
    """No connection is needed to start: while the database is away the service is alive and not ready."""
    global _opened, _migrated
    # A command that is called where the service runs, as tests do, leaves that its own.
    former = _opened
    # In a thread, because it imports: the probes are answered meanwhile.
    _opened = await asyncio.to_thread(_open, load(Settings))
    _migrated = False
    try:
        yield
    finally:
        engines = _engines()
        _opened = former
        for engine in engines.values():
            await engine.dispose()


def _open(settings: Settings) -> Opened:
    from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker  # noqa: PLC0415

    from app.chassis import engine  # noqa: PLC0415

    made = engine.create(settings)
    copy = None
    if settings.database_replica_url:
        from app.chassis import reading  # noqa: PLC0415

        copy = engine.create(settings.model_copy(update={"database_url": settings.database_replica_url}))
        reading.watch(made.sync_engine, copy.sync_engine)
    if tracing.enabled():
        from app.chassis import database_spans  # noqa: PLC0415

        database_spans.install(made)
        if copy is not None:
            database_spans.install(copy)
    # Objects stay readable after the commit: they are what the response is made of.
    return Opened(made, async_sessionmaker(made, class_=AsyncSession, expire_on_commit=False), copy)


def opened() -> Opened:
    if _opened is None:
        raise RuntimeError("the database is open only while the service runs")
    return _opened


async def session() -> AsyncIterator["AsyncSession"]:
    """One transaction; use it as `Depends(session, scope="function")`, or a failed commit would answer 200."""
    outside = outer()
    if outside is not None:
        yield outside
        return
    async with _session() as one:
        with inside(one):
            yield one
            await one.commit()
            await told(one)


@asynccontextmanager
async def _session() -> "AsyncIterator[AsyncSession]":
    """Of the replica, where there is one and the request may read from it; else of the database itself."""
    if opened().replica is not None:
        from app.chassis import reading  # noqa: PLC0415 - as in `_open`

        async with reading.session() as reader:
            if reader is not None:
                yield reader
                return
    async with opened().sessions() as one:
        yield one


async def told(one: "AsyncSession") -> None:
    """After a commit: where there is a replica, whoever asked learns where to read what it has written."""
    if opened().replica is not None:
        from app.chassis import reading  # noqa: PLC0415 - as in `_open`

        await reading.told(one)


@contextmanager
def inside(one: "AsyncSession") -> Iterator[None]:
    """What runs meanwhile is part of this transaction, and leaves it to others to end it."""
    token = _inside.set((one, asyncio.current_task()))
    try:
        yield
    finally:
        _inside.reset(token)


def outer() -> "AsyncSession | None":
    """The transaction that the running code is part of, if one has begun.

    One that only reads from the replica is none: what writes needs a transaction of the database itself.
    """
    one = inner()
    if one is None or not one.in_transaction() or getattr(one.sync_session, "reads", False):
        return None
    return one


def inner() -> "AsyncSession | None":
    """The session of the running code, whether its transaction has begun or not; it serves no two tasks."""
    one, task = _inside.get() or (None, None)
    return one if task is asyncio.current_task() else None


def is_inside(one: "AsyncSession") -> bool:
    """Whether somebody commits this session when the running code is done."""
    return (_inside.get() or (None, None))[0] is one


async def check() -> None:
    """Ready when a connection can be had and no migration waits."""
    pool = _pool(opened().engine)
    if pool.checkedout() >= pool.limit:
        # Busy is not broken: a saturated service that leaves the load balancer drowns its siblings.
        return
    async with asyncio.timeout(load(Settings).database_connect_timeout), opened().engine.connect() as connection:
        await _ask(connection)
    if opened().replica is not None and replica.away():
        raise Degraded(replica.AWAY)


async def _ask(connection: "AsyncConnection") -> None:
    global _migrated
    if _migrated:
        await connection.exec_driver_sql("SELECT 1")
        return
    for history in revisions.histories():
        if revisions.pending(await _versions(connection, history.table), revisions.known(history.folder)):
            raise NotReady("migrations are pending: run `make migrate`")
    _migrated = True


async def _versions(connection: "AsyncConnection", table: str) -> set[str]:
    from sqlalchemy import String, column, inspect, select  # noqa: PLC0415
    from sqlalchemy import table as named  # noqa: PLC0415

    if not await connection.run_sync(lambda sync: inspect(sync).has_table(table)):
        return set()
    rows = await connection.execute(select(column("version_num", String)).select_from(named(table)))
    return set(rows.scalars())


def collect() -> Iterator["Metric"]:
    """The pool, by OpenTelemetry's names for it."""
    from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily  # noqa: PLC0415

    if _opened is None:
        return
    count = GaugeMetricFamily("db_client_connection_count", "Open connections.", labels=("pool", "state"))
    most = GaugeMetricFamily("db_client_connection_max", "Connections the pool may open.", labels=("pool",))
    pending = GaugeMetricFamily("db_client_connection_pending_requests", "Waiting for a connection.", labels=("pool",))
    timeouts = CounterMetricFamily(
        "db_client_connection_timeouts", "Waited for a connection in vain.", labels=("pool",)
    )
    for name, engine in _engines().items():
        pool = _pool(engine)
        count.add_metric((name, "idle"), pool.checkedin())
        count.add_metric((name, "used"), pool.checkedout())
        most.add_metric((name,), pool.limit)
        pending.add_metric((name,), pool.waiting)
        timeouts.add_metric((name,), pool.timeouts)
    yield from (count, most, pending, timeouts)
    if opened().replica is not None:
        yield replica.counted()
    yield conflicts.counted()
    yield slow_queries.counted()


def queued() -> int:
    """How many wait because every connection is in use."""
    return 0 if _opened is None else sum(int(_pool(engine).queued) for engine in _engines().values())


def _engines() -> "dict[str, AsyncEngine]":
    made = opened()
    return {"primary": made.engine} | ({"replica": made.replica} if made.replica is not None else {})


def _pool(engine: "AsyncEngine") -> Any:
    return engine.sync_engine.pool
