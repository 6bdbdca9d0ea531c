"""The database is killed and comes back: how long until the service answers again, without being started anew."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from math import inf

from load import Server, status

from chaos.rendered import Service

CLIENTS = 4
AWAY_SECONDS = 2.0
PATIENCE = 10.0
ANSWER_SECONDS = 1.0
PATH = "/v1/orders?limit=1"


def run(service: Service, *, comes_back: bool = True, patience: float = PATIENCE) -> float:
    """Seconds from the start of the new database, its own recovery included, to the first 2xx; inf if none for `patience`."""
    with service.running() as server:
        if status(server.port, PATH, timeout=ANSWER_SECONDS) != 200:
            raise RuntimeError(f"the service did not answer before the database went, see {service.log}")
        with asked_meanwhile(server):
            service.postgresql.kill()
            time.sleep(AWAY_SECONDS)
            if (answer := status(server.port, PATH, timeout=ANSWER_SECONDS)) == 200:
                raise RuntimeError(f"{PATH} answered {answer} without a database")
            took = service.postgresql.start() if comes_back else 0.0
            seconds = took + until_answered(server, patience)
    if not comes_back:
        service.postgresql.start()
    return seconds


@contextmanager
def asked_meanwhile(server: Server) -> Iterator[None]:
    """Users do not stay away because the database does: they find every connection broken, and wait for new ones."""
    over = threading.Event()

    def ask() -> None:
        while not over.is_set():
            status(server.port, PATH, timeout=ANSWER_SECONDS)
            over.wait(0.05)

    users = [threading.Thread(target=ask) for _ in range(CLIENTS)]
    for user in users:
        user.start()
    try:
        yield
    finally:
        over.set()
        for user in users:
            user.join()


def until_answered(server: Server, patience: float) -> float:
    started = time.monotonic()
    while time.monotonic() - started < patience:
        if (status(server.port, PATH, timeout=ANSWER_SECONDS) or 500) < 300:
            return time.monotonic() - started
        time.sleep(0.02)
    return inf
