"""A database that a test can take away: a proxy in front of a server, a lock on SQLite's file."""

import fcntl
import os
import socket
import sqlite3
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from functools import cache
from itertools import cycle
from pathlib import Path
from typing import Protocol
from urllib.parse import urlsplit

PORTS = 200
DEFAULT_PORTS = {"postgresql": 5432, "postgres": 5432, "mysql": 3306, "mariadb": 3306, "redis": 6379, "rediss": 6379}
DEFAULT_PORTS |= {"nats": 4222, "amqp": 5672, "kafka": 9092}


def free_port() -> int:
    """One where nobody listens, and that no other test gets before somebody does."""
    while True:
        port = next(own_ports())
        with socket.socket() as taken, suppress(OSError):
            taken.bind(("127.0.0.1", port))
            return port


def address(url: str) -> tuple[str, int]:
    """Host and port of a server."""
    parts = urlsplit(url)
    return parts.hostname or "127.0.0.1", parts.port or DEFAULT_PORTS[parts.scheme.partition("+")[0]]


def answers(url: str) -> bool:
    """Whether somebody listens there."""
    with suppress(OSError):
        socket.create_connection(address(url), 1).close()
        return True
    return False


@cache
def own_ports() -> Iterator[int]:
    """Ports of this run alone, below those that the system gives to whoever connects.

    Between the choice of a port and the moment in which a service listens there it has time to start: of a hundred that
    start at a time on this machine, two would else choose the same one now and then.
    """
    for first in range(10_000, 30_000, PORTS):
        with suppress(OSError):
            # Open, and so locked, until this process ends.
            lock = os.open(f"{tempfile.gettempdir()}/test-ports-{first}.lock", os.O_RDWR | os.O_CREAT)
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                os.close(lock)
                raise
            return cycle(range(first, first + PORTS))
    raise RuntimeError(f"all of {tempfile.gettempdir()}/test-ports-*.lock are in use, or may not be opened")


class Outage(Protocol):
    """`url` is where the database seems to be, away at first."""

    url: str

    def end(self) -> None: ...


@contextmanager
def outage(folder: Path) -> Iterator[Outage]:
    """The database of this test run (SQLite: a copy of it), which is away until the outage ends."""
    url = os.environ["DATABASE_URL"]
    made = Lock(url, folder / "copy.db") if url.startswith("sqlite") else Proxy(url)
    try:
        yield made
    finally:
        made.begin() if isinstance(made, Proxy) else made.end()


class Lock:
    """Another process that keeps SQLite's file to itself."""

    def __init__(self, url: str, copy: Path) -> None:
        self.url = f"sqlite:///{copy}"
        self.connection = sqlite3.connect(copy, isolation_level=None, check_same_thread=False)
        with closing(sqlite3.connect(url.removeprefix("sqlite:///"))) as original:
            original.backup(self.connection)
        self.connection.execute("PRAGMA locking_mode = EXCLUSIVE")
        self.connection.execute("BEGIN EXCLUSIVE")

    def end(self) -> None:
        self.connection.close()


class Proxy:
    """Passes bytes on while there is no outage; during one nobody listens and every connection is cut."""

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        self.target = address(url)
        self.port = free_port()
        login, at, _ = parts.netloc.rpartition("@")
        self.url = parts._replace(netloc=f"{login}{at}127.0.0.1:{self.port}").geturl()
        self.listener: socket.socket | None = None
        self.open: list[socket.socket] = []

    def end(self) -> None:
        self.listener = socket.create_server(("127.0.0.1", self.port))
        threading.Thread(target=self.accept, args=(self.listener,), daemon=True).start()

    def begin(self) -> None:
        for one in [self.listener, *self.open]:
            if one is not None:
                with suppress(OSError):
                    # Closing alone does not wake the thread that waits in `accept` or `recv`.
                    one.shutdown(socket.SHUT_RDWR)
                one.close()
        self.listener, self.open = None, []

    def accept(self, listener: socket.socket) -> None:
        with suppress(OSError):
            while True:
                near, _ = listener.accept()
                far = socket.create_connection(self.target)
                self.open += [near, far]
                threading.Thread(target=pump, args=(near, far), daemon=True).start()
                threading.Thread(target=pump, args=(far, near, self.translation()), daemon=True).start()

    def translation(self) -> Callable[[bytes], bytes]:
        """What is made of the answers of a connection, piece by piece: nothing."""
        return bytes


def pump(source: socket.socket, target: socket.socket, translated: Callable[[bytes], bytes] = bytes) -> None:
    with suppress(OSError):
        while data := source.recv(1 << 16):
            target.sendall(translated(data))
    with suppress(OSError):
        target.shutdown(socket.SHUT_RDWR)
