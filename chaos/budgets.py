"""A client gives a request half a second for a statement of ten: what it is told, when, and what goes on meanwhile."""

import socket
import time
from dataclasses import dataclass

from load import Server

from chaos.rendered import POOL, Service

STATEMENT_SECONDS = 10
BUDGET = 0.5
GIVE_UP = 1.5
SETTLE_SECONDS = 1.0
AFTERWARDS = 2 * POOL


@dataclass(frozen=True)
class Outcome:
    """`seconds` until there were answers from all, GIVE_UP if not; `running`: statements that ran a second after that."""

    answers: tuple[int | None, ...]
    seconds: float
    running: int
    healthy: bool


def run(service: Service) -> Outcome:
    """As many requests at once as the pool has connections: if one were lost, the next requests would show it."""
    with service.running() as server:
        started = time.monotonic()
        asked = [ask(server, STATEMENT_SECONDS) for _ in range(POOL)]
        answers = tuple(answer(connection, started + GIVE_UP) for connection in asked)
        seconds = time.monotonic() - started
        time.sleep(SETTLE_SECONDS)
        left = running(service)
        healthy = all(served(server) for _ in range(AFTERWARDS))
        for connection in asked:
            connection.close()
    return Outcome(answers, seconds, left, healthy)


def served(server: Server) -> bool:
    with ask(server, 0.01) as connection:
        return answer(connection, time.monotonic() + 1.0) == 200


def ask(server: Server, seconds: float) -> socket.socket:
    """For a statement of so many seconds."""
    connection = socket.create_connection(("127.0.0.1", server.port), timeout=5)
    head = f"GET /chaos/wait?seconds={seconds} HTTP/1.1\r\nHost: 127.0.0.1\r\nX-Request-Timeout: {BUDGET}\r\n\r\n"
    connection.sendall(head.encode())
    return connection


def answer(connection: socket.socket, until: float) -> int | None:
    connection.settimeout(max(0.01, until - time.monotonic()))
    try:
        return int(connection.recv(4096).split(b" ", 2)[1])
    except (OSError, IndexError):
        return None


def running(service: Service) -> int:
    """Statements of this service that the database still works on."""
    where = f"datname = '{service.database}' AND state = 'active' AND query LIKE '%pg_sleep%' AND pid <> pg_backend_pid()"
    return int(service.postgresql.ask("postgres", f"SELECT count(*) FROM pg_stat_activity WHERE {where}")[0][0])  # noqa: S608
