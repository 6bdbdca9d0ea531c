"""Who has the machine: tests share it, but a load has it to itself, and one suite of a rendered service follows another."""

import fcntl
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

from template import ROOT

LOCKS = ROOT / ".cache" / "locks"


@contextmanager
def _locked(name: str, how: int = fcntl.LOCK_EX) -> Iterator[None]:
    """Between the processes of one run; the lock of a process that dies is free."""
    LOCKS.mkdir(parents=True, exist_ok=True)
    with (LOCKS / name).open("w") as file:
        fcntl.flock(file, how)
        yield


@contextmanager
def taken(*, alone: bool) -> Iterator[None]:
    """By one test."""
    with ExitStack() as stack:
        # Who waits to be alone lets nobody else begin.
        with _locked("turn"):
            stack.enter_context(_locked("machine", fcntl.LOCK_EX if alone else fcntl.LOCK_SH))
        yield


@contextmanager
def one_suite(kind: str = "suite") -> Iterator[None]:
    """Each starts some 30 processes and fills two cores by itself: two at a time only wait for each other.

    One of another kind may run beside it: tests that start few processes.
    """
    with _locked(kind):
        yield
