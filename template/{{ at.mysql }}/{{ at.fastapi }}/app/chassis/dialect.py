"""What MySQL and MariaDB need that the other databases do not."""

from typing import TYPE_CHECKING, Any, Final

from app.chassis import about

if TYPE_CHECKING:
    from sqlalchemy import URL, Connection, Engine

SYSTEM: Final[str] = "mysql"
DEFAULT_URL: Final[str] = f"mysql://root@127.0.0.1:3306/{about.NAME.replace('-', '_')}"
EXAMPLE_URL: Final[str] = "mysql://user:password@localhost:3306/orders"
# What the URL may say after its question mark; the driver takes any other for a mistake when it connects.
PARAMETERS: Final = frozenset(
    {"ssl_ca", "ssl_capath", "ssl_cert", "ssl_check_hostname", "ssl_cipher", "ssl_key", "unix_socket"}
)
# As in PostgreSQL: a statement sees what was committed before it, and locks only the rows it changes.
ENGINE_OPTIONS: Final[dict[str, Any]] = {"isolation_level": "READ COMMITTED"}
# Time for the server to report its own limit, before the client decides that nobody answers.
GRACE_SECONDS: Final = 2.0
LOCK_WAIT_SECONDS: Final = 5
# Stale reads, deadlocks, lock waits, time limits, no room for connections, shutting down, read-only after a fail-over.
UNAVAILABLE_CODES: Final = frozenset(
    {1020, 1040, 1053, 1203, 1205, 1213, 1226, 1290, 1317, 1836, 1927, 1969, 2002, 2003, 2006, 2013, 2055, 3024, 4031}
)
# 1020 is MariaDB's, with innodb_snapshot_isolation. A lock wait (1205) is not among them: it has taken its time, and
# whoever has the lock keeps it.
CONFLICTS: Final = {1020: "serialization", 1213: "deadlock"}


def checked_url(url: str) -> str:
    return url


def engine_url(url: str) -> "URL":
    from sqlalchemy import make_url  # noqa: PLC0415 - with SQLAlchemy, when the service is already alive

    return make_url(url).set(drivername="mysql+asyncmy")


def namespace(url: "URL") -> str:
    return url.database or ""


async def connect(*args: Any, **options: Any) -> Any:
    import asyncmy  # noqa: PLC0415

    return await asyncmy.connect(*args, **options)


def connect_args(*, connect_timeout: float, statement_timeout: float) -> dict[str, Any]:
    options: dict[str, Any] = {"connect_timeout": connect_timeout, "charset": "utf8mb4"}
    settings = "time_zone = '+00:00'"
    if statement_timeout:
        # MySQL reads the first comment as code and limits reads, in milliseconds; MariaDB reads the second and
        # limits every statement, in seconds; the client's own limit holds where neither does.
        settings += f" /*!50708 , max_execution_time = {int(statement_timeout * 1000)} */"
        settings += f" /*M!100100 , max_statement_time = {statement_timeout} */"
        settings += f", innodb_lock_wait_timeout = {max(1, int(statement_timeout))}"
        options["read_timeout"] = statement_timeout + GRACE_SECONDS
    return {**options, "init_command": f"SET SESSION {settings}"}


def listen(engine: "Engine", *, statement_timeout: float) -> None:
    """Nothing: the server and the driver keep the limits."""


def is_closed(connection: Any) -> bool:
    transport = connection._transport  # noqa: SLF001 - the driver's own flag is set only by its own close
    return not connection.connected or transport is None or transport.is_closing()


def ping(connection: Any) -> None:
    connection.ping()


def is_unavailable(error: BaseException) -> bool:
    """Whether trying again later may help."""
    return bool(error.args) and error.args[0] in UNAVAILABLE_CODES


def conflict(error: BaseException) -> str | None:
    """How the transaction lost against another one, if that is what happened."""
    return CONFLICTS.get(error.args[0]) if error.args else None


def prepare_migration(connection: "Connection") -> None:
    # A migration that waits for a lock holds up everything behind it: better that it fails and is tried again.
    connection.exec_driver_sql(f"SET SESSION lock_wait_timeout = {LOCK_WAIT_SECONDS}")
    connection.commit()


def try_lock(connection: "Connection") -> bool:
    got = connection.exec_driver_sql(f"SELECT GET_LOCK({_lock_name()}, 0)").scalar()
    connection.commit()
    return got == 1


def unlock(connection: "Connection") -> None:
    connection.exec_driver_sql(f"SELECT RELEASE_LOCK({_lock_name()})")
    connection.commit()


def _lock_name() -> str:
    # These locks belong to the server, not to a database; a name has at most 64 characters.
    return "CONCAT('migrate ', MD5(DATABASE()))"
