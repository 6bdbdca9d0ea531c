"""A database router: which models' reads go to the replica."""

from contextlib import suppress
from typing import Any

from django.db import DatabaseError, InterfaceError, connections
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.models import Model

from app.chassis import dialect, replica
from app.chassis.database import Settings, is_unavailable
from app.chassis.exchange import Exchange, current
from app.chassis.settings import load
from app.chassis.statements import Execute

PRIMARY = "default"
REPLICA = "replica"
POSITIONED = frozenset({"postgresql"})
# NULL where nobody replays: a database that is no standby has no position, and the clock has to do.
REACHED = "SELECT pg_last_wal_replay_lsn() >= CAST(%s AS pg_lsn)"
POSITION = "SELECT CAST(pg_current_wal_lsn() AS text)"
# Who somebody is and what a key has been used for is never a little old.
OURS = ("app.chassis.", "django.")


class Router:
    """Reads of a request that may be a little old go to the replica; what writes, locks or migrates never does."""

    def db_for_read(self, model: type[Model], **_hints: Any) -> str:
        # Never None: Django would go on where the instance was read that it comes from.
        return REPLICA if not model.__module__.startswith(OURS) and may_be_old() else PRIMARY

    def db_for_write(self, _model: type[Model], **_hints: Any) -> str:
        return PRIMARY

    def allow_relation(self, _one: Model, _other: Model, **_hints: Any) -> bool:
        return True

    def allow_migrate(self, db: str, _app_label: str, **_hints: Any) -> bool | None:
        return False if db == REPLICA else None


def may_be_old() -> bool:
    """Whether the request that is being served reads from the replica; decided once, until it writes."""
    exchange = current.get()
    settings = load(Settings)
    if exchange is None or not replica.wanted(exchange, reads=settings.database_replica_reads):
        return False
    if connections[PRIMARY].in_atomic_block:
        return False
    if exchange.replica is None:
        exchange.replica = usable(exchange, lag=settings.database_replica_lag)
    return exchange.replica


def usable(exchange: Exchange, *, lag: float) -> bool:
    """Whether the replica is there and has what the caller wrote."""
    mark = replica.mark(exchange)
    position = replica.asked(mark)
    if position is None and replica.fresh(mark, lag=lag):
        replica.count("recent_write")
        return False
    if not replica.worth_trying():
        replica.count("away")
        return False
    try:
        connections[REPLICA].ensure_connection()
        reached = position is None or has_reached(position)
        replica.answered()
    except (DatabaseError, InterfaceError) as error:
        if not is_unavailable(error):
            raise
        replica.failed(error)
        replica.count("away")
        return False
    here = bool(reached or (reached is None and not replica.fresh(mark, lag=lag)))
    replica.count("replica" if here else "recent_write")
    return here


def has_reached(position: str) -> bool | None:
    """None where it cannot be told."""
    if dialect.SYSTEM not in POSITIONED:
        return None
    with connections[REPLICA].cursor() as cursor:
        try:
            cursor.execute(REACHED, [position])
        except DatabaseError as error:
            if is_unavailable(error):
                raise
            # A copy of another kind knows no such function.
            return None
        reached: bool | None = cursor.fetchone()[0]
        return reached


def told(exchange: Exchange) -> None:
    """After the view: let the caller know where to read what it has written."""
    settings = load(Settings)
    if not settings.database_replica_url:
        return
    position = None
    if dialect.SYSTEM in POSITIONED:
        # What is committed has succeeded, whatever comes now.
        with suppress(DatabaseError, InterfaceError), connections[PRIMARY].cursor() as cursor:
            cursor.execute(POSITION)
            position = cursor.fetchone()[0]
    replica.written(
        exchange, position=position, lag=settings.database_replica_lag, secure=settings.environment == "production"
    )


# -- what runs ---------------------------------------------------------------------------------------------------------


def watch(connection: BaseDatabaseWrapper) -> None:
    """Note who writes, and when the replica breaks in the middle of a conversation."""
    wrapper = breaking if connection.alias == REPLICA else noting
    if wrapper not in connection.execute_wrappers:
        connection.execute_wrappers.append(wrapper)


def noting(execute: Execute, sql: str, params: Any, many: bool, context: dict[str, Any]) -> Any:  # noqa: FBT001
    replica.note(str(sql))
    return execute(sql, params, many, context)


def breaking(execute: Execute, sql: str, params: Any, many: bool, context: dict[str, Any]) -> Any:  # noqa: FBT001
    try:
        return execute(sql, params, many, context)
    except (DatabaseError, InterfaceError) as error:
        if is_unavailable(error):
            replica.failed(error)
        raise
