"""What PostgreSQL needs that the other databases do not."""

from typing import TYPE_CHECKING, Any, Final

from app.chassis import about

if TYPE_CHECKING:
    from sqlalchemy import URL, Connection, Engine

SYSTEM: Final[str] = "postgresql"
DEFAULT_URL: Final[str] = f"postgresql://postgres@127.0.0.1:5432/{about.NAME.replace('-', '_')}"
EXAMPLE_URL: Final[str] = "postgresql://user:password@localhost:5432/orders"
# What the URL may say after its question mark; the driver takes any other for a mistake when it connects.
PARAMETERS: Final = frozenset(
    {"host", "port", "prepared_statement_cache_size", "ssl", "sslmode", "target_session_attrs"}
)
ENGINE_OPTIONS: Final[dict[str, Any]] = {}
# Time for the server to report its own limit, before the client decides that nobody answers.
GRACE_SECONDS: Final = 2.0
# Any number, the same in every replica: "slipway" on a telephone.
LOCK_KEY: Final = 7547929


def checked_url(url: str) -> str:
    return url


def engine_url(url: str) -> "URL":
    from sqlalchemy import make_url  # noqa: PLC0415 - with SQLAlchemy, when the service is already alive

    made = make_url(url).set(drivername="postgresql+asyncpg")
    if "sslmode" in made.query:
        # What libpq, and so every provider, calls sslmode is ssl to asyncpg.
        made = made.update_query_dict({"ssl": made.query["sslmode"]}).difference_update_query(["sslmode"])
    return made


def namespace(url: "URL") -> str:
    return url.database or ""


async def connect(*args: Any, **options: Any) -> Any:
    import asyncpg  # type: ignore[import-untyped]  # noqa: PLC0415

    return await asyncpg.connect(*args, **options)


def connect_args(*, connect_timeout: float, statement_timeout: float) -> dict[str, Any]:
    limits = {}
    if statement_timeout:
        milliseconds = str(int(statement_timeout * 1000))
        limits = {"statement_timeout": milliseconds, "idle_in_transaction_session_timeout": milliseconds}
    return {
        "timeout": connect_timeout,
        # The server's limit does not help when the network swallows its answer.
        "command_timeout": statement_timeout + GRACE_SECONDS if statement_timeout else None,
        "server_settings": {"application_name": about.NAME, **limits},
    }


def listen(engine: "Engine", *, statement_timeout: float) -> None:
    """Nothing: the server keeps the limits."""


def is_closed(connection: Any) -> bool:
    return bool(connection.is_closed())


def ping(connection: Any) -> None:
    connection.ping()


def is_unavailable(error: BaseException) -> bool:
    """Whether trying again later may help: no connection, no room, shutting down, timed out, deadlock, fail-over."""
    state = getattr(error, "sqlstate", None) or ""
    return state[:2] in {"08", "40", "53", "57"} or state in {"25006", "25P03", "55P03"}


def conflict(error: BaseException) -> str | None:
    """How the transaction lost against another one, if that is what happened."""
    return {"40001": "serialization", "40P01": "deadlock"}.get(getattr(error, "sqlstate", None) or "")


def prepare_migration(connection: "Connection") -> None:
    # A migration that waits for a lock holds up everything behind it: better that it fails and is tried again.
    connection.exec_driver_sql("SET lock_timeout = '5s'")
    connection.commit()


def try_lock(connection: "Connection") -> bool:
    # Not the blocking kind: its waiting statement is a snapshot that CREATE INDEX CONCURRENTLY would wait for.
    got = connection.exec_driver_sql(f"SELECT pg_try_advisory_lock({LOCK_KEY})").scalar()
    connection.commit()
    return bool(got)


def unlock(connection: "Connection") -> None:
    connection.exec_driver_sql(f"SELECT pg_advisory_unlock({LOCK_KEY})")
    connection.commit()
