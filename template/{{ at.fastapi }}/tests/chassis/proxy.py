"""A network between the service and its database that a test can break: cut off, swallowing everything, well again."""

import asyncio
import threading
from collections.abc import Coroutine, Iterator
from contextlib import contextmanager, suppress
from typing import Any
from urllib.parse import urlsplit

from tests.chassis.outage import free_port


class Proxy:
    """Forwards to the database at `url`; `self.url` is the same database through the proxy."""

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        self.target = (parts.hostname or "127.0.0.1", parts.port or {"mysql": 3306}.get(parts.scheme, 5432))
        self.loop = asyncio.new_event_loop()
        self.flowing = asyncio.Event()
        self.flowing.set()
        self.conversations: set[asyncio.StreamWriter] = set()
        self.server: asyncio.Server | None = None
        self.port = free_port()
        self.thread = threading.Thread(target=self.loop.run_forever, daemon=True)
        self.thread.start()
        self.mend()
        user = parts.netloc.rpartition("@")[0]
        self.url = parts._replace(netloc=f"{user}@127.0.0.1:{self.port}").geturl()

    def mend(self) -> None:
        """Take connections, and forward."""
        self.do(self._mend())

    def cut(self) -> None:
        """Drop every connection and refuse new ones."""
        self.do(self._cut())

    def swallow(self) -> None:
        """Keep every connection, take new ones, and let nothing through."""
        self.loop.call_soon_threadsafe(self.flowing.clear)

    def close(self) -> None:
        self.cut()
        self.loop.call_soon_threadsafe(self.loop.stop)
        self.thread.join()
        self.loop.close()

    def do(self, action: Coroutine[Any, Any, None]) -> None:
        asyncio.run_coroutine_threadsafe(action, self.loop).result(5)

    async def _mend(self) -> None:
        self.flowing.set()
        if self.server is None:
            self.server = await asyncio.start_server(self._converse, "127.0.0.1", self.port)

    async def _cut(self) -> None:
        if self.server is not None:
            self.server.close()
            self.server = None
        self.flowing.set()
        for writer in self.conversations:
            writer.transport.abort()
        # Until both sides have heard of it.
        await asyncio.sleep(0.05)

    async def _converse(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.conversations.add(writer)
        with suppress(OSError):
            far_reader, far_writer = await asyncio.open_connection(*self.target)
            self.conversations.add(far_writer)
            await asyncio.gather(self._forward(reader, far_writer), self._forward(far_reader, writer))
            self.conversations.discard(far_writer)
        self.conversations.discard(writer)

    async def _forward(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError):
            while data := await reader.read(65536):
                await self.flowing.wait()
                writer.write(data)
                await writer.drain()
        writer.close()


@contextmanager
def proxy(url: str) -> Iterator[Proxy]:
    made = Proxy(url)
    try:
        yield made
    finally:
        made.close()
