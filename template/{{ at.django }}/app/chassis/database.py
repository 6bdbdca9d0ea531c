"""The database: Django's connections from DATABASE_URL, its readiness, figures and spans."""

import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from importlib import import_module
from pkgutil import iter_modules
from typing import TYPE_CHECKING, Any, Literal
from urllib.parse import parse_qsl, unquote, urlsplit
from weakref import WeakSet

from pydantic import Field, ValidationInfo, field_validator

from app.chassis import conflicts, dialect, replica, slow_queries, statements, tracing
from app.chassis.exchange import current
from app.chassis.readiness import Degraded, NotReady
from app.chassis.settings import load, split_url
from app.chassis.slow_statements import Slow

if TYPE_CHECKING:
    from django.db.backends.base.base import BaseDatabaseWrapper
    from prometheus_client import Metric


KINDS = {"postgres": "postgresql", "mariadb": "mysql"}
REPLICATED = frozenset({"postgresql", "mysql"})


class Settings(dialect.Connections):
    database_url: str = Field(
        "",
        validate_default=True,
        repr=False,
        description="Where the database is; required in production.",
        examples=[dialect.EXAMPLE_URL],
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
    scheme = parts.scheme
    kind = KINDS.get(scheme, scheme)
    if kind != dialect.SYSTEM:
        raise ValueError(f"is for {kind or 'no database'}, this service was rendered for {dialect.SYSTEM}")
    found = dialect.checked_url(value)
    if not parts.path.strip("/"):
        raise ValueError("names no database")
    return found


# -- what Django's settings want to know -------------------------------------------------------------------------------


def databases() -> dict[str, dict[str, Any]]:
    """`DATABASES`, all of it from the environment; `replica` is there if DATABASE_REPLICA_URL is."""
    settings = load(Settings)
    copy = settings.database_replica_url
    return {"default": connected_to(settings.database_url)} | ({"replica": connected_to(copy)} if copy else {})


def connected_to(given: str) -> dict[str, Any]:
    settings = load(Settings)
    url = urlsplit(given)
    limits = dialect.options(
        settings,
        connect_timeout=settings.database_connect_timeout,
        statement_timeout=settings.database_statement_timeout,
    )
    default = {
        "NAME": unquote(url.path[1:]),
        "HOST": unquote(url.hostname or ""),
        "PORT": url.port or "",
        "USER": unquote(url.username or ""),
        "PASSWORD": unquote(url.password or ""),
        # A connection that broke while nobody used it is found out before it fails a request.
        "CONN_HEALTH_CHECKS": True,
        **limits,
    }
    return default | {"OPTIONS": limits["OPTIONS"] | dict(parse_qsl(url.query))}


def database_routers() -> list[str]:
    """`DATABASE_ROUTERS`: who decides which reads the replica serves."""
    return ["app.chassis.reading.Router"] if load(Settings).database_replica_url else []


# -- the part: what Django imports is imported when the service loads, so that /livez need not wait for it -------------


@contextmanager
def resources() -> Iterator[None]:
    """Connections open when they are needed: a database that is away must not stop the start."""
    from django.db import connections  # noqa: PLC0415
    from django.db.backends.signals import connection_created  # noqa: PLC0415

    connection_created.connect(opened)
    try:
        yield
    finally:
        connection_created.disconnect(opened)
        connections.close_all()
        for alias in connections:
            dialect.close(connections[alias])


def opened(connection: "BaseDatabaseWrapper", **_signal: Any) -> None:
    """Sent for every new connection; Django's object around it stays with its thread."""
    with _lock:
        _wrappers.add(connection)
    settings = load(Settings)
    dialect.opened(connection, statement_timeout=settings.database_statement_timeout)
    if statements.in_time not in connection.execute_wrappers:
        connection.execute_wrappers.append(statements.in_time)
    if settings.database_slow_query and not any(isinstance(one, Slow) for one in connection.execute_wrappers):
        connection.execute_wrappers.append(Slow(settings.database_slow_query))
    if settings.database_replica_url:
        from app.chassis import reading  # noqa: PLC0415 - Django is set up by now

        reading.watch(connection)
    if tracing.enabled() and in_span not in connection.execute_wrappers:
        connection.execute_wrappers.append(in_span)


def check() -> None:
    """Ready is a database that answers and that has every migration. Raises NotReady or Django's own errors."""
    from django.db import connection  # noqa: PLC0415

    if dialect.busy(connection, held("default")):
        # Busy is not broken: a saturated service that leaves the load balancer drowns its siblings.
        return
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
        if not _migrated:
            _check_migrations()
    finally:
        # Checks run in threads of their own, and a connection belongs to its thread.
        connection.close()
    if replica.away():
        raise Degraded(replica.AWAY)


_lock = threading.Lock()
_wrappers: WeakSet["BaseDatabaseWrapper"] = WeakSet()
_migrated = False


def _check_migrations() -> None:
    global _migrated
    if known_migrations() - applied_migrations():
        raise NotReady("migrations are pending: run `make migrate`")
    # Nobody takes migrations back while this process runs.
    _migrated = True


def known_migrations() -> set[tuple[str, str]]:
    """Every migration of every app, by the names of their files: loading them would take a tenth of a second."""
    from django.apps import apps  # noqa: PLC0415
    from django.db.migrations.loader import MigrationLoader  # noqa: PLC0415

    found = set()
    for label in (config.label for config in apps.get_app_configs()):
        name, explicit = MigrationLoader.migrations_module(label)
        if name is None:
            continue
        try:
            folder = import_module(name).__path__
        except ModuleNotFoundError:
            if explicit:
                raise
            continue
        found |= {(label, module.name) for module in iter_modules(folder) if module.name[0] not in "_~"}
    return found


def applied_migrations() -> set[tuple[str, str]]:
    from django.db import connection  # noqa: PLC0415
    from django.db.migrations.recorder import MigrationRecorder  # noqa: PLC0415

    return set(MigrationRecorder(connection).applied_migrations())


def collect() -> "Iterable[Metric]":
    """The connections' figures, by OpenTelemetry's names."""
    from django.db import connections  # noqa: PLC0415
    from prometheus_client.core import GaugeMetricFamily  # noqa: PLC0415

    count = GaugeMetricFamily("db_client_connection_count", "Connections that are open.", labels=("pool", "state"))
    most = GaugeMetricFamily("db_client_connection_max", "Connections that may be open.", labels=("pool",))
    for alias in connections:
        name = "primary" if alias == "default" else alias
        used, idle, limit = dialect.figures(connections[alias], held(alias))
        count.add_metric((name, "used"), used)
        count.add_metric((name, "idle"), idle)
        most.add_metric((name,), limit)
    yield from (count, most)
    if load(Settings).database_replica_url:
        yield replica.counted()
    yield conflicts.counted()
    yield slow_queries.counted()


def queued() -> int:
    """How many wait because every connection is in use."""
    from django.db import connections  # noqa: PLC0415

    return sum(dialect.queued(connections[alias]) for alias in connections)


def held(alias: str) -> int:
    """How many connections threads have at this moment."""
    with _lock:
        return sum(wrapper.connection is not None and wrapper.alias == alias for wrapper in _wrappers)


# -- spans -------------------------------------------------------------------------------------------------------------

Execute = Callable[[str, Any, bool, dict[str, Any]], Any]


def in_span(execute: Execute, sql: str, params: Any, many: bool, context: dict[str, Any]) -> Any:  # noqa: FBT001
    """A client span around a statement of a sampled request: the statement, never its values."""
    exchange = current.get()
    if exchange is None or exchange.span is None:
        return execute(sql, params, many, context)
    from app.chassis import database_spans  # noqa: PLC0415 - OpenTelemetry is imported only where spans are wanted

    with database_spans.statement(str(sql), context["connection"]):
        return execute(sql, params, many, context)


def renew_connection() -> None:
    """What Django does when a request begins and when it ends: for a part that asks the database on its way."""
    from django.db import connection  # noqa: PLC0415 - the settings are read from here

    # Not where a test has begun a transaction that it will take back.
    if not connection.in_atomic_block:
        connection.close_if_unusable_or_obsolete()


def is_unavailable(error: BaseException) -> bool:
    """Whether trying again later may help; Django's errors are raised from the driver's."""
    from django.db import DataError, IntegrityError, NotSupportedError, ProgrammingError  # noqa: PLC0415 - once set up

    # Django raises some by itself, which tell no state: a row that others refer to, a transaction that is broken.
    if isinstance(error, DataError | IntegrityError | NotSupportedError | ProgrammingError):
        return False
    return dialect.is_unavailable(error.__cause__ or error)


def conflict(error: BaseException) -> str | None:
    """How the transaction lost against another one, if that is what happened."""
    return dialect.conflict(error.__cause__ or error)
