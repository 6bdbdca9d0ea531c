"""A service that misbehaves as the path says: a real server on a socket, a thread for each connection."""

import gzip
import json
import socket
import struct
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import dataclass, field
from typing import ClassVar, TypeVar
from urllib.parse import parse_qs, urlsplit

BYTE_SECONDS = 0.1
ENOUGH = 1 << 26


@dataclass
class Asked:
    method: str
    path: str
    query: dict[str, list[str]]
    headers: dict[str, str]
    body: bytes


@dataclass
class Faulty:
    """`status` is what /status answers; /wait answers once `go` is set; `counts` are the requests by path."""

    scheme: ClassVar = "http"
    url: str = ""
    status: int = 503
    retry_after: str = ""
    go: threading.Event = field(default_factory=threading.Event)
    asked: list[Asked] = field(default_factory=list)
    counts: Counter[str] = field(default_factory=Counter)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def accept(self, listener: socket.socket) -> None:
        with suppress(OSError):
            while True:
                connection, _ = listener.accept()
                threading.Thread(target=self.serve, args=(connection,), daemon=True).start()

    def serve(self, connection: socket.socket) -> None:
        with connection, suppress(OSError):
            rest = b""
            while True:
                asked, rest = read(connection, rest)
                if asked is None:
                    return
                with self.lock:
                    self.asked.append(asked)
                    self.counts[asked.path] += 1
                    count = self.counts[asked.path]
                if not self.answer(connection, asked, count):
                    return

    def answer(self, connection: socket.socket, asked: Asked, count: int) -> bool:
        """Whether the connection may be used again."""
        kind = asked.path.split("/")[1]
        if kind not in ANSWERS:
            MISBEHAVIOUR[kind](connection)
            return False
        connection.sendall(ANSWERS[kind](self, asked, count))
        return True


def ok(_server: Faulty, asked: Asked, _count: int) -> bytes:
    return reply(200, json.dumps(asked.headers).encode())


def late(server: Faulty, asked: Asked, count: int) -> bytes:
    """/late/0.5: half a second, after the first time."""
    if count > 1:
        time.sleep(float(asked.path.rpartition("/")[2]))
    return ok(server, asked, count)


def status(server: Faulty, _asked: Asked, _count: int) -> bytes:
    return reply(server.status, b"no", f"retry-after: {server.retry_after}\r\n" if server.retry_after else "")


def first(server: Faulty, asked: Asked, count: int) -> bytes:
    """Not the first time."""
    return reply(503, b"not yet", f"retry-after: {server.retry_after}\r\n") if count == 1 else reply(200, asked.body)


def wait(server: Faulty, _asked: Asked, _count: int) -> bytes:
    server.go.wait(20)
    return reply(200, b"waited")


def hedge(server: Faulty, asked: Asked, count: int) -> bytes:
    """Late the first time."""
    return wait(server, asked, count) if count == 1 else reply(200, b"at once")


ANSWERS: dict[str, Callable[[Faulty, Asked, int], bytes]] = {
    "ok": ok,
    "late": late,
    "status": status,
    "first": first,
    "wait": wait,
    "hedge": hedge,
    "cookie": lambda _server, _asked, _count: reply(200, b"", "set-cookie: whose=ada; path=/\r\n"),
    "to": lambda _server, asked, _count: reply(302, b"", f"location: {asked.query['url'][0]}\r\n"),
    "loop": lambda _server, _asked, _count: reply(302, b"", "location: /loop\r\n"),
    "large": lambda _server, _asked, _count: reply(200, b"x" * 2000),
    "bomb": lambda _server, _asked, _count: reply(200, gzip.compress(bytes(1 << 20)), "content-encoding: gzip\r\n"),
}


def read(connection: socket.socket, rest: bytes) -> tuple[Asked | None, bytes]:
    while b"\r\n\r\n" not in rest:
        data = connection.recv(65536)
        if not data:
            return None, b""
        rest += data
    head, _, rest = rest.partition(b"\r\n\r\n")
    first, *lines = head.decode("latin-1").split("\r\n")
    headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines)}
    length = int(headers.get("content-length", "0"))
    while len(rest) < length:
        rest += connection.recv(65536)
    method, target, _ = first.split(" ")
    url = urlsplit(target)
    return Asked(method, url.path, parse_qs(url.query), headers, rest[:length]), rest[length:]


def reply(status: int, body: bytes, more: str = "") -> bytes:
    return f"HTTP/1.1 {status} X\r\ncontent-length: {len(body)}\r\n{more}\r\n".encode() + body


def drip(connection: socket.socket, data: bytes) -> None:
    for one in data:
        connection.sendall(bytes([one]))
        time.sleep(BYTE_SECONDS)


def slow_body(connection: socket.socket) -> None:
    connection.sendall(b"HTTP/1.1 200 OK\r\ncontent-length: 1000\r\n\r\n")
    drip(connection, b"x" * 1000)


def slow_head(connection: socket.socket) -> None:
    drip(connection, reply(200, b"x" * 1000))


def garbage(connection: socket.socket) -> None:
    connection.sendall(b"\x16\x03\x01 SSH-2.0 \xff\xfe not http at all\r\n\r\n")


def unpackable(connection: socket.socket) -> None:
    connection.sendall(reply(200, b"this is not gzip", "content-encoding: gzip\r\n"))


def endless(connection: socket.socket) -> None:
    connection.sendall(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n")
    for _ in range(ENOUGH >> 16):
        connection.sendall(b"10000\r\n" + b"x" * 65536 + b"\r\n")


def endless_head(connection: socket.socket) -> None:
    connection.sendall(b"HTTP/1.1 200 OK\r\n")
    for number in range(ENOUGH >> 10):
        connection.sendall(b"x-%d: " % number + b"x" * 1000 + b"\r\n")


def reset(connection: socket.socket) -> None:
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


def cut(connection: socket.socket) -> None:
    connection.sendall(b"HTTP/1.1 200 OK\r\ncontent-length: 1000\r\n\r\nhalf")


def hang(connection: socket.socket) -> None:
    connection.recv(1)


MISBEHAVIOUR: dict[str, Callable[[socket.socket], None]] = {
    "slow-body": slow_body,
    "slow-head": slow_head,
    "garbage": garbage,
    "unpackable": unpackable,
    "endless": endless,
    "endless-head": endless_head,
    "reset": reset,
    "cut": cut,
    "hang": hang,
}


Kind = TypeVar("Kind", bound=Faulty)


def faulty() -> AbstractContextManager[Faulty]:
    return serving(Faulty())


@contextmanager
def serving(server: Kind) -> Iterator[Kind]:
    with socket.create_server(("127.0.0.1", 0), backlog=512) as listener:
        server.url = f"{server.scheme}://127.0.0.1:{listener.getsockname()[1]}"
        threading.Thread(target=server.accept, args=(listener,), daemon=True).start()
        yield server
        server.go.set()
        with suppress(OSError):
            # Closing alone does not wake the thread that waits in `accept`.
            listener.shutdown(socket.SHUT_RDWR)
