"""Ends the statements of a request whose time is over; nothing is asked of the database until then."""

import threading
import time
from collections.abc import Callable
from time import perf_counter
from typing import TYPE_CHECKING, Any

import structlog

from app.chassis import dialect
from app.chassis.errors import expire
from app.chassis.exchange import current

if TYPE_CHECKING:
    from django.db.backends.base.base import BaseDatabaseWrapper

Execute = Callable[[str, Any, bool, dict[str, Any]], Any]
LOOK_SECONDS = 0.05
log = structlog.get_logger()


class Statement:
    """One that runs; `ended` and `cancelled` change under its lock, so that the next one is never hit."""

    def __init__(self, connection: "BaseDatabaseWrapper", deadline: float) -> None:
        self.connection = connection
        self.deadline = deadline
        self.lock = threading.Lock()
        self.ended = False
        self.cancelled = False

    def cancel(self) -> None:
        with self.lock:
            if self.ended or self.cancelled:
                return
            self.cancelled = True
            try:
                dialect.cancel(self.connection)
            except Exception as error:  # noqa: BLE001 - the statement's own limit will end it
                log.warning("database.not_cancelled", reason=repr(error))


_running: dict[int, Statement] = {}
_awake = threading.Event()
_start = threading.Lock()
_thread: threading.Thread | None = None


def in_time(execute: Execute, sql: str, params: Any, many: bool, context: dict[str, Any]) -> Any:  # noqa: FBT001
    """An execute wrapper: raises Expired for a statement that would begin or has been ended after the deadline."""
    exchange = current.get()
    if exchange is None or exchange.deadline is None:
        return execute(sql, params, many, context)
    if perf_counter() > exchange.deadline:
        raise expire("database")
    statement = _watched(Statement(context["connection"], exchange.deadline))
    try:
        return execute(sql, params, many, context)
    except Exception as error:
        if statement.cancelled:
            raise expire("database") from error
        raise
    finally:
        with statement.lock:
            statement.ended = True
        _running.pop(threading.get_ident(), None)


def _watched(statement: Statement) -> Statement:
    global _thread
    _running[threading.get_ident()] = statement
    if not _awake.is_set():
        with _start:
            # The thread goes with a fork; the first statement in the new process starts it again.
            if _thread is None or not _thread.is_alive():
                _thread = threading.Thread(target=_watch, name="deadlines", daemon=True)
                _thread.start()
        _awake.set()
    return statement


def _watch() -> None:
    while True:
        _awake.wait()
        # Cleared before looking: who begins now is seen at the next look.
        _awake.clear()
        while _running:
            now = perf_counter()
            for statement in list(_running.values()):
                if statement.deadline < now:
                    statement.cancel()
            time.sleep(LOOK_SECONDS)
