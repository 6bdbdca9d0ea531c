"""What a FastAPI process opens, checks and closes: loads in the background while /livez already answers."""

import asyncio
import gc
import os
import signal
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from functools import partial
from inspect import isawaitable, iscoroutinefunction
from types import ModuleType
from typing import Any

import structlog
from anyio import to_thread

from app.chassis import logging, readiness, server
from app.chassis.exchange import Reply
from app.chassis.settings import load

BEAT_SECONDS = 0.5
STALLED_SECONDS = 5.0
LOAD_FAILED = 3
STOPS = frozenset({signal.SIGINT, signal.SIGTERM})
log = structlog.get_logger()

_parts: tuple[ModuleType, ...] = ()
_loop: asyncio.AbstractEventLoop | None = None
_beat = 0.0


def stop_once(loop: asyncio.AbstractEventLoop) -> None:
    """Let what handles SIGTERM and SIGINT on this loop hear the first of them alone.

    The handler of granian 2.8 waits for ever when it is called again, and keeps the whole process waiting. One signal
    comes from the supervisor, and one from whoever tells all processes: Ctrl-C, systemd.
    """
    add = loop.add_signal_handler
    stopping = False

    def add_once(number: int, callback: Callable[..., Any], *args: Any) -> None:
        def hear() -> None:
            nonlocal stopping
            if not stopping:
                stopping = True
                callback(*args)

        add(number, hear if number in STOPS else partial(callback, *args))

    loop.add_signal_handler = add_once  # type: ignore[method-assign, assignment]


async def run(
    parts: tuple[ModuleType, ...],
    load_app: Callable[[], Any],
    state: dict[str, Any],
    stop: asyncio.Event,
) -> None:
    """Open everything, wait for `stop`, close everything in reverse order.

    `state` receives what the application's lifespan yields, which requests find in `request.state`.
    """

    async def load_and_enter(stack: AsyncExitStack) -> None:
        app = await asyncio.to_thread(load_app)
        state.update(await stack.enter_async_context(app.router.lifespan_context(app)) or {})

    async with opened(parts, load_and_enter):
        await stop.wait()


@asynccontextmanager
async def opened(
    parts: tuple[ModuleType, ...], then: Callable[[AsyncExitStack], Awaitable[None]] | None = None
) -> AsyncIterator[None]:
    """Everything that the parts open and, last, what `then` enters; closed in reverse order.

    A service that cannot be built ends its process: waiting would not cure it.
    """
    global _parts, _loop
    _parts, _loop = parts, asyncio.get_running_loop()
    to_thread.current_default_thread_limiter().total_tokens = load(server.Settings).threads
    heart = asyncio.create_task(_beat_forever())
    async with AsyncExitStack() as stack:
        try:
            # Threads, because imports take a tenth of a second each and /livez must not wait for them.
            for part in parts:
                await _open(stack, part)
            if then is not None:
                await then(stack)
        except BaseException as error:
            log.critical("start.failed", exc_info=error)
            logging.flush()
            os._exit(LOAD_FAILED)
        _settle()
        readiness.open_up()
        yield
    heart.cancel()


async def _open(stack: AsyncExitStack, part: ModuleType) -> None:
    if hasattr(part, "resources"):
        resources = part.resources()
        if isinstance(resources, AbstractAsyncContextManager):
            await stack.enter_async_context(resources)
        else:
            await asyncio.to_thread(stack.enter_context, resources)


def _settle() -> None:
    # What start-up made stays for good: collections need not look at it again. To look now would find next to nothing.
    gc.freeze()
    gc.enable()


# -- liveness: is the event loop running? ------------------------------------------------------------------------------


async def _beat_forever() -> None:
    global _beat
    while True:
        _beat = time.monotonic()
        await asyncio.sleep(BEAT_SECONDS)


def stalled_seconds() -> float:
    """How long the event loop has been stuck; 0 while it is well."""
    silence = time.monotonic() - _beat if _beat else 0.0
    return silence if silence > STALLED_SECONDS else 0.0


# -- readiness: every part's check, at the same time -------------------------------------------------------------------

_checking = asyncio.Lock()


async def ready() -> Reply:
    """One round of checks serves every probe that comes while it runs and for a second after."""
    async with _checking:
        answer = readiness.known_answer()
        if answer is not None:
            return answer
        checks = readiness.checks(_parts)
        seconds = load(readiness.Settings).readiness_timeout
        results = await asyncio.gather(*(_result(check, seconds) for check in checks.values()))
        return readiness.verdict(dict(zip(checks, results, strict=True)))


async def _result(check: Callable[[], Awaitable[None] | None], seconds: float) -> BaseException | None:
    try:
        async with asyncio.timeout(seconds):
            # A check that is no coroutine may block: the event loop must not wait for it, nor the probe for ever.
            outcome = check() if iscoroutinefunction(check) else await asyncio.to_thread(check)
            if isawaitable(outcome):
                await outcome
    except Exception as error:  # noqa: BLE001 - whatever a check raises is its answer
        return error
    return None


def ready_from_thread() -> Reply:
    """The same for the management listener, which runs beside the event loop."""
    answer = readiness.known_answer()
    if answer is not None or _loop is None:
        return answer or readiness.verdict({})
    seconds = load(readiness.Settings).readiness_timeout + 0.5
    asked = asyncio.run_coroutine_threadsafe(ready(), _loop)
    try:
        return asked.result(seconds)
    except TimeoutError as error:
        asked.cancel()
        return readiness.verdict({"event_loop": error})
