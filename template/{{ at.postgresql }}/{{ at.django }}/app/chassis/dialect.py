"""What PostgreSQL needs that the other databases do not."""

from typing import TYPE_CHECKING, Any, Final, cast

from pydantic import Field

from app.chassis import about
from app.chassis.settings import BaseSettings

if TYPE_CHECKING:
    from django.db.backends.base.base import BaseDatabaseWrapper
    from django.db.backends.postgresql.base import DatabaseWrapper

SYSTEM: Final = "postgresql"
# The collation that takes no two texts for the same; none where that is the default.
EXACT: Final[str | None] = None
DEFAULT_URL: Final = f"postgresql://postgres@127.0.0.1:5432/{about.NAME.replace('-', '_')}"
EXAMPLE_URL: Final = "postgresql://user:password@localhost:5432/orders"
# The others are made when somebody waits for one, and closed when nobody has wanted them for ten minutes.
IDLE_CONNECTIONS: Final = 1
RECYCLE_SECONDS: Final = 1800
RECONNECT_SECONDS: Final = 1.0
CANCEL_SECONDS: Final = 2.0
# Any number, the same in every replica: "slipway" on a telephone.
LOCK_KEY: Final = 7547929


class Connections(BaseSettings):
    database_pool_size: int = Field(10, ge=1, le=1000, description="Most connections of one process.", examples=["10"])
    database_pool_timeout: float = Field(
        5.0, gt=0, description="Seconds to wait for a free connection.", examples=["5"]
    )


def checked_url(url: str) -> str:
    return url


def options(settings: Connections, *, connect_timeout: float, statement_timeout: float) -> dict[str, Any]:
    """What Django's `DATABASES` says beside where the database is."""
    milliseconds = int(statement_timeout * 1000)
    return {
        "ENGINE": "django.db.backends.postgresql",
        "OPTIONS": {
            "application_name": about.NAME,
            # libpq counts whole seconds, and takes one as two.
            "connect_timeout": max(2, round(connect_timeout)),
            "options": f"-c statement_timeout={milliseconds} -c idle_in_transaction_session_timeout={milliseconds}",
            # The server's limit does not help when the network swallows its answer.
            "tcp_user_timeout": milliseconds,
            "pool": {
                "min_size": IDLE_CONNECTIONS,
                "max_size": settings.database_pool_size,
                "timeout": settings.database_pool_timeout,
                "max_lifetime": RECYCLE_SECONDS,
                # Then it gives up, and tries at once when the next request asks; left to itself it would wait longer
                # and longer, and find out a minute after the database is back.
                "reconnect_timeout": RECONNECT_SECONDS,
            },
        },
    }


def opened(_connection: "BaseDatabaseWrapper", *, statement_timeout: float) -> None:
    """Nothing: the server keeps the limits."""


def cancel(connection: "BaseDatabaseWrapper") -> None:
    """End the statement that another thread runs on it, over a connection of its own."""
    cast("DatabaseWrapper", connection).connection.cancel_safe(timeout=CANCEL_SECONDS)


def close(connection: "BaseDatabaseWrapper") -> None:
    cast("DatabaseWrapper", connection).close_pool()


def busy(connection: "BaseDatabaseWrapper", held: int) -> bool:
    """Whether the pool has nothing left to give."""
    return held >= cast("int", cast("DatabaseWrapper", connection).pool.max_size)


def figures(connection: "BaseDatabaseWrapper", held: int) -> tuple[int, int, int]:
    """Connections in use, idle and allowed."""
    pool = cast("DatabaseWrapper", connection).pool
    return held, pool.get_stats().get("pool_available", 0), pool.max_size


def queued(connection: "BaseDatabaseWrapper") -> int:
    """How many wait because every connection is in use; for one that is being opened nobody stands in line."""
    pool = cast("DatabaseWrapper", connection).pool
    stats = pool.get_stats()
    return stats.get("requests_waiting", 0) if stats.get("pool_size", 0) >= pool.max_size else 0


def is_unavailable(error: BaseException) -> bool:
    """Whether trying again later may help: no connection, no room, shutting down, timed out, deadlock, fail-over."""
    state = getattr(error, "sqlstate", None)
    if state is None:
        # Nothing that the server said: the driver found nobody, or the pool had nobody left.
        return True
    return state[:2] in {"08", "40", "53", "57"} or state in {"25006", "25P03", "55P03"}


def conflict(error: BaseException) -> str | None:
    """How the transaction lost against another one, if that is what happened."""
    return {"40001": "serialization", "40P01": "deadlock"}.get(getattr(error, "sqlstate", None) or "")


# -- migrations --------------------------------------------------------------------------------------------------------


def prepare_migration(connection: "BaseDatabaseWrapper") -> None:
    with connection.cursor() as cursor:
        # Changing a big table takes its time.
        cursor.execute("SET statement_timeout = 0; SET idle_in_transaction_session_timeout = 0")
        # A migration that waits for a lock holds up everything behind it: better that it fails and is tried again.
        cursor.execute("SET lock_timeout = '5s'")


def try_lock(connection: "BaseDatabaseWrapper") -> bool:
    # Not the blocking kind: its waiting statement is a snapshot that CREATE INDEX CONCURRENTLY would wait for.
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_try_advisory_lock(%s)", [LOCK_KEY])
        return bool(cursor.fetchone()[0])


def unlock(connection: "BaseDatabaseWrapper") -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_unlock(%s)", [LOCK_KEY])
        cursor.execute("RESET statement_timeout; RESET idle_in_transaction_session_timeout; RESET lock_timeout")
