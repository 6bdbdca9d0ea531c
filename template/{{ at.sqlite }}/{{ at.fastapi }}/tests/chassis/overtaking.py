"""Somebody who writes as soon as a transaction has read: SQLite lets that one write no more."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from itertools import count
from typing import Any

from sqlalchemy import event

from app.chassis import database

versions = count(1)


@contextmanager
def overtaken() -> Iterator[None]:
    """Each time that the service reads."""
    engine = database.opened().engine.sync_engine

    def write(_connection: Any, _cursor: Any, statement: str, *_rest: Any) -> None:
        if statement.startswith("SELECT"):
            with closing(sqlite3.connect(str(engine.url.database))) as rival:
                rival.execute(f"PRAGMA user_version = {next(versions)}")

    event.listen(engine, "after_cursor_execute", write)
    try:
        yield
    finally:
        event.remove(engine, "after_cursor_execute", write)
