"""What SQLite needs that the other databases do not."""

import fcntl
import sqlite3
import time
from io import TextIOWrapper
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from app.chassis import server
from app.chassis.settings import BaseSettings

if TYPE_CHECKING:
    from django.db.backends.base.base import BaseDatabaseWrapper

SYSTEM: Final = "sqlite"
# The collation that takes no two texts for the same; none where that is the default.
EXACT: Final[str | None] = None
DEFAULT_URL: Final = "sqlite:///dev.db"
EXAMPLE_URL: Final = "sqlite:///dev.db"
PROJECT: Final = Path(__file__).parents[2]
# Readers and a writer at the same time, and one fsync per checkpoint instead of one per commit: a power cut may
# lose the last commits, never the database.
PRAGMAS: Final = "PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL;"
# How many of SQLite's virtual instructions run between two looks at the clock: well under a millisecond.
CLOCK_STEPS: Final = 10_000


class Connections(BaseSettings):
    """Nothing to set: every thread has its connection, so THREADS is their number and nobody waits for one."""


def checked_url(url: str) -> str:
    """The same with an absolute path: relative ones start at the project's folder, wherever the process does."""
    _, slashes, name = url.partition(":///")
    if not slashes or not name or name.startswith(":memory:"):
        raise ValueError("names no file, and a database in memory is another one for every connection")
    path = PROJECT / name
    if not path.parent.is_dir():
        raise ValueError(f"the folder {path.parent} does not exist: create it, or name a file elsewhere")
    return f"sqlite:///{path}"


def options(_settings: Connections, *, connect_timeout: float, statement_timeout: float) -> dict[str, Any]:
    """What Django's `DATABASES` says beside where the database is."""
    return {
        "ENGINE": "django.db.backends.sqlite3",
        "CONN_MAX_AGE": None,
        # Nothing that could break lies between us and a file.
        "CONN_HEALTH_CHECKS": False,
        "OPTIONS": {
            # How long one waits for another one's transaction to end.
            "timeout": statement_timeout or connect_timeout,
            # A transaction that begins by reading cannot write once another one has: SQLite refuses it without waiting.
            "transaction_mode": "IMMEDIATE",
            "init_command": PRAGMAS,
        },
    }


class Deadline:
    """Ends a connection's statements after `seconds`."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self.at = 0.0

    def __call__(self, execute: Any, *statement: Any) -> Any:
        self.at = time.monotonic() + self.seconds
        return execute(*statement)

    def is_late(self) -> bool:
        return time.monotonic() > self.at


def opened(connection: "BaseDatabaseWrapper", *, statement_timeout: float) -> None:
    """SQLite knows no limit of its own but asks, while it works, whether it should stop."""
    if not statement_timeout:
        return
    wrappers = connection.execute_wrappers
    deadline = next((one for one in wrappers if isinstance(one, Deadline)), None)
    if deadline is None:
        deadline = Deadline(statement_timeout)
        wrappers.append(deadline)
    connection.connection.set_progress_handler(deadline.is_late, CLOCK_STEPS)


def cancel(connection: "BaseDatabaseWrapper") -> None:
    """End the statement that another thread runs on it; one that waits for the file's lock waits on."""
    connection.connection.interrupt()


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


# -- migrations --------------------------------------------------------------------------------------------------------

_lock: TextIOWrapper | None = None


def prepare_migration(connection: "BaseDatabaseWrapper") -> None:
    """Nothing: statements are limited only while the service runs."""


def try_lock(connection: "BaseDatabaseWrapper") -> bool:
    global _lock
    _lock = Path(f"{connection.settings_dict['NAME']}-migrate.lock").open("w")  # noqa: SIM115 - open until `unlock`
    try:
        fcntl.flock(_lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        _lock.close()
        return False
    return True


def unlock(_connection: "BaseDatabaseWrapper") -> None:
    if _lock is not None:
        _lock.close()
