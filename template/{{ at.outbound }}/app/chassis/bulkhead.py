"""A bulkhead: so many calls at a time and so many that wait, first come, first served; Nygard, Release It!"""

import threading
from collections import deque
from collections.abc import Callable


class Place:
    """One call's: `held` once it may go; until then it waits to be woken."""

    __slots__ = ("held", "left", "wake")

    def __init__(self, wake: Callable[[], object]) -> None:
        self.wake = wake
        self.held = False
        self.left = False


class Bulkhead:
    """Safe for threads; how to wait is the caller's business."""

    def __init__(self, most: int, *, waiting: int) -> None:
        self.most = most
        self.waiting = waiting
        self.running = 0
        self._queue: deque[Place] = deque()
        self._lock = threading.Lock()

    def enter(self, wake: Callable[[], object]) -> Place | None:
        """A place, held at once or when `wake` is called; None when too many wait already."""
        place = Place(wake)
        with self._lock:
            if self.running < self.most:
                self.running += 1
                place.held = True
            elif len(self._queue) < self.waiting:
                self._queue.append(place)
            else:
                return None
        return place

    def leave(self, place: Place) -> None:
        """Give it to whoever has waited longest. To leave twice, or before one's turn, is all right."""
        with self._lock:
            if place.left:
                return
            place.left = True
            if not place.held:
                self._queue.remove(place)
            elif self._queue:
                heir = self._queue.popleft()
                heir.held = True
                heir.wake()
            else:
                self.running -= 1

    @property
    def queued(self) -> int:
        return len(self._queue)
