"""How long the latest calls took, for one question: when is a call late?"""

import threading
from collections import deque
from typing import Final

LATEST: Final = 200
ENOUGH: Final = 20


class Latencies:
    """Of the latest calls alone. Safe for threads."""

    def __init__(self) -> None:
        self._latest: deque[float] = deque(maxlen=LATEST)
        self._lock = threading.Lock()
        self._p95: float | None = None
        self._fresh = 0

    def note(self, seconds: float) -> None:
        with self._lock:
            self._latest.append(max(0.0, seconds))
            self._fresh += 1
            if self._fresh >= ENOUGH:
                # Sorting for each call would cost more than it tells.
                self._fresh = 0
                self._p95 = sorted(self._latest)[len(self._latest) * 95 // 100]

    @property
    def p95(self) -> float | None:
        """Seconds that 95 of 100 calls do not exceed; None until there are enough of them."""
        return self._p95
