"""Takes events out of the outbox and hands them to the broker: those of one key in their order, each at least once."""

import asyncio
import time
from dataclasses import dataclass, field
from typing import Final

import structlog

from app.chassis.events import connect, figures, store
from app.chassis.events.broker import Outgoing, Refused, Transport
from app.chassis.events.envelope import numbered
from app.chassis.events.pauses import backoff, wait
from app.chassis.events.rows import Claim, Waiting
from app.chassis.events.variables import Settings
from app.chassis.settings import load

SHORTEST_PAUSE: Final = 0.02
LONGEST_PAUSE: Final = 0.25
PUBLISH_SECONDS: Final = 10.0
SAMPLE_SECONDS: Final = 1.0
log = structlog.get_logger()


async def run(stop: asyncio.Event) -> None:
    """Until `stop` is set; whoever is away, the broker or the database, is tried again."""
    attempt = 0
    while not stop.is_set():
        started = time.monotonic()
        try:
            async with connect() as transport:
                await store.prepare()
                await relay(transport, stop)
        except Exception as error:  # noqa: BLE001 - what waits in the outbox is not lost, and somebody has to go on
            # A loop that had been well begins with short waits again.
            attempt = 0 if time.monotonic() - started > PUBLISH_SECONDS * 2 else attempt + 1
            failed(error)
            await wait(stop, backoff(attempt, base=0.1, cap=5.0))


def failed(error: Exception) -> None:
    figures.failures["relay"] += 1
    figures.trouble["relay"] = f"cannot publish ({type(error).__name__})"
    log.warning("events.relay_failed", reason=repr(error))


async def relay(transport: Transport, stop: asyncio.Event) -> None:
    """One batch after the other; without a pause while more wait, with longer and longer ones when none do."""
    pause, looked, most = SHORTEST_PAUSE, 0.0, load(Settings).events_batch
    while not stop.is_set():
        claim = await batch(transport, most)
        figures.trouble.pop("relay", None)
        if time.monotonic() - looked > SAMPLE_SECONDS:
            looked = time.monotonic()
            figures.sampled(await store.sample())
        # Also when more wait: what comes a moment after the last of them would wait for as long as before the first.
        pause = SHORTEST_PAUSE if claim.rows else min(LONGEST_PAUSE, pause * 2)
        if not claim.more:
            await wait(stop, pause)


async def batch(transport: Transport, most: int) -> Claim:
    """Events that have left the outbox. Raises what kept others of the batch in it."""
    async with store.claimed(most) as claim:
        error = await publish(transport, claim)
    for row, reason in claim.refused:
        log.error("events.refused", type=row.type, message_id=row.message_id, reason=repr(reason))
    if error is not None:
        raise error
    return claim


@dataclass
class Outcome:
    error: Exception | None = field(default=None)


async def publish(transport: Transport, claim: Claim) -> Exception | None:
    """Offer every event of the claim to the broker, keys side by side; what stands in the way of some of them."""
    lanes: dict[str, list[Waiting]] = {}
    for row in claim.rows:
        lanes.setdefault(row.key, []).append(row)
    outcome = Outcome()
    try:
        async with asyncio.timeout(PUBLISH_SECONDS):
            await asyncio.gather(*(send(transport, lane, claim, outcome) for lane in lanes.values()))
    except TimeoutError as error:
        return error
    return outcome.error


async def send(transport: Transport, lane: list[Waiting], claim: Claim, outcome: Outcome) -> None:
    """One after the other: none overtakes an earlier one of its key that has failed."""
    for row in lane:
        try:
            await transport.publish(Outgoing(row.message_id, row.type, row.key, numbered(row.body, row.id)))
        except Refused as error:
            claim.refused.append((row, error))
        except Exception as error:  # noqa: BLE001 - it is reported when the others are through
            outcome.error = error
            return
        else:
            claim.done.append(row.id)
            figures.published[row.type] += 1
