"""Which keys are being worked on. PostgreSQL: an advisory lock that ends with its transaction, however that ends."""

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
    return bool(ask("SELECT pg_try_advisory_xact_lock(hashtextextended(?, 0))", key_id))


def release(_ask: Ask, _key_id: str) -> None:
    """Nothing: the lock ends with the transaction."""
