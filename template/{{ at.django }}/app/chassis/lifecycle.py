"""What a Django process opens, checks and closes: loads in the background while /livez already answers."""

import gc
import os
import signal
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from multiprocessing import util as process
from types import ModuleType

import structlog

from app.chassis import logging, readiness
from app.chassis.exchange import Reply
from app.chassis.settings import load

LOAD_FAILED = 3
MOST_HANGING = 8
SIGNALS = frozenset({signal.SIGINT, signal.SIGTERM, signal.SIGUSR1})
log = structlog.get_logger()

_parts: tuple[ModuleType, ...] = ()
_opened = ExitStack()


def relay_signals() -> None:
    """Let a thread of its own take the signals, so that each is seen at once.

    The main thread waits in the server for a lock. Of two signals that come together (drain, then stop) the kernel may
    give the second one to another thread, and then nothing would wake the main thread to handle it.
    """
    # Inherited by every thread that is started from here on: the server's, too.
    signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)
    threading.Thread(target=_relay, name="signals", daemon=True).start()


def _relay() -> None:
    stopping = False
    while True:
        number = signal.sigwait(SIGNALS)
        if number != signal.SIGUSR1:
            if stopping:
                # The supervisor's, after that of whoever tells all processes: Ctrl-C, systemd. The handler of granian
                # 2.8 may wait for ever when it is called again, and keeps the whole process waiting.
                continue
            stopping = True
        handler = signal.getsignal(number)
        if callable(handler):
            handler(number, None)


def run(parts: tuple[ModuleType, ...], load_app: Callable[[], None]) -> None:
    """Open everything; `close`, at the latest the end of the process, closes it in reverse order.

    A service that cannot be built ends its process: waiting would not cure it.
    """
    global _parts
    _parts = parts
    # A forked worker ends without running `atexit`; before logging's own finalizer, which has priority 1.
    process.Finalize(None, close, exitpriority=10)
    try:
        for part in parts:
            if hasattr(part, "resources"):
                _opened.enter_context(part.resources())
        load_app()
    except BaseException as error:
        log.critical("start.failed", exc_info=error)
        logging.flush()
        os._exit(LOAD_FAILED)
    _settle()
    readiness.open_up()


def close() -> None:
    _opened.close()


def _settle() -> None:
    # What start-up made stays for good: collections need not look at it again. To look now would find next to nothing.
    gc.freeze()
    gc.enable()


def stalled_seconds() -> float:
    """Threads have no event loop that could be stuck, and busy threads are no reason for a restart."""
    return 0.0


# -- readiness: every part's check, at the same time -------------------------------------------------------------------

Check = Callable[[], None]
_checking = threading.Lock()


def ready() -> Reply:
    """One round of checks serves every probe that comes while it runs and for a second after."""
    with _checking:
        answer = readiness.known_answer()
        if answer is not None:
            return answer
        return readiness.verdict(run_checks(readiness.checks(_parts), load(readiness.Settings).readiness_timeout))


# The management listener's threads are threads like any other.
ready_from_thread = ready


def run_checks(checks: Mapping[str, Check], seconds: float) -> dict[str, BaseException | None]:
    """What each check raised, or None; TimeoutError for one that takes longer than `seconds`."""
    runs = {name: start_check(name, check) for name, check in checks.items()}
    give_up = time.monotonic() + seconds
    return {name: one.result(give_up) for name, one in runs.items()}


class Run:
    """One run of a check in a thread of its own, which nobody waits for at the end of the process."""

    def __init__(self, name: str, check: Check) -> None:
        self.check = check
        self.error: BaseException | None = None
        self.thread = threading.Thread(target=self.run, name=f"check-{name}", daemon=True)
        self.thread.start()

    def run(self) -> None:
        try:
            self.check()
        except Exception as error:  # noqa: BLE001 - whatever a check raises is its answer
            self.error = error

    def result(self, give_up: float) -> BaseException | None:
        self.thread.join(max(0.0, give_up - time.monotonic()))
        return TimeoutError() if self.thread.is_alive() else self.error


_running: dict[str, list[Run]] = {}


def start_check(name: str, check: Check) -> Run:
    """A new run, unless so many of this check hang already that the last of them is asked again."""
    hanging = [run for run in _running.get(name, ()) if run.thread.is_alive()]
    if len(hanging) < MOST_HANGING:
        hanging.append(Run(name, check))
    _running[name] = hanging
    return hanging[-1]
