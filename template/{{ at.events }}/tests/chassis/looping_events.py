"""The loops, which die where a file in their folder says, or cannot write any more, or have a clock that is wrong."""

import asyncio
import errno
import os
import signal
import sys
from datetime import datetime, timedelta, tzinfo
from pathlib import Path
from typing import Any

from app.chassis import events
from app.chassis.background import start
from app.chassis.parts import PARTS

BEFORE_PUBLISH, BEFORE_DELETE, BEFORE_ACK = map(Path, ("die-before-publish", "die-before-delete", "die-before-ack"))
FULL = Path("disk-is-full")
CANNOT_BURY = Path("cannot-bury")
# In the environment: how many seconds the clock is ahead.
CLOCK_ERROR = "CLOCK_ERROR"

# And whether events may share a transaction.
TOGETHER = "TOGETHER"


def die(mark: Path) -> None:
    if mark.exists():
        mark.unlink()
        os.kill(os.getpid(), signal.SIGKILL)


def delete() -> None:
    """Raises what a database says whose disk is full; the broker has the events all the same."""
    if FULL.exists():
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def trip() -> None:
    """Raises, once, what nobody expects."""
    if CANNOT_BURY.exists():
        CANNOT_BURY.unlink()
        raise OSError("told to")


class Wrong(datetime):
    @classmethod
    def now(cls, tz: tzinfo | None = None) -> datetime:  # type: ignore[override]
        return datetime.now(tz) + timedelta(seconds=float(os.environ.get(CLOCK_ERROR, "0")))


def set_clock() -> None:
    """Of the modules that ask what time it is."""
    from app.chassis.events import consuming, figures, rows, store  # noqa: PLC0415 - the framework is set up by now

    for module in (consuming, figures, rows, store):
        vars(module)["datetime"] = Wrong


async def consumer(stop: asyncio.Event) -> None:
    from app.chassis.events import consuming, store  # noqa: PLC0415 - the framework is set up by now
    from app.chassis.events.registry import handles  # noqa: PLC0415 - as above
    from tests.chassis.eventful import note  # noqa: PLC0415 - as above
    from tests.chassis.noted import Noted  # noqa: PLC0415 - as above

    handles(Noted, together=TOGETHER in os.environ)(note)
    set_clock()
    acknowledge, consuming.FINISH_SECONDS = consuming.acknowledge, 1.0  # type: ignore[misc]
    consuming.EXPIRE_SECONDS = 1.0  # type: ignore[misc]

    async def acknowledged(incoming: Any) -> None:
        die(BEFORE_ACK)
        await acknowledge(incoming)

    bury = store.bury

    async def buried(letter: Any) -> None:
        trip()
        await bury(letter)

    vars(store)["bury"] = buried
    consuming.acknowledge = acknowledged
    await found["consumer"](stop)


async def relay(stop: asyncio.Event) -> None:
    from app.chassis.events import relaying  # noqa: PLC0415 - as above
    from tests.chassis import eventful  # noqa: F401, PLC0415 - as above

    set_clock()
    publish = relaying.publish

    async def published(transport: Any, claim: Any) -> Exception | None:
        if claim.rows:
            die(BEFORE_PUBLISH)
        error = await publish(transport, claim)
        if claim.done:
            die(BEFORE_DELETE)
            delete()
        return error

    relaying.publish = published
    await found["relay"](stop)


found = dict(events.background())


def background() -> Any:
    return {"relay": relay, "consumer": consumer}


def main() -> None:
    start(sys.argv[1:], (*PARTS, sys.modules[__name__]))
