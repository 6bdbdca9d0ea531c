"""What MySQL and MariaDB need that the other databases do not."""

from typing import TYPE_CHECKING, Any, Final

from app.chassis import about, server
from app.chassis.settings import BaseSettings

if TYPE_CHECKING:
    from django.db.backends.base.base import BaseDatabaseWrapper

SYSTEM: Final = "mysql"
# The collation that takes no two texts for the same; none where that is the default.
EXACT: Final[str | None] = "utf8mb4_bin"
DEFAULT_URL: Final = f"mysql://root@127.0.0.1:3306/{about.NAME.replace('-', '_')}"
EXAMPLE_URL: Final = "mysql://user:password@localhost:3306/orders"
RECYCLE_SECONDS: Final = 1800
# Time for the server to report its own limit, before the client decides that nobody answers.
GRACE_SECONDS: Final = 2.0
LOCK_WAIT_SECONDS: Final = 5
# These locks belong to the server, not to a database; a name has at most 64 characters.
LOCK_NAME: Final = "CONCAT('migrate ', MD5(DATABASE()))"
# Stale reads, deadlocks, lock waits, time limits, no room for connections, shutting down, read-only after a fail-over;
# 0 is what PyMySQL says of a connection that it has closed.
UNAVAILABLE_CODES: Final = frozenset(
    {0, 1020, 1040, 1053, 1203, 1205, 1213, 1226, 1290, 1317, 1836, 1927}
    | {1969, 2002, 2003, 2006, 2013, 2055, 3024, 4031}
)
# 1020 is MariaDB's, with innodb_snapshot_isolation. A lock wait (1205) is not among them: it has taken its time, and
# whoever has the lock keeps it.
CONFLICTS: Final = {1020: "serialization", 1213: "deadlock"}


class Connections(BaseSettings):
    """Nothing to set: every thread has its connection, so THREADS is their number and nobody waits for one."""


def checked_url(url: str) -> str:
    return url


def options(_settings: Connections, *, connect_timeout: float, statement_timeout: float) -> dict[str, Any]:
    """What Django's `DATABASES` says beside where the database is."""
    import pymysql  # noqa: PLC0415 - mysqlclient, which Django looks for, needs a compiler; this is pure Python

    pymysql.install_as_MySQLdb()
    return {
        "ENGINE": "django.db.backends.mysql",
        "CONN_MAX_AGE": RECYCLE_SECONDS,
        "OPTIONS": {
            # As in PostgreSQL: a statement sees what was committed before it, and locks only the rows it changes.
            "isolation_level": "read committed",
            "charset": "utf8mb4",
            "connect_timeout": connect_timeout,
            **limits(statement_timeout),
        },
    }


def limits(statement_timeout: float) -> dict[str, Any]:
    if not statement_timeout:
        return {}
    # MySQL reads the first comment as code and limits reads, in milliseconds; MariaDB reads the second and limits
    # every statement, in seconds; the client's own limit holds where neither does.
    settings = (
        f"innodb_lock_wait_timeout = {max(1, int(statement_timeout))}"
        f" /*!50708 , max_execution_time = {int(statement_timeout * 1000)} */"
        f" /*M!100100 , max_statement_time = {statement_timeout} */"
    )
    return {"init_command": f"SET SESSION {settings}", "read_timeout": statement_timeout + GRACE_SECONDS}


def opened(_connection: "BaseDatabaseWrapper", *, statement_timeout: float) -> None:
    """Nothing: the server and the driver keep the limits."""


def cancel(connection: "BaseDatabaseWrapper") -> None:
    """End the statement that another thread runs on it, over a connection of its own."""
    other = connection.copy()
    try:
        with other.cursor() as cursor:
            cursor.execute("KILL QUERY %s", [connection.connection.thread_id()])
    finally:
        other.close()


def close(_connection: "BaseDatabaseWrapper") -> None:
    """Nothing: a thread's connection goes with its thread."""


def busy(_connection: "BaseDatabaseWrapper", _held: int) -> bool:
    """Never: nobody waits for another thread's connection."""
    return False


def figures(_connection: "BaseDatabaseWrapper", held: int) -> tuple[int, int, int]:
    """Connections in use, idle and allowed: each is its thread's, so none is free for another."""
    return held, 0, server.threads()


def queued(_connection: "BaseDatabaseWrapper") -> int:
    """None: nobody waits for another thread's connection."""
    return 0


def is_unavailable(error: BaseException) -> bool:
    """Whether trying again later may help."""
    return bool(error.args) and error.args[0] in UNAVAILABLE_CODES


def conflict(error: BaseException) -> str | None:
    """How the transaction lost against another one, if that is what happened."""
    return CONFLICTS.get(error.args[0]) if error.args else None


# -- migrations --------------------------------------------------------------------------------------------------------


def prepare_migration(connection: "BaseDatabaseWrapper") -> None:
    # Changing a big table takes its time: a connection without limits, for as long as this process migrates.
    connection.close()
    connection.settings_dict["OPTIONS"] |= {
        "read_timeout": None,
        # Waiting for a lock holds up everything behind it: better that it fails and is tried again.
        "init_command": f"SET SESSION lock_wait_timeout = {LOCK_WAIT_SECONDS}",
    }


def try_lock(connection: "BaseDatabaseWrapper") -> bool:
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT GET_LOCK({LOCK_NAME}, 0)")
        return bool(cursor.fetchone()[0] == 1)


def unlock(connection: "BaseDatabaseWrapper") -> None:
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT RELEASE_LOCK({LOCK_NAME})")
