"""A network that a run can break: slow, narrow, swallowing everything, cut off, or reset in the middle of a word."""

import asyncio
import socket
import struct
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Literal, Self

Towards = Literal["server", "client"]
CHUNK = 65536


@dataclass(frozen=True, slots=True)
class Fault:
    """Reset the connection when `after` bytes have gone that way, all of the first chunk if None, and `seconds` later."""

    towards: Towards
    after: int | None
    seconds: float = 0.0

    def meets(self, towards: Towards, gone: int) -> bool:
        return self.towards == towards and gone >= (self.after or 0)


class Proxy:
    """Forwards to `host`:`target` while it is entered; `fault` says what happens to a new connection."""

    def __init__(self, target: int, fault: Callable[[], Fault | None] = lambda: None, *, host: str = "127.0.0.1") -> None:
        self.target, self.fault, self.host = target, fault, host
        self.port = 0
        # What goes wrong with every chunk: seconds that it is late, and bytes a second.
        self.delay = 0.0
        self.bandwidth = 0.0
        self.resets = 0
        self.open: list[Conversation] = []
        self._flowing = asyncio.Event()
        self._flowing.set()
        self._server: asyncio.Server | None = None

    async def __aenter__(self) -> Self:
        await self.mend()
        return self

    async def __aexit__(self, *_error: object) -> None:
        await self.cut()

    async def mend(self) -> None:
        """Take connections, and forward."""
        self._flowing.set()
        if self._server is None:
            self._server = await asyncio.start_server(self._converse, "127.0.0.1", self.port)
            self.port = self._server.sockets[0].getsockname()[1]

    async def cut(self) -> None:
        """Reset every connection and refuse new ones."""
        if self._server is not None:
            self._server.close()
            self._server = None
        for conversation in self.open:
            conversation.reset()
        # Until both sides have heard of it.
        await asyncio.sleep(0.05)

    def blackhole(self) -> None:
        """Keep every connection, take new ones, and let nothing through."""
        self._flowing.clear()

    async def _converse(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            far_reader, far_writer = await asyncio.open_connection(self.host, self.target)
        except OSError:
            reset(writer)
            return
        conversation = Conversation(self, self.fault(), writer, far_writer)
        self.open.append(conversation)
        try:
            await asyncio.gather(conversation.carry(reader, far_writer, "server"), conversation.carry(far_reader, writer, "client"))
        finally:
            self.open.remove(conversation)

    async def slow(self, size: int) -> None:
        await self._flowing.wait()
        seconds = self.delay + (size / self.bandwidth if self.bandwidth else 0.0)
        if seconds:
            await asyncio.sleep(seconds)


class Conversation:
    """One connection and the one behind it."""

    def __init__(self, proxy: Proxy, fault: Fault | None, *writers: asyncio.StreamWriter) -> None:
        self.proxy, self.fault, self.writers = proxy, fault, writers

    async def carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, towards: Towards) -> None:
        gone = 0
        with suppress(OSError):
            while data := await reader.read(CHUNK):
                await self.proxy.slow(len(data))
                fault, before, gone = self.fault, gone, gone + len(data)
                if fault is not None and fault.meets(towards, gone):
                    await self.break_off(writer, data if fault.after is None else data[: fault.after - before], fault.seconds)
                    return
                writer.write(data)
                await writer.drain()
        writer.close()

    async def break_off(self, writer: asyncio.StreamWriter, last: bytes, seconds: float) -> None:
        writer.write(last)
        await writer.drain()
        await asyncio.sleep(seconds)
        self.proxy.resets += 1
        self.reset()

    def reset(self) -> None:
        for writer in self.writers:
            reset(writer)


def reset(writer: asyncio.StreamWriter) -> None:
    """RST instead of FIN: what was not read yet is lost on the other side, too."""
    found = writer.get_extra_info("socket")
    if found is not None and found.fileno() >= 0:
        found.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()
