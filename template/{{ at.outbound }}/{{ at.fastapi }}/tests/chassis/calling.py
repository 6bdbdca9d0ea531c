"""Calls of a client, made from a test: on an event loop of their own."""

import asyncio
import threading
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from typing import Any

import httpx2

from app.chassis.client import Client
from app.chassis.outbound import resources

Result = httpx2.Response | BaseException


class Caller:
    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.loop = loop

    def run(self, work: Coroutine[Any, Any, Any]) -> Any:
        # It runs in a copy of the test's own context, its exchange included.
        return asyncio.run_coroutine_threadsafe(work, self.loop).result(60)

    def request(self, client: Client, method: str, url: str, **options: Any) -> httpx2.Response:
        response: httpx2.Response = self.run(client.request(method, url, **options))
        return response

    def get(self, client: Client, url: str, **options: Any) -> httpx2.Response:
        return self.request(client, "GET", url, **options)

    def together(self, client: Client, url: str, count: int) -> list[Result]:
        """What became of so many calls at a time."""
        return self.gather(client, url, count)()

    def gather(self, client: Client, url: str, count: int) -> Callable[[], list[Result]]:
        """Begin them; what is returned waits for their results."""

        async def all_of_them() -> list[Result]:
            return await asyncio.gather(*(client.get(url) for _ in range(count)), return_exceptions=True)

        begun = asyncio.run_coroutine_threadsafe(all_of_them(), self.loop)
        return lambda: begun.result(60)

    def head_and_leave(self, client: Client, url: str) -> int:
        """The status of a reply whose body nobody reads."""

        async def streamed() -> int:
            async with client.stream("GET", url) as response:
                return response.status_code

        status: int = self.run(streamed())
        return status


async def close() -> None:
    async with resources():
        pass


@contextmanager
def caller() -> Iterator[Caller]:
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()
    calls = Caller(loop)
    try:
        yield calls
    finally:
        calls.run(close())
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()
