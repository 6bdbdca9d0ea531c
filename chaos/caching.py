"""The cache: many ask for one key that nobody has, and its Redis is killed while the service is busy."""

import http.client
import threading
import time
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing
from dataclasses import dataclass
from secrets import token_hex
from statistics import quantiles

from load import Server

from chaos.redis import Redis
from chaos.rendered import Service

# Of the service; all of them are asked at once.
THREADS = 200
# What a value takes that is not there, and how many there are in the run with a kill.
MADE_SECONDS = 0.05
KEYS = 50


@dataclass(frozen=True)
class Stampede:
    answered: int
    made: int


@dataclass(frozen=True)
class Amount:
    """`rate` is in requests a second, `seconds` how long each phase of the kill takes."""

    processes: int
    requests: int
    rate: float
    seconds: float


# Without the mechanism it need not be as many.
CONTROL = Amount(processes=2, requests=10, rate=0, seconds=0)


def stampede(service: Service, amount: Amount, redis: Redis) -> Stampede:
    """`requests` to each process at once, all for one key."""
    key = token_hex(4)
    with ExitStack() as stack:
        settings = {"CACHE_URL": redis.url, "CACHE_TIMEOUT": "1", "THREADS": str(THREADS)}
        servers = [stack.enter_context(service.running(**settings)) for _ in range(amount.processes)]
        wanted = [server for server in servers for _ in range(amount.requests)]
        together = threading.Barrier(len(wanted))

        def ask(server: Server) -> int:
            with closing(http.client.HTTPConnection("127.0.0.1", server.port, timeout=30)) as connection:
                together.wait()
                return asked(connection, key, seconds=0.5)

        with ThreadPoolExecutor(len(wanted)) as pool:
            statuses = list(pool.map(ask, wanted))
    return Stampede(statuses.count(200), made(service, key))


def made(service: Service, key: str) -> int:
    return (service.folder / "made").read_text().split().count(key)


def asked(connection: http.client.HTTPConnection, key: str, *, seconds: float = MADE_SECONDS) -> int:
    """The status; 0 for none."""
    try:
        connection.request("GET", f"/chaos/made?key={key}&seconds={seconds}")
        reply = connection.getresponse()
        reply.read()
    except (OSError, http.client.HTTPException):
        connection.close()
        return 0
    else:
        return reply.status


@dataclass(frozen=True)
class Phase:
    failed: int
    p99: float
    """Seconds."""


def killed(service: Service, amount: Amount, redis: Redis) -> tuple[Phase, Phase, Phase]:
    """Before, while it is away, and when it is back; every value is there when it begins."""
    run = token_hex(4)
    with service.running(CACHE_URL=redis.url, THREADS="40") as server:
        phase(server, run, amount)
        before = phase(server, run, amount)
        redis.kill()
        away = phase(server, run, amount)
        redis.start()
        return before, away, phase(server, run, amount)


def plain(service: Service, amount: Amount) -> Phase:
    """The same load where nothing is kept."""
    with service.running(THREADS="40") as server:
        return phase(server, token_hex(4), amount)


def phase(server: Server, run: str, amount: Amount) -> Phase:
    """Arrival times are fixed in advance: who is served late was late from then on."""
    clients = 16
    begins = time.monotonic() + 0.1
    count = int(amount.rate * amount.seconds)

    def ask(mine: Iterable[int]) -> list[tuple[int, float]]:
        found = []
        with closing(http.client.HTTPConnection("127.0.0.1", server.port, timeout=30)) as connection:
            for number in mine:
                due = begins + number / amount.rate
                time.sleep(max(0.0, due - time.monotonic()))
                status = asked(connection, f"{run}-{number * 7 % KEYS}")
                found.append((status, time.monotonic() - due))
        return found

    with ThreadPoolExecutor(clients) as pool:
        answers = [one for part in pool.map(ask, (range(first, count, clients) for first in range(clients))) for one in part]
    return Phase(sum(status != 200 for status, _ in answers), quantiles([took for _, took in answers], n=100)[98])
