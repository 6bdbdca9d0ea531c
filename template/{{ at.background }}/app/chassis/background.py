"""What runs beside requests: `python -m app.chassis.background NAME ...`, without a name all there is."""

import asyncio
import signal
import socket
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import asynccontextmanager, nullcontext
from functools import partial
from types import ModuleType
from typing import Any

import structlog
from pydantic import Field

from app.chassis import logging, process, readiness, server
from app.chassis.settings import BaseSettings, Names, load

ENDED = 3
PAUSE_SECONDS = 1.0
ALL, NONE = "all", "none"
Loop = Callable[[asyncio.Event], Awaitable[None]]
"""It runs until the event is set and then finishes what it has begun; trouble that passes it sits out by itself."""
Check = Callable[[], Any]
"""As a part's `check`, for processes that run the loop."""
log = structlog.get_logger()


class Settings(BaseSettings):
    background: Names = Field(
        (),
        description="Loops that run inside the web process; by default all in development, else none.",
        examples=["none"],
    )

    @property
    def inside(self) -> tuple[str, ...]:
        """The names of the loops that the web process runs."""
        return self.background or ((ALL,) if self.environment == "development" else (NONE,))


# -- a process of its own ----------------------------------------------------------------------------------------------


def main() -> None:
    from app.chassis.parts import PARTS  # noqa: PLC0415 - this module is one of them

    start(sys.argv[1:] or [ALL], PARTS)


def start(names: Iterable[str], parts: tuple[ModuleType, ...]) -> None:
    """Run these loops until SIGTERM or SIGINT; exit status 2 for wrong settings or names, 3 when a loop ends before."""
    server.refuse(server.settings_problems())
    server.refuse(taken_port())
    try:
        loops = chosen(names, parts)
    except ValueError as error:
        server.refuse([str(error)])
    logging.configure()
    status = process.run(lambda: serve(loops, parts))
    logging.unbuffer()
    sys.exit(status)


def chosen(names: Iterable[str], parts: Iterable[ModuleType]) -> dict[str, Loop]:
    """The loops of these names. Raises ValueError for one that no part brings."""
    known: dict[str, Loop] = {}
    for part in parts:
        known |= part.background() if hasattr(part, "background") else {}
    asked = set(names)
    if unknown := asked - known.keys() - {ALL, NONE}:
        raise ValueError(f"No background loop is called {', '.join(sorted(unknown))}: there is {', '.join(known)}.")
    return {name: loop for name, loop in known.items() if ALL in asked or name in asked}


def taken_port() -> Iterable[str]:
    """The web process may have the same variables on the same machine."""
    port, host = load(readiness.Settings).management_port, load(server.Settings).host
    if port is None:
        return
    try:
        with socket.socket(server.family(host)) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind((host, port))
    except OSError as error:
        cure = f"(example: MANAGEMENT_PORT={port + 1})"
        yield f"MANAGEMENT_PORT: cannot listen on {host}:{port}, {error.strerror} {cure}"


async def serve(loops: dict[str, Loop], parts: tuple[ModuleType, ...]) -> int:
    """The exit status, once all loops have ended."""
    stop = asyncio.Event()
    hear(stop)
    observe(loops, parts)
    async with process.opened(parts):
        log.info("background.started", loops=list(loops))
        status = await watch(loops, stop)
        log.info("background.stopped", loops=list(loops))
    return status


def observe(loops: Iterable[str], parts: Iterable[ModuleType]) -> None:
    """Let the process be ready only while its loops are; to be said before it is."""
    for part in parts:
        for name, check in part.loop_checks().items() if hasattr(part, "loop_checks") else ():
            if name in loops:
                readiness.watch(name, check)


def hear(stop: asyncio.Event) -> None:
    def heard() -> None:
        readiness.drain()
        stop.set()

    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, heard)


async def watch(loops: dict[str, Loop], stop: asyncio.Event) -> int:
    """Run all until `stop`. One that ends before takes the others along: whoever started the process starts it anew."""
    tasks = [asyncio.create_task(as_coroutine(loop, stop), name=name) for name, loop in loops.items()]
    stopping = asyncio.create_task(stop.wait())
    await asyncio.wait([*tasks, stopping], return_when=asyncio.FIRST_COMPLETED)
    early = [] if stop.is_set() else [task for task in tasks if task.done()]
    for task in early:
        log.critical("background.ended", loop=task.get_name(), exc_info=task.exception())
    readiness.drain()
    stop.set()
    await finish(tasks)
    return ENDED if early else 0


async def as_coroutine(loop: Loop, stop: asyncio.Event) -> None:
    await loop(stop)


async def finish(tasks: "list[asyncio.Task[None]]") -> None:
    """Give them SHUTDOWN_TIMEOUT; what is at work after that is cancelled, and done again by somebody else."""
    if not tasks:
        return
    _, late = await asyncio.wait(tasks, timeout=load(server.Settings).shutdown_timeout)
    for task in late:
        log.warning("background.late", loop=task.get_name())
        task.cancel()
    results = await asyncio.gather(*tasks, return_exceptions=True)
    for task, result in zip(tasks, results, strict=True):
        if isinstance(result, Exception):
            log.error("background.failed", loop=task.get_name(), exc_info=result)


# -- inside the web process, where that is wanted: as a part it comes last, and so stops first ------------------------


def resources() -> Any:
    """A context manager, asynchronous under ASGI. Raises ValueError for a loop that no part brings."""
    from app.chassis.parts import PARTS  # noqa: PLC0415 - this module is one of them

    inside = {} if process.is_background() else chosen(load(Settings).inside, PARTS)
    observe(inside, PARTS)
    return process.beside(partial(running, inside)) if inside else nullcontext()


@asynccontextmanager
async def running(loops: dict[str, Loop]) -> AsyncIterator[None]:
    stop = asyncio.Event()
    tasks = [asyncio.create_task(again(name, loop, stop), name=name) for name, loop in loops.items()]
    try:
        yield
    finally:
        stop.set()
        await finish(tasks)


async def again(name: str, loop: Loop, stop: asyncio.Event) -> None:
    """A loop that fails here must not take the requests along: it begins anew."""
    while not stop.is_set():
        try:
            await loop(stop)
        except Exception as error:
            log.critical("background.ended", loop=name, exc_info=error)
        if not stop.is_set():
            await asyncio.sleep(PAUSE_SECONDS)


if __name__ == "__main__":
    main()
