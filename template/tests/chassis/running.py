"""The service as a real process, which a test configures, speaks to over HTTP and stops."""

import json
import os
import signal
import ssl
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import cache
from pathlib import Path
from threading import get_ident
from typing import Any, TypeVar

import httpx2
from prometheus_client.parser import text_string_to_metric_families

from app.chassis import about, server, settings
from app.chassis.parts import PARTS
from tests.chassis import discovered
from tests.chassis.forked import Forked, call, serve
from tests.chassis.outage import free_port

ROOT = Path(__file__).parents[2]
PATIENCE = 30.0
# Nobody needs it for http://, and to make one takes each client longer than a request does.
TLS = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
KEY = "q7Zr2xV9mK4tB8nW1cY6sD3fH5jL0pGa"
# What a developer's own shell has set must not decide what these tests see; the service's own variables stay.
CHASSIS = (settings, server, *PARTS)
OURS = {name.upper() for module in CHASSIS if hasattr(module, "Settings") for name in module.Settings.model_fields}
PRODUCTION = {
    "ENVIRONMENT": "production",
    "SECRET_KEY": KEY,
    "ALLOWED_HOSTS": "127.0.0.1,api.example.com,.inside.example.com",
    "HOST": "127.0.0.1",
    "SERVICE_VERSION": "7.6.5",
    # Some thirty processes run beside each other, and a database takes a hundred connections.
    "DATABASE_POOL_SIZE": "4",
    **discovered.variables(),
}

Answer = TypeVar("Answer")


def has(capability: str) -> bool:
    """Whether this service has a part of that name."""
    return any(part.__name__ == f"app.chassis.{capability}" for part in PARTS)


def eventually(look: Callable[[], Answer], seconds: float = PATIENCE, pause: float = 0.01) -> Answer:
    """What `look` returns as soon as it is true, asked again and again for that long."""
    deadline = time.monotonic() + seconds
    while True:
        found = look()
        if found or time.monotonic() > deadline:
            assert found, f"not within {seconds} s"
            return found
        time.sleep(pause)


@cache
def environment() -> dict[str, str]:
    """What the tests were started with: a test that sets variables does so while others start processes beside it."""
    return dict(os.environ)


def migrate(url: str) -> None:
    """What `make migrate` does."""
    command = {"fastapi": ("app.chassis.migrate",), "django": ("manage", "migrate")}[about.FRAMEWORK]
    called(*command, DATABASE_URL=url)


def called(module: str, *arguments: str, **env: str) -> str:
    """What the `main` of a module prints when the command line calls it, with more in its environment."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        process = Forked(call, folder, environment() | env, module, arguments)
        eventually(lambda: process.poll() is not None)
        printed = "".join((folder / stream).read_text(errors="replace") for stream in ("stdout", "stderr"))
    assert process.poll() == 0, printed
    return printed


def client(port: int) -> httpx2.Client:
    return httpx2.Client(base_url=f"http://127.0.0.1:{port}", timeout=PATIENCE, trust_env=False, verify=TLS)


class Service:
    """One process of the probe service; `env` adds to, or with None takes from, a production set-up."""

    module = "tests.chassis.probe"

    def __init__(self, folder: Path, *, dotenv: str = "", whole: bool = False, **env: str | None) -> None:
        """A `whole` process is `python -m tests.chassis.probe`, the others are forked where that is imported."""
        (folder / ".env").write_text(dotenv)
        given = {"PORT": str(free_port())} | PRODUCTION | env
        kept = {name: value for name, value in environment().items() if name not in OURS - {"DATABASE_URL"}}
        self.env = {name: value for name, value in (kept | given).items() if value is not None}
        self.folder, self.stdout, self.stderr = folder, folder / "stdout", folder / "stderr"
        self.port = int(self.env["PORT"])
        self.awaited = False
        self._http = client(self.port)
        self._management = client(int(self.env.get("MANAGEMENT_PORT", self.port)))
        self.stdout.touch()
        self.stderr.touch()
        self.process = self.started() if whole else Forked(serve, folder, self.env)

    def started(self) -> "subprocess.Popen[bytes] | Forked":
        with self.stdout.open("wb") as out, self.stderr.open("wb") as err:
            return subprocess.Popen(
                [sys.executable, "-m", self.module],
                cwd=self.folder,
                env={**self.env, "PYTHONPATH": str(ROOT)},
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=err,
                start_new_session=True,
            )

    # -- its life

    @property
    def http(self) -> httpx2.Client:
        """Speaks to it, once it is ready."""
        return self._http if self.awaited else self.ready()._http

    @property
    def management(self) -> httpx2.Client:
        return self._management if self.awaited else self.ready()._management

    def ready(self) -> "Service":
        """Wait until it takes requests; a process that ended instead shows why."""
        # Many services start at a time: who asks for each of them all the time keeps them from it.
        eventually(lambda: self.probe("/readyz") == 200, pause=0.1)
        self.awaited = True
        return self

    def alive(self) -> "Service":
        """Wait until it has looked at its parts; ready or not."""
        eventually(lambda: self.probe("/livez") == 200 and "checks" in self._management.get("/readyz").json())
        self.awaited = True
        return self

    def probe(self, path: str) -> int:
        """The status of /livez or /readyz; 0 while nobody listens."""
        assert self.process.poll() is None, self.output()
        try:
            return self._management.get(path).status_code
        except httpx2.TransportError:
            return 0

    def terminate(self) -> None:
        os.kill(self.process.pid, signal.SIGTERM)

    def exit_status(self, seconds: float = PATIENCE) -> int:
        eventually(lambda: self.process.poll() is not None, seconds)
        status = self.process.poll()
        assert status is not None
        return status

    def stop(self) -> None:
        self._http.close()
        self._management.close()
        # The session, because a killed server leaves its worker behind; a process just forked may not lead one yet.
        with suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        if self.process.poll() is None:
            with suppress(ProcessLookupError):
                os.kill(self.process.pid, signal.SIGKILL)
        self.exit_status()

    # -- what it says

    def output(self) -> str:
        return self.stdout.read_text(errors="replace") + self.stderr.read_text(errors="replace")

    def lines(self, **fields: Any) -> list[dict[str, Any]]:
        """The JSON log lines so far that have these fields."""
        complete = self.stdout.read_bytes().rpartition(b"\n")[0]
        lines = [json.loads(line) for line in complete.splitlines()]
        return [line for line in lines if fields.items() <= line.items()]

    def line(self, **fields: Any) -> dict[str, Any]:
        """The one log line with these fields, when it is written."""
        (only,) = eventually(lambda: self.lines(**fields))
        return only

    def metric(self, name: str, /, **labels: str) -> float:
        """The sum of what /metrics says of this sample, over all the labels that are not given."""
        return sum(value for found, value in self.samples(name) if labels.items() <= found.items())

    def samples(self, name: str) -> Iterator[tuple[dict[str, str], float]]:
        # The parser takes longer for all of them than the service does.
        said = [line for line in self.management.get("/metrics").text.splitlines() if line.startswith(name)]
        for family in text_string_to_metric_families("\n".join(said)):
            for sample in family.samples:
                if sample.name == name:
                    yield sample.labels, sample.value


# By thread, as tests run beside each other.
STARTED: dict[int, list[Service]] = {}


def own(service: Service) -> None:
    """It ends with the test that has started it."""
    STARTED.setdefault(get_ident(), []).append(service)
