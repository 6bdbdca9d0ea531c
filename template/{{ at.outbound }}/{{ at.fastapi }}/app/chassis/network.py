"""How a client connects: to the addresses that it may, which it has looked up itself."""

import asyncio
import ssl
from collections.abc import Iterable
from socket import SOCK_STREAM
from typing import Any

import httpcore2

from app.chassis.calls import Address
from app.chassis.certificates import Papers


class Stream(httpcore2.AsyncNetworkStream):
    """A connection that is about to be encrypted, in a context of its own."""

    def __init__(self, inner: httpcore2.AsyncNetworkStream, context: ssl.SSLContext) -> None:
        self.inner = inner
        self.context = context

    async def read(self, max_bytes: int, timeout: float | None = None) -> bytes:  # noqa: ASYNC109 - httpcore2's signature
        return await self.inner.read(max_bytes, timeout)

    async def write(self, buffer: bytes, timeout: float | None = None) -> None:  # noqa: ASYNC109
        await self.inner.write(buffer, timeout)

    async def aclose(self) -> None:
        await self.inner.aclose()

    async def start_tls(
        self,
        ssl_context: ssl.SSLContext,  # noqa: ARG002 - the pool's, which does not know who this service is
        server_hostname: str | None = None,
        timeout: float | None = None,  # noqa: ASYNC109
    ) -> httpcore2.AsyncNetworkStream:
        return await self.inner.start_tls(self.context, server_hostname, timeout)

    def get_extra_info(self, info: str) -> Any:
        return self.inner.get_extra_info(info)


class Network(httpcore2.AsyncNetworkBackend):
    """What connects is what was checked: a name that resolves to something else a moment later gains nothing."""

    def __init__(self, address: Address, papers: Papers | None = None) -> None:
        self.address = address
        self.papers = papers
        self.inner = httpcore2.AnyIOBackend()

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,  # noqa: ASYNC109 - httpcore2's signature
        local_address: str | None = None,
        socket_options: Iterable[httpcore2.SOCKET_OPTION] | None = None,
    ) -> httpcore2.AsyncNetworkStream:
        if self.papers is not None and self.address.is_home(host, port):
            context = await asyncio.to_thread(self.papers.context)
            return Stream(await self.connected(host, port, timeout, local_address, socket_options), context)
        return await self.connected(host, port, timeout, local_address, socket_options)

    async def connected(
        self,
        host: str,
        port: int,
        timeout: float | None,  # noqa: ASYNC109
        local_address: str | None,
        socket_options: Iterable[httpcore2.SOCKET_OPTION] | None,
    ) -> httpcore2.AsyncNetworkStream:
        if not self.address.is_guarded(host, port):
            return await self.inner.connect_tcp(host, port, timeout, local_address, socket_options)
        failure: Exception = httpcore2.ConnectError("no address")
        for found in self.address.checked(await looked_up(host, port)):
            try:
                return await self.inner.connect_tcp(found, port, timeout, local_address, socket_options)
            except (httpcore2.ConnectError, httpcore2.ConnectTimeout) as error:
                failure = error
        raise failure


async def looked_up(host: str, port: int) -> list[str]:
    try:
        found = await asyncio.get_running_loop().getaddrinfo(host, port, type=SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        raise httpcore2.ConnectError(str(error)) from error
    return list(dict.fromkeys(str(one[4][0]) for one in found))
