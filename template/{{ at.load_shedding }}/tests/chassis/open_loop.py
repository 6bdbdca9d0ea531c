"""Load as the world makes it: who comes does not wait until others have been served."""

import asyncio
import random
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import accumulate, takewhile

PATIENCE = 20.0


@dataclass(frozen=True)
class Visit:
    """One request: when, in seconds, it came; how long it took; what it got, or 0 for nothing within PATIENCE."""

    path: str
    at: float
    seconds: float
    status: int = 0
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""

    @property
    def served(self) -> bool:
        return self.status in {200, 204}


def arrivals(path: str, *, rate: float, begin: float, end: float) -> list[tuple[float, str]]:
    """Moments that are fixed in advance, independent of each other: a Poisson process; the same in every run."""
    chance = random.Random(f"{path} {rate}")
    gaps = iter(lambda: chance.expovariate(rate), None)
    return [(at, path) for at in takewhile(lambda at: at < end, accumulate(gaps, initial=begin))]


def visit(port: int, plan: Iterable[tuple[float, str]]) -> list[Visit]:
    """Everybody comes at the planned moment, from one of 1000 addresses, and gives up after PATIENCE."""
    return asyncio.run(_visit(port, sorted(plan)))


async def _visit(port: int, plan: list[tuple[float, str]]) -> list[Visit]:
    loop = asyncio.get_running_loop()
    started = loop.time()
    chance = random.Random(1)
    going = []
    for at, path in plan:
        await asyncio.sleep(max(0.0, started + at - loop.time()))
        user = f"198.51.{chance.randrange(4)}.{chance.randrange(250)}"
        going.append(asyncio.create_task(_ask(port, path, user, at)))
    return await asyncio.gather(*going)


async def _ask(port: int, path: str, user: str, at: float) -> Visit:
    loop = asyncio.get_running_loop()
    begun = loop.time()
    with suppress(TimeoutError, OSError):
        async with asyncio.timeout(PATIENCE):
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            try:
                writer.write(f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nX-Forwarded-For: {user}\r\n".encode())
                writer.write(b"Connection: close\r\n\r\n")
                head, _, body = (await reader.read()).partition(b"\r\n\r\n")
            finally:
                writer.close()
        first, *lines = head.decode("latin-1").split("\r\n")
        headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
        return Visit(path, at, loop.time() - begun, int(first.split()[1]), headers, body)
    return Visit(path, at, loop.time() - begun)
