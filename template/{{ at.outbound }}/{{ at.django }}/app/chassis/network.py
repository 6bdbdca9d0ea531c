"""How a client connects: to the addresses that it may, which it has looked up itself, and no longer than it may."""

import ssl
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from socket import SOCK_STREAM, getaddrinfo
from time import perf_counter
from typing import Any, Final

import httpcore2

from app.chassis.calls import Address
from app.chassis.certificates import Papers

PIECE: Final = 65_536


class Clock(threading.local):
    """When the attempt that this thread makes has to end, of `time.perf_counter`."""

    deadline: float | None = None


_clock = Clock()


@contextmanager
def until(deadline: float) -> Iterator[None]:
    """No read, write or connection of this thread takes longer, however many there are."""
    _clock.deadline = deadline
    try:
        yield
    finally:
        _clock.deadline = None


def left(timeout: float | None) -> float | None:
    """`timeout`, or what is left when that is less. A socket's own timeout begins anew with every byte."""
    if _clock.deadline is None:
        return timeout
    seconds = _clock.deadline - perf_counter()
    if seconds <= 0:
        raise httpcore2.ReadTimeout("the time is over")
    return seconds if timeout is None else min(seconds, timeout)


class Stream(httpcore2.NetworkStream):
    """A connection whose every step ends with the attempt."""

    def __init__(self, inner: httpcore2.NetworkStream, context: ssl.SSLContext | None = None) -> None:
        self.inner = inner
        self.context = context

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        return self.inner.read(max_bytes, left(timeout))

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        view = memoryview(buffer)
        for start in range(0, len(view), PIECE):
            self.inner.write(view[start : start + PIECE], left(timeout))  # type: ignore[arg-type]

    def close(self) -> None:
        self.inner.close()

    def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore2.NetworkStream:
        # The pool's context does not know who this service is.
        return Stream(self.inner.start_tls(self.context or ssl_context, server_hostname, left(timeout)))

    def get_extra_info(self, info: str) -> Any:
        return self.inner.get_extra_info(info)


class Network(httpcore2.NetworkBackend):
    """What connects is what was checked: a name that resolves to something else a moment later gains nothing."""

    def __init__(self, address: Address, papers: Papers | None = None) -> None:
        self.address = address
        self.papers = papers
        self.inner = httpcore2.SyncBackend()

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[httpcore2.SOCKET_OPTION] | None = None,
    ) -> httpcore2.NetworkStream:
        found = looked_up(host, port)
        if self.address.is_guarded(host, port):
            found = self.address.checked(found)
        context = None
        if self.papers is not None and self.address.is_home(host, port):
            context = self.papers.context()
        failure: Exception = httpcore2.ConnectError("no address")
        for one in found:
            try:
                connected = self.inner.connect_tcp(one, port, left(timeout), local_address, socket_options)
                return Stream(connected, context)
            except (httpcore2.ConnectError, httpcore2.ConnectTimeout) as error:
                failure = error
        raise failure


def looked_up(host: str, port: int) -> list[str]:
    try:
        found = getaddrinfo(host, port, type=SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        raise httpcore2.ConnectError(str(error)) from error
    return list(dict.fromkeys(str(one[4][0]) for one in found))
