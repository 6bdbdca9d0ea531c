"""How a relay keeps others away. MySQL 8 and MariaDB 10.6: by locks on rows, which end with their transaction."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

LOCKS: Final = True
"""Whether a row can be locked while others go on; the transaction then lasts until the broker has confirmed."""
INSERT: Final = "INSERT IGNORE INTO"
UNLESS_THERE: Final = ""


@contextmanager
def alone() -> Iterator[bool]:
    """Nothing: relays work side by side."""
    yield True
