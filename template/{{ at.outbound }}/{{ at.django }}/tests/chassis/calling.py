"""Calls of a client, made from a test: in threads where there are several."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from contextvars import copy_context
from typing import Any

import httpx2

from app.chassis.client import Client
from app.chassis.outbound import resources

Result = httpx2.Response | BaseException


class Caller:
    def request(self, client: Client, method: str, url: str, **options: Any) -> httpx2.Response:
        return client.request(method, url, **options)

    def get(self, client: Client, url: str, **options: Any) -> httpx2.Response:
        return client.get(url, **options)

    def together(self, client: Client, url: str, count: int) -> list[Result]:
        """What became of so many calls at a time."""
        return self.gather(client, url, count)()

    def gather(self, client: Client, url: str, count: int) -> Callable[[], list[Result]]:
        """Begin them; what is returned waits for their results."""

        def one() -> Result:
            try:
                return client.get(url)
            except Exception as error:  # noqa: BLE001 - it is the result
                return error

        pool = ThreadPoolExecutor(count)
        begun = [pool.submit(copy_context().run, one) for _ in range(count)]

        def results() -> list[Result]:
            with pool:
                return [each.result(60) for each in begun]

        return results

    def head_and_leave(self, client: Client, url: str) -> int:
        """The status of a reply whose body nobody reads."""
        with client.stream("GET", url) as response:
            return response.status_code


@contextmanager
def caller() -> Iterator[Caller]:
    with resources():
        yield Caller()
