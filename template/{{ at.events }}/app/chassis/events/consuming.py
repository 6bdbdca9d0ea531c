"""Takes events from the broker to their handlers: each has its effect once, and none holds up those of other keys."""

import asyncio
import time
from collections import deque
from collections.abc import Awaitable, Callable, Coroutine
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any, Final, TypeVar

import structlog

from app.chassis.events import connect, figures, registry, store
from app.chassis.events.broker import Incoming, Transport
from app.chassis.events.company import Apart, Company, Member, member
from app.chassis.events.envelope import Envelope, Malformed, parse
from app.chassis.events.pauses import backoff, wait
from app.chassis.events.registry import Handler, Unusable
from app.chassis.events.rows import digest_of, inbox_id, letter, said
from app.chassis.events.variables import Settings
from app.chassis.settings import load

HELD: Final = 200
"""Events that have come and are not handled yet: the broker keeps the others."""
LOOK_SECONDS: Final = 5.0
EXPIRE_SECONDS: Final = 600.0
FINISH_SECONDS: Final = 10.0
CANCEL_SECONDS: Final = 1.0
NO_ERROR: Final = "the process ended each time, while it handled this"
log = structlog.get_logger()

Result = TypeVar("Result")


async def run(stop: asyncio.Event) -> None:
    """Until `stop` is set; a broker that is away is tried again."""
    attempt = 0
    while not stop.is_set():
        started = time.monotonic()
        try:
            async with connect() as transport:
                await consume(transport, stop)
        except Exception as error:  # noqa: BLE001 - what is not acknowledged comes again, and somebody has to go on
            attempt = 0 if time.monotonic() - started > LOOK_SECONDS * 2 else attempt + 1
            figures.failures["consumer"] += 1
            figures.trouble["consumer"] = f"cannot consume ({type(error).__name__})"
            log.warning("events.consumer_failed", reason=repr(error))
            await wait(stop, backoff(attempt, base=0.1, cap=5.0))


async def consume(transport: Transport, stop: asyncio.Event) -> None:
    desk, expired = Desk(), time.monotonic()
    await transport.subscribe(registry.handled(), desk.receive)
    try:
        while not stop.is_set():
            figures.lag.update(await transport.lag())
            figures.trouble.pop("consumer", None)
            if time.monotonic() - expired > EXPIRE_SECONDS:
                expired = time.monotonic()
                await store.expire(datetime.now(UTC) - timedelta(seconds=load(Settings).events_inbox_ttl))
            await wait(stop, LOOK_SECONDS)
    finally:
        await transport.unsubscribe()
        await desk.finish()


Came = tuple[Incoming, Envelope]


