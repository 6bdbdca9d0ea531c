"""What requests wait for under WSGI: the interpreter, which threads share, and a connection of the database."""

import math
import threading
import time
from collections.abc import Awaitable, Iterator
from contextlib import contextmanager
from queue import Empty, SimpleQueue
from time import perf_counter
from typing import Final

from app.chassis import database, readiness, server
from app.chassis.admission import RESERVE, TICK_SECONDS, Admission
from app.chassis.settings import load

# How many may stand in line for a thread of those that serve, the most critical on top of that.
LINE: Final = 8
# Threads in which they stand, and some that are always left to refuse.
SPARE_THREADS: Final = LINE + RESERVE + 8
MOST_SECONDS: Final = 1.0

late = math.inf
"""When threads will have waited too long for the interpreter; in seconds of `time.perf_counter`."""


_places: SimpleQueue[None] = SimpleQueue()
"""One for each of THREADS: a request that is let in takes one, in the thread that it has."""


def most() -> int:
    """How many requests can be inside: those that are served, and those that stand in line for it."""
    return load(server.Settings).threads + LINE


def turn(*, busy: bool) -> Awaitable[None] | None:  # noqa: ARG001 - under ASGI it matters
    """Take a place. Raises TimeoutError when none becomes free."""
    try:
        return _places.get(timeout=MOST_SECONDS)
    except Empty:
        raise TimeoutError from None


def left() -> None:
    """Give the place to who has waited longest."""
    _places.put(None)


@contextmanager
def watched(admission: Admission) -> Iterator[None]:
    global _places
    _places = SimpleQueue()
    for _ in range(load(server.Settings).threads):
        _places.put(None)
    stop = threading.Event()
    threading.Thread(target=_watch, args=(admission, stop), name="load-shedding", daemon=True).start()
    try:
        yield
    finally:
        stop.set()


def _watch(admission: Admission, stop: threading.Event) -> None:
    global late
    while not stop.is_set():
        begun = perf_counter()
        late = begun + TICK_SECONDS + admission.target
        time.sleep(TICK_SECONDS)
        elapsed = perf_counter() - begun
        if readiness.opened():
            admission.tick(lag=elapsed - TICK_SECONDS, waiting=waiting(admission), elapsed=elapsed)


def waiting(admission: Admission) -> int:
    """How many wait for a connection, or stand in line for a thread."""
    return database.queued() + max(0, len(admission.inside) - load(server.Settings).threads)
