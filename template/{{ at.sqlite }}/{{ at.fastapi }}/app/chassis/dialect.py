"""What SQLite needs that the other databases do not."""

import fcntl
import math
import sqlite3
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from sqlalchemy import URL, Connection, Engine

SYSTEM: Final[str] = "sqlite"
DEFAULT_URL: Final[str] = "sqlite:///dev.db"
EXAMPLE_URL: Final[str] = "sqlite:///dev.db"
ENGINE_OPTIONS: Final[dict[str, Any]] = {}
PROJECT: Final = Path(__file__).parents[2]
# Readers and a writer at the same time, and one fsync per checkpoint instead of one per commit: a power cut may
# lose the last commits, never the database.
# What the URL may say after its question mark.
PARAMETERS: Final[frozenset[str]] = frozenset()
PRAGMAS: Final = "PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL; PRAGMA foreign_keys = ON;"
# How many of SQLite's virtual instructions run between two looks at the clock: well under a millisecond.
CLOCK_STEPS: Final = 10_000


def checked_url(url: str) -> str:
    """The same with an absolute path: relative ones start at the project's folder, wherever the process does."""
    _, slashes, name = url.partition(":///")
    if not slashes or not name or name.startswith(":memory:"):
        raise ValueError("names no file, and a database in memory is another one for every connection")
    path = PROJECT / name
    if not path.parent.is_dir():
        raise ValueError(f"the folder {path.parent} does not exist: create it, or name a file elsewhere")
    return f"sqlite:///{path}"


def engine_url(url: str) -> "URL":
    from sqlalchemy import make_url  # noqa: PLC0415 - with SQLAlchemy, when the service is already alive

    return make_url(url).set(drivername="sqlite+aiosqlite")


def namespace(url: "URL") -> str:
    return Path(url.database or "").name


async def connect(*args: Any, **options: Any) -> Any:
    import aiosqlite  # noqa: PLC0415

    class Connection(aiosqlite.Connection):
        """One whose statements end at `deadline`, in seconds of `time.monotonic`."""

        deadline = math.inf

        def is_late(self) -> bool:
            return time.monotonic() > self.deadline

        async def close(self) -> None:
            """At once, whatever runs: a closed connection whose cursor lives on would keep its lock on the file."""
            if self._connection is not None:
                self._connection.interrupt()
                if self.in_transaction:
                    await self.rollback()
            await super().close()

    connection = Connection(lambda: sqlite3.connect(*args, **options), iter_chunk_size=64)
    connection._thread.daemon = True  # noqa: SLF001 - SQLAlchemy does the same: a thread must not hold up the exit
    try:
        await connection
        await connection.executescript(PRAGMAS)
        await connection.set_progress_handler(connection.is_late, CLOCK_STEPS)
    except BaseException:
        connection.stop()
        raise
    return connection


def connect_args(*, connect_timeout: float, statement_timeout: float) -> dict[str, Any]:
    # Without an isolation level Python begins no transactions of its own: `listen` does.
    return {"timeout": statement_timeout or connect_timeout, "isolation_level": None}


def listen(engine: "Engine", *, statement_timeout: float) -> None:
    """Give each statement its time, and begin transactions so that two writers wait for each other."""
    from sqlalchemy import event  # noqa: PLC0415

    from app.chassis.database import Away  # noqa: PLC0415

    def before(connection: Any, cursor: Any, statement: str, _values: Any, context: Any, _many: bool) -> None:  # noqa: FBT001
        driver = connection.connection.driver_connection
        driver.deadline = time.monotonic() + statement_timeout if statement_timeout else math.inf
        options = connection.get_execution_options()
        if driver.in_transaction or options.get("isolation_level") == "AUTOCOMMIT" or statement.startswith("PRAGMA"):
            return
        try:
            cursor.execute("BEGIN IMMEDIATE" if _will_write(statement, context) else "BEGIN")
        except sqlite3.OperationalError as error:
            raise Away("The database is busy.") from error

    event.listen(engine, "before_cursor_execute", before)


def _will_write(statement: str, context: Any) -> bool:
    # A transaction that begins by reading cannot write once another one has: SQLite refuses it without waiting.
    # SELECT ... FOR UPDATE, which SQLite does not have, says that a write will follow.
    if not statement.lstrip().upper().startswith("SELECT"):
        return True
    compiled = getattr(context, "compiled", None)
    return getattr(getattr(compiled, "statement", None), "_for_update_arg", None) is not None


def is_closed(_connection: Any) -> bool:
    return False


def ping(_connection: Any) -> None:
    """Nothing: a file does not hang up."""


def is_unavailable(error: BaseException) -> bool:
    """Whether trying again later may help: busy, locked, out of time, or the disk fails or is full."""
    code = getattr(error, "sqlite_errorcode", 0) & 0xFF
    return code in {
        sqlite3.SQLITE_BUSY,
        sqlite3.SQLITE_LOCKED,
        sqlite3.SQLITE_INTERRUPT,
        sqlite3.SQLITE_IOERR,
        sqlite3.SQLITE_FULL,
        sqlite3.SQLITE_CANTOPEN,
    }


def conflict(error: BaseException) -> str | None:
    """How the transaction lost against another one, if that is what happened."""
    # It has read what somebody has changed since. One that is merely busy has waited already, for as long as it may.
    stale = getattr(error, "sqlite_errorcode", 0) == sqlite3.SQLITE_BUSY_SNAPSHOT
    return "serialization" if stale else None


def prepare_migration(connection: "Connection") -> None:
    # Changing a table means copying it and dropping the old one, which would delete what refers to its rows.
    connection.exec_driver_sql("PRAGMA foreign_keys = OFF")
    connection.commit()


def try_lock(connection: "Connection") -> bool:
    lock = Path(f"{connection.engine.url.database}-migrate.lock").open("w")  # noqa: SIM115 - open until `unlock`
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        lock.close()
        return False
    connection.info["migration lock"] = lock
    return True


def unlock(connection: "Connection") -> None:
    connection.info.pop("migration lock").close()
