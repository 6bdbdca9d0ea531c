"""Ten times the load that a service can bear: what is still served, how fast, and to whom."""

import subprocess
import sys
import threading
import time
from dataclasses import dataclass
from http.client import HTTPConnection
from pathlib import Path

from load import CLIENT_CORE, Server, on_core

from chaos import history
from chaos.arrivals import Phase, steps
from chaos.generator import Plan, Stream
from chaos.history import Asked
from chaos.rendered import CPU_SECONDS, POOL, WAIT_SECONDS, Service

PATIENCE = 1.0
LEAD = 1.0
CRITICAL_SHARE = 0.4
"""Of the capacity: what the critical class asks for in overload."""


@dataclass(frozen=True)
class Shape:
    """How long, in seconds: a tenth of the load, half of it, ten times it, half again."""

    idle: float = 8
    half: float = 12
    over: float = 20
    after: float = 10
    times: float = 10

    @property
    def edges(self) -> tuple[float, float, float, float]:
        """Where half, overload, the time after it, and nothing begin."""
        return self.idle, self.idle + self.half, self.idle + self.half + self.over, self.idle + self.half + self.over + self.after

    def critical(self, capacity: float) -> list[Phase]:
        half = capacity / 4
        return steps((self.idle, capacity / 20), (self.half, half), (self.over, CRITICAL_SHARE * capacity), (self.after, half))

    def ordinary(self, capacity: float) -> list[Phase]:
        half = capacity / 4
        over = (self.times - CRITICAL_SHARE) * capacity
        return steps((self.idle, capacity / 20), (self.half, half), (self.over, over), (self.after, half))


FULL = Shape()
SHORT = Shape(idle=1, half=2, over=4, after=6.5, times=8)
CONTROL = Shape(idle=0.5, half=0.5, over=2.5, after=1.5, times=8)
CAPACITY_SECONDS = 8
STEERING = 2.0
"""Seconds of overload after which what steers on queues has seen some."""
NOMINAL = {"wait": POOL / WAIT_SECONDS, "compute": 1 / CPU_SECONDS}


@dataclass(frozen=True)
class Run:
    """What one service made of it; `capacity` is in answers a second."""

    framework: str
    route: str
    resilience: tuple[str, ...]
    capacity: float
    shape: Shape
    history: list[Asked]

    def during(self, phase: int) -> list[Asked]:
        """Phase 0 is the idle one, 2 the overload."""
        edges = (0.0, *self.shape.edges)
        return history.between(self.history, edges[phase], edges[phase + 1])

    @property
    def over(self) -> list[Asked]:
        return self.during(2)

    @property
    def unloaded_p99(self) -> float:
        return history.p99(self.during(0))

    @property
    def p99(self) -> float:
        return history.p99(self.over)

    @property
    def settled_p99(self) -> float:
        start = self.shape.edges[1] + min(STEERING, self.shape.over / 2)
        return history.p99(asked for asked in self.over if asked.due >= start)

    @property
    def goodput(self) -> float:
        """Useful answers in overload, as a share of what the service can give."""
        _, start, end, _ = self.shape.edges
        return history.goodput(self.history, start, end) / self.capacity

    @property
    def critical_success(self) -> float:
        return history.success(history.of(self.over, "critical"))

    @property
    def timeouts(self) -> float:
        return history.timeouts(self.over)

    @property
    def false_sheds(self) -> int:
        return history.sheds(self.during(0)) + history.sheds(self.during(1))

    @property
    def recovery(self) -> float:
        return history.recovery(self.history, self.shape.edges[2])

    @property
    def lateness(self) -> float:
        return history.lateness(self.over)


def run(service: Service, route: str, capacity: float, shape: Shape, *, pinned: bool) -> Run:
    """`route` is wait or compute."""
    with service.running(pinned=pinned) as server:
        warm(server, route)
        streams = [
            Stream("critical", f"/chaos/{route}/critical", shape.critical(capacity)),
            Stream("ordinary", f"/chaos/{route}", shape.ordinary(capacity)),
        ]
        asked = send(server, streams, folder=service.folder.parent, pinned=pinned)
    return Run(service.framework, route, service.resilience, capacity, shape, asked)


def send(server: Server, streams: list[Stream], *, folder: Path, pinned: bool = False, patience: float = PATIENCE) -> list[Asked]:
    """The load in a process of its own, so that nothing here delays it."""
    plan, out = folder / "plan.json", folder / f"{time.time_ns()}.jsonl"
    Plan(server.port, time.monotonic() + LEAD, streams, patience=patience).dump(plan)
    command = [sys.executable, "-m", "chaos.generator", str(plan), str(out)]
    done = subprocess.run(on_core(CLIENT_CORE, command) if pinned else command, check=False, capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(f"the generator failed:\n{done.stderr[-3000:]}")
    return history.read(out)


def warm(server: Server, route: str) -> None:
    """Every connection of the pool opened, every import done."""
    closed_loop(server, f"/chaos/{route}", clients=POOL, seconds=1.0)


def capacity(service: Service, route: str, *, pinned: bool) -> float:
    """Answers a second, when as many clients as keep it busy ask again as soon as they are answered."""
    with service.running(pinned=pinned) as server:
        warm(server, route)
        return closed_loop(server, f"/chaos/{route}", clients=2 * POOL, seconds=CAPACITY_SECONDS)


def closed_loop(server: Server, path: str, *, clients: int, seconds: float) -> float:
    """Answers of 200 a second."""
    until = time.monotonic() + seconds
    answers = [0] * clients

    def ask(client: int) -> None:
        connection = HTTPConnection("127.0.0.1", server.port, timeout=10)
        while time.monotonic() < until:
            connection.request("GET", path)
            reply = connection.getresponse()
            reply.read()
            answers[client] += reply.status == 200 and time.monotonic() < until
        connection.close()

    threads = [threading.Thread(target=ask, args=(client,)) for client in range(clients)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return sum(answers) / seconds
