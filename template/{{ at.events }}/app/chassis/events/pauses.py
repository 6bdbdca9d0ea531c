"""How long the loops wait, and that nobody waits longer when they have to stop."""

import asyncio
from contextlib import suppress
from random import uniform


def backoff(attempt: int, *, base: float, cap: float) -> float:
    """Seconds before attempt `attempt` + 1 (from 0): between half and all of what doubles each time."""
    longest = min(cap, base * 2 ** min(attempt, 30))
    return uniform(longest / 2, longest)  # noqa: S311 - no secret


async def wait(stop: asyncio.Event, seconds: float) -> None:
    """Until that long has passed, or `stop` is set."""
    with suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await stop.wait()
