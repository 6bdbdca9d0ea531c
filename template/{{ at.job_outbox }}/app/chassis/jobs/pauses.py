"""How long the loops of a worker wait: not at all when they have to stop."""

import asyncio
from contextlib import suppress


async def wait(stop: asyncio.Event, seconds: float) -> None:
    """Until that long has passed, or `stop` is set."""
    with suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await stop.wait()
