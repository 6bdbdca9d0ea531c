"""A Redis or Valkey of our own, to be killed and started again: never the one that others use."""

import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager

from load import free_port
from servers import Missing

PROGRAMS = ("valkey-server", "redis-server")
START_SECONDS = 20


class Redis:
    """Listens on `port`; keeps nothing when it goes."""

    def __init__(self, program: str) -> None:
        self.program = program
        self.port = free_port()
        self.process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self.port}/0"

    def start(self) -> None:
        command = [self.program, "--port", str(self.port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"]
        self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
        deadline = time.monotonic() + START_SECONDS
        while not self.answers():
            if time.monotonic() > deadline:
                raise RuntimeError(f"{self.program} did not answer on port {self.port}")
            time.sleep(0.02)

    def answers(self) -> bool:
        try:
            with socket.create_connection(("127.0.0.1", self.port), 1) as connection:
                connection.sendall(b"PING\r\n")
                return connection.recv(16).startswith(b"+PONG")
        except OSError:
            return False

    def kill(self) -> None:
        """SIGKILL."""
        if self.process is not None:
            self.process.kill()
            self.process.wait()
            self.process = None


@contextmanager
def running() -> Iterator[Redis]:
    """Raises Missing where there is no such program."""
    program = next((found for found in map(shutil.which, PROGRAMS) if found), None)
    if program is None:
        raise Missing(f"none of {', '.join(PROGRAMS)} is on PATH")
    server = Redis(program)
    server.start()
    try:
        yield server
    finally:
        server.kill()
