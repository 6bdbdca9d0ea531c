"""How a relay keeps others away. SQLite has one writer, who must not wait for a broker: one relay works at a time."""

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from app.chassis.database import Settings
from app.chassis.settings import load

LOCKS: Final = False
"""Whether a row can be locked while others go on; here the transaction is over before the broker is asked."""
INSERT: Final = "INSERT INTO"
UNLESS_THERE: Final = "ON CONFLICT DO NOTHING"


@contextmanager
def alone() -> Iterator[bool]:
    """Whether no other process relays: a lock on a file beside the database, which ends with the process at last."""
    path = load(Settings).database_url.removeprefix("sqlite:///")
    with Path(f"{path}-relay.lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield False
        else:
            yield True
