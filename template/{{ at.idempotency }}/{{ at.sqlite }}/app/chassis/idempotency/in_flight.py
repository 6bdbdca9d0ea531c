"""Which keys are being worked on. SQLite: this process knows its own, another one waits until it may write."""

from collections.abc import Callable
from threading import Lock
from typing import Any

Ask = Callable[[str, str], Any]

_lock = Lock()
_ids: set[str] = set()


def enter(key_id: str) -> bool:
    """Before the transaction begins: whether nobody else is at work on it. `leave` follows only where nobody is."""
    with _lock:
        if key_id in _ids:
            return False
        _ids.add(key_id)
        return True


def leave(key_id: str) -> None:
    _ids.discard(key_id)


def claim(_ask: Ask, _key_id: str) -> bool:
    """Nothing: the transaction has the whole file."""
    return True


def release(_ask: Ask, _key_id: str) -> None:
    """Nothing: that ends with the transaction."""