class Desk:
    """Events of one key wait for each other, the others do not; one that is to be tried again keeps nobody's place."""

    def __init__(self) -> None:
        self.room = asyncio.Semaphore(HELD)
        self.hands = asyncio.Semaphore(load(Settings).events_concurrency)
        self.companies: dict[str, Company] = {}
        self.lanes: dict[tuple[str, str], deque[Came]] = {}
        self.tasks: set[asyncio.Task[None]] = set()

    async def receive(self, incoming: Incoming) -> None:
        """Returns when there is room for one more."""
        await self.room.acquire()
        try:
            envelope = parse(incoming.body)
        except Malformed as error:
            self.begin(self.ending(incoming, partial(self.malformed, incoming, error)))
            return
        key = (envelope.source, envelope.key)
        lane = self.lanes.get(key)
        if lane is None:
            lane = self.lanes[key] = deque()
            self.begin(self.follow(key, lane))
        lane.append((incoming, envelope))

    def begin(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self.tasks.add(task)
        task.add_done_callback(self.tasks.discard)

    async def follow(self, key: tuple[str, str], lane: deque[Came]) -> None:
        """The events of a key, one after the other, as long as there are any."""
        try:
            while lane:
                incoming, envelope = lane.popleft()
                await self.ending(incoming, partial(self.handle, incoming, envelope))
        finally:
            del self.lanes[key]
            for incoming, _ in lane:
                self.end(incoming)

    async def ending(self, incoming: Incoming, work: Callable[[], Awaitable[None]]) -> None:
        """Again as long as it comes to nothing: not every broker would bring it before this process ends."""
        attempt = 0
        try:
            while not await self.succeeds(work):
                await asyncio.sleep(backoff(attempt, base=0.5, cap=30.0))
                attempt += 1
        finally:
            self.end(incoming)

    async def succeeds(self, work: Callable[[], Awaitable[None]]) -> bool:
        try:
            await work()
        except Exception:
            figures.failures["consumer"] += 1
            log.exception("events.consumer_failed")
            return False
        return True

    def end(self, incoming: Incoming) -> None:
        self.room.release()
        incoming.drop()

    async def finish(self) -> None:
        """What is being handled may end; what waits for another try comes again from the broker."""
        if self.tasks:
            await asyncio.wait(self.tasks, timeout=FINISH_SECONDS)
        if late := set(self.tasks):
            for task in late:
                task.cancel()
            # What they have begun in the database they take back while there is a connection.
            await asyncio.wait(late, timeout=CANCEL_SECONDS)

    # -- one event

    async def handle(self, incoming: Incoming, envelope: Envelope) -> None:
        handlers = registry.handlers(envelope.type)
        if not handlers:
            figures.consumed[figures.UNKNOWN, "ignored"] += 1
        for handler in handlers:
            outcome = await self.tried(handler, envelope, incoming)
            figures.consumed[envelope.type, outcome] += 1
        await acknowledge(incoming)

    async def malformed(self, incoming: Incoming, error: Malformed) -> None:
        body = incoming.body[: load(Settings).events_limit]
        buried = letter(digest_of(incoming.body), "", "", error=said(error), tries=1, body=body)
        await patiently(partial(store.bury, buried))
        figures.consumed[figures.UNKNOWN, "dead_letter"] += 1
        await acknowledge(incoming)

    async def tried(self, handler: Handler, envelope: Envelope, incoming: Incoming) -> str:
        """What became of the event at this handler, after as many tries as it may take."""
        ident, most = inbox_id(envelope, handler.name), load(Settings).events_tries
        error: Exception | None = None
        # Who was given it before may have died of it: that counts, and nobody shares its fate.
        again, alone, tries = incoming.redelivered, incoming.redelivered or not handler.together, 1
        while True:
            try:
                if not alone:
                    fresh = await self.company(handler).attempt(member(handler, envelope, ident))
                else:
                    async with self.hands:
                        # Counted before it is tried, but not while it waits: it was another one that the process has
                        # died of.
                        tries = await patiently(partial(store.attempt, ident)) if again else 1
                        if tries > most:
                            break
                        fresh = await self.once(member(handler, envelope, ident), tries)
            except Apart:
                alone = True
                continue
            except Unusable as unusable:
                error = unusable
                break
            except Exception as raised:  # noqa: BLE001 - whatever a handler raises is its failure
                error = raised
                figures.consumed[envelope.type, "failed"] += 1
            else:
                return "handled" if fresh else "duplicate"
            if tries == most:
                break
            again = alone = True
            await asyncio.sleep(backoff(tries + 1, base=0.05, cap=30.0))
        why = NO_ERROR if error is None else said(error)
        tries, body = min(tries, most), incoming.body
        buried = letter(ident, handler.name, envelope.type, error=why, tries=tries, body=body)
        await patiently(partial(store.bury, buried))
        log.error("events.dead_letter", handler=handler.name, message_id=envelope.id, reason=buried.error)
        return "dead_letter"

    def company(self, handler: Handler) -> Company:
        found = self.companies.get(handler.name)
        if found is None:
            once, most = partial(self.once, tries=1), load(Settings).events_together
            found = Company(self.hands, most, once=once, every=every, begin=self.begin)
            self.companies[handler.name] = found
        return found

    async def once(self, one: Member, tries: int) -> bool:
        """Whether it had its effect now, and not before. Raises what the handler raises."""

        async def attempt() -> bool:
            with one.unit() as unit:
                fresh = await uncancelled(store.handle(one.ident, one.handler.call, one.payload, tried=tries > 1))
                if not fresh:
                    unit.outcome = "duplicate"
                return fresh

        return await patiently(attempt)


async def every(members: list[Member]) -> bool:
    return await uncancelled(store.handle_all(members))


async def uncancelled(work: Awaitable[Result]) -> Result:
    """A handler that lets the cancellation of something else out has failed: it is not this task that is to end."""
    try:
        return await work
    except asyncio.CancelledError as error:
        task = asyncio.current_task()
        if task is None or task.cancelling():
            raise
        raise RuntimeError("what the handler waited for was cancelled") from error


async def patiently(work: Callable[[], Awaitable[Result]]) -> Result:
    """Again while the database is away: that is nobody's failure, and not counted."""
    attempt = 0
    while True:
        try:
            return await work()
        except Exception as error:
            if not store.is_transient(error):
                raise
            await asyncio.sleep(backoff(attempt, base=0.1, cap=5.0))
            attempt += 1


async def acknowledge(incoming: Incoming) -> None:
    # One that gets lost brings the event again, and the inbox knows it.
    with suppress(Exception):
        await incoming.ack()
