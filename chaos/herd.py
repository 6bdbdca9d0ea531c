"""The processes of a service, forked from one that has imported it: killed at any moment, and started again as an orchestrator does."""

import json
import os
import signal
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self
from urllib.parse import urlsplit

import servers
from load import free_port

from chaos.rendered import Service

FORKS = Path(__file__).parent / "forks.py"
WEB = "web"
Edit = tuple[str, str, str]
"""A module of the service, a text of it, and what stands there instead."""


@dataclass
class Broker:
    """Of a service's events, or of its jobs; it is spoken to through a port that resets can be sent from."""

    name: str
    host: str
    port: int
    variables: dict[str, str]
    behind: int = field(default_factory=free_port)

    @classmethod
    def of(cls, service: Service, name: str) -> Self:
        """Raises Missing where none answers."""
        known = service.broker(name)
        if not known["there"]:
            raise servers.Missing(known["missing"])
        parts = urlsplit(known["url"])
        broker = cls(name, *known["address"], {})
        netloc = f"{parts.netloc.rpartition('@')[0]}@" if "@" in parts.netloc else ""
        through = parts._replace(netloc=f"{netloc}127.0.0.1:{broker.behind}").geturl()
        broker.variables = service.broker(name, through)["variables"] | known["impatient"]
        return broker


@dataclass
class Process:
    """`pid` is that of the one that runs now."""

    name: str
    command: list[str]
    environment: dict[str, str]
    pid: int = 0

    @property
    def gone(self) -> bool:
        try:
            os.kill(self.pid, 0)
        except ProcessLookupError:
            return True
        return False

    def signal(self, number: int) -> None:
        with suppress(ProcessLookupError):
            os.killpg(self.pid, number)


class Herd:
    """Everything has a port of its own that stays the same: settings are read before a process is forked."""

    def __init__(self, service: Service, loops: Sequence[str], broker: Broker | None) -> None:
        self.service, self.broker = service, broker
        self.port, self.database = free_port(), free_port()
        self.edits: Sequence[Edit] = ()
        url = service.postgresql.url(service.database, port=self.database)
        given = {"DATABASE_URL": url, "JOBS_STALLED_AFTER": "1"} | (broker.variables if broker else {})
        # What is killed again and again still has to end, and not as a dead letter.
        given["EVENTS_TRIES"] = "50"
        self.environment = service.variables(self.port, **given)
        self.processes = [
            Process(WEB, ["app.chassis.server"], self.environment),
            *(Process(name, ["app.chassis.background", name], self.environment) for name in loops),
        ]

    def __enter__(self) -> Self:
        with self.log.open("ab") as log:
            self.forks = subprocess.Popen(
                [self.service.python, FORKS],
                cwd=self.service.folder,
                env=self.environment,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
            )
        self.told()
        return self

    def __exit__(self, *_error: object) -> None:
        self.kill()
        self.forks.kill()
        for pipe in (self.forks.stdin, self.forks.stdout):
            if pipe:
                pipe.close()
        self.forks.wait()

    @property
    def log(self) -> Path:
        return self.service.log

    def told(self) -> str:
        """What it says next. Raises RuntimeError when it has ended."""
        said = self.forks.stdout.readline() if self.forks.stdout else ""
        if not said:
            raise RuntimeError(f"{self.service.folder.name} cannot be forked:\n{self.log.read_text()[-3000:]}")
        return said

    def start(self, process: Process) -> None:
        asked = {"command": process.command, "environment": process.environment, "edits": self.edits, "log": str(self.log)}
        if self.forks.stdin:
            self.forks.stdin.write(json.dumps(asked) + "\n")
            self.forks.stdin.flush()
        process.pid = int(self.told())

    def begin(self, edits: Sequence[Edit] = ()) -> None:
        """All of them, with these edits."""
        self.edits = edits
        for process in self.processes:
            self.start(process)

    def tend(self) -> None:
        """Start again what has ended."""
        for process in self.processes:
            if process.gone:
                self.start(process)

    def kill(self) -> None:
        for process in self.processes:
            if process.pid:
                process.signal(signal.SIGKILL)


@contextmanager
def of(service: Service, loops: Sequence[str]) -> Iterator[Herd]:
    """Raises Missing where no broker answers. A service has one: that of its events, or that of its jobs."""
    found = next((Broker.of(service, name) for name in service.brokers), None)
    try:
        with Herd(service, loops, found) as herd:
            yield herd
    finally:
        if found:
            service.forget(found.name, found.variables)
