"""Which keys are being worked on. MySQL and MariaDB: a lock that a connection has until it gives it back or dies."""

from collections.abc import Callable
from typing import Any

Ask = Callable[[str, str], Any]


def enter(_key_id: str) -> bool:
    """Nothing: the server knows."""
    return True


def leave(_key_id: str) -> None:
    """Nothing."""


def claim(ask: Ask, key_id: str) -> bool:
    """First in the transaction: whether nobody else is at work on it; `ask` gives the value that a statement has."""
    # These locks belong to the server, not to a database; a name has at most 64 characters.
    return bool(ask("SELECT GET_LOCK(CONCAT('key ', MD5(CONCAT(DATABASE(), ?))), 0)", key_id) == 1)


def release(ask: Ask, key_id: str) -> None:
    """After the transaction, over the same connection."""
    ask("SELECT RELEASE_LOCK(CONCAT('key ', MD5(CONCAT(DATABASE(), ?))))", key_id)
