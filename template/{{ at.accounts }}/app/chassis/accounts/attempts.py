"""How often somebody may try: after a few failures each one doubles the pause before the next, and time heals.

Counted in this process: an instance more is a few attempts more, and nobody has to wait for a store.
"""

import threading
from collections import OrderedDict
from dataclasses import dataclass
from time import monotonic
from typing import Final, NamedTuple

FORGET_SECONDS: Final = 900.0
MOST_KEPT: Final = 100_000


class State(NamedTuple):
    failures: int
    last: float
    blocked_until: float


@dataclass(frozen=True, slots=True)
class Rule:
    """The `first` failure that costs a pause costs a second; each one after it twice as much, up to `most` seconds."""

    first: int
    most: float


PAIR: Final = Rule(first=5, most=900)
"""One account, tried from one network."""
ACCOUNT: Final = Rule(first=20, most=60)
"""One account, from wherever; short, or whoever knows a name could lock its owner out."""
NETWORK: Final = Rule(first=50, most=60)
"""One network, whatever the account."""


class Attempts:
    """Safe for threads; bounded: what is longest ago is forgotten first."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._states: OrderedDict[str, State] = OrderedDict()

    def begin(self, rules: dict[str, Rule]) -> float:
        """Seconds to wait; if it is 0, each key has one failure more, until it is taken back: many may try at once."""
        now = monotonic()
        with self._lock:
            seconds = max(self._get(key, now).blocked_until - now for key in rules)
            if seconds > 0:
                return seconds
            for key, rule in rules.items():
                count = self._get(key, now).failures + 1
                pause = 0.0 if count < rule.first else min(rule.most, 2.0 ** min(count - rule.first, 30))
                self._put(key, State(count, now, now + pause if pause else 0.0))
        return 0.0

    def take_back(self, *keys: str) -> None:
        """It was no failure."""
        with self._lock:
            for key in keys:
                state = self._states.get(key)
                if state is not None:
                    self._put(key, State(max(0, state.failures - 1), state.last, 0.0))

    def forget(self, key: str) -> None:
        """Whoever it was has shown to be the one."""
        with self._lock:
            self._states.pop(key, None)

    def _get(self, key: str, now: float) -> State:
        state = self._states.get(key, State(0, now, 0.0))
        # A pause that is not over is longer than what is forgotten.
        return State(0, now, 0.0) if now - state.last > FORGET_SECONDS and now > state.blocked_until else state

    def _put(self, key: str, state: State) -> None:
        self._states[key] = state
        self._states.move_to_end(key)
        if len(self._states) > MOST_KEPT:
            self._states.popitem(last=False)


class Seen:
    """Keys that were right once; safe for threads, bounded: what is longest ago is forgotten first."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._keys: OrderedDict[str, None] = OrderedDict()

    def add(self, key: str) -> None:
        with self._lock:
            self._keys[key] = None
            self._keys.move_to_end(key)
            if len(self._keys) > MOST_KEPT:
                self._keys.popitem(last=False)

    def __contains__(self, key: str) -> bool:
        return key in self._keys
