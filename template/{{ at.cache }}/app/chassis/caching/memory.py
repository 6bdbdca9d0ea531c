"""A store in this process, bounded: the only one where there is no Redis, and what helps while that is away."""

import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from threading import Lock
from typing import Final

from app.chassis.caching.scripts import Seen

MOST_KEYS: Final = 10_000
# About what Python takes for an entry beside the value.
OVERHEAD: Final = 500


@dataclass(slots=True)
class Entry:
    """Moments of the clock."""

    raw: bytes | None = None
    fresh_until: float = 0.0
    kept_until: float = 0.0
    token: str = ""
    leased_until: float = 0.0

    @property
    def size(self) -> int:
        return OVERHEAD + len(self.raw or b"")


class Memory:
    """What the scripts do, for this process alone; the least recently used goes when there is no room."""

    def __init__(self, most_bytes: int, clock: Callable[[], float] = time.monotonic) -> None:
        self.most_bytes = most_bytes
        self.clock = clock
        self.lock = Lock()
        self.entries: OrderedDict[str, Entry] = OrderedDict()
        self.bytes = 0

    def read(self, key: str, token: str, lease: float) -> Seen:
        with self.lock:
            now = self.clock()
            entry = self.entries.get(key) or Entry()
            if entry.raw is not None and entry.kept_until <= now:
                entry = Entry(token=entry.token, leased_until=entry.leased_until)
            fresh = entry.fresh_until - now
            if entry.raw is not None and fresh > 0:
                self.entries.move_to_end(key)
                return Seen(entry.raw, fresh, mine=False)
            mine = entry.leased_until <= now
            if mine:
                entry = Entry(entry.raw, entry.fresh_until, entry.kept_until, token, now + lease)
            self.put(key, entry)
            return Seen(entry.raw, fresh, mine)

    def store(self, key: str, token: str, raw: bytes, *, fresh: float, life: float) -> bool:
        with self.lock:
            entry = self.entries.get(key)
            if entry is None or entry.token != token:
                return False
            now = self.clock()
            self.put(key, Entry(raw, now + fresh, now + life))
            return True

    def copy(self, key: str, raw: bytes, *, fresh: float, life: float) -> None:
        """What another store has said."""
        with self.lock:
            now = self.clock()
            self.put(key, Entry(raw, now + fresh, now + life))

    def release(self, key: str, token: str, *, pause: float) -> None:
        with self.lock:
            entry = self.entries.get(key)
            if entry is not None and entry.token == token:
                entry.token, entry.leased_until = "", self.clock() + pause

    def drop(self, key: str) -> None:
        with self.lock:
            self.take(key)

    def clear(self) -> None:
        with self.lock:
            self.entries.clear()
            self.bytes = 0

    def put(self, key: str, entry: Entry) -> None:
        self.take(key)
        self.entries[key] = entry
        self.bytes += entry.size
        while self.bytes > self.most_bytes or len(self.entries) > MOST_KEYS:
            self.bytes -= self.entries.popitem(last=False)[1].size

    def take(self, key: str) -> None:
        entry = self.entries.pop(key, None)
        if entry is not None:
            self.bytes -= entry.size
