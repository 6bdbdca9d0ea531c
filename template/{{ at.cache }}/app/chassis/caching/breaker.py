"""Whether the store is asked at all: after a failure one question in a second finds out when it is back."""

import time
from collections.abc import Callable
from threading import Lock
from typing import Final

import structlog

PAUSE_SECONDS: Final = 1.0
log = structlog.get_logger()


class Breaker:
    """Open after a failure; `failures` is how many there were."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self.clock = clock
        self.lock = Lock()
        self.failures = 0
        self.open = False
        self.next_trial = 0.0

    def allows(self) -> bool:
        """Whether this one may ask. While it is open that is one each second, however many want to."""
        if not self.open:
            return True
        with self.lock:
            now = self.clock()
            if now < self.next_trial:
                return False
            self.next_trial = now + PAUSE_SECONDS
            return True

    def failed(self, error: BaseException) -> None:
        with self.lock:
            self.failures += 1
            self.next_trial = self.clock() + PAUSE_SECONDS
            opened, self.open = not self.open, True
        if opened:
            log.warning("cache.store_failed", reason=repr(error))

    def succeeded(self) -> None:
        if self.open:
            self.open = False
            log.info("cache.store_back")
