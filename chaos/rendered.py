"""Rendered services with a few routes that can be overloaded, as processes that can be killed."""

import json
import os
import secrets
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import services
import template as slipway
from load import SERVER_CORE, Server, free_port, on_core

from chaos.postgresql import PostgreSQL, running

FRAMEWORKS = ("fastapi", "django")
SECRET = secrets.token_urlsafe(48)
POOL = 10
WAIT_SECONDS = 0.1
CPU_SECONDS = 0.007
READY_SECONDS = 60
ROUTES = Path(__file__).parent / "routes"
# Where a feature is put, as a user would put one: each edit goes in front of this text, the last of it.
ROUTE_EDITS = {
    "fastapi": [("from app.features.", "from app.features.{name}.api import router as {name}\n"), ("orders)", "{name}, ")],
    "django": [
        ("from app.features.", "from app.features.{name}.api import router as {name}\n"),
        ("\nurlpatterns", 'api.add_router("{path}", {name})\n'),
    ],
}
# Answers with a feature more; every service has the one called chaos.
FEATURES = ("events", "jobs")
# By the module of the service's tests that knows the broker.
ASK = {
    "event_broker": """
import json, sys
from tests.chassis import event_broker as broker, outage
print(json.dumps({
    "url": broker.URL, "address": outage.address(broker.URL), "there": broker.is_there(), "missing": broker.MISSING,
    "variables": broker.variables(sys.argv[1] or broker.URL), "impatient": broker.IMPATIENT,
}))
""",
    "job_queue": """
import json, sys, uuid
from tests.chassis import job_queue as broker, outage
print(json.dumps({
    "url": broker.URL, "address": outage.address(broker.URL), "there": outage.answers(broker.URL), "missing": broker.MISSING,
    "variables": {broker.VARIABLE: sys.argv[1] or broker.URL, "JOBS_BROKER_QUEUE": f"chaos-{uuid.uuid4().hex}"}, "impatient": {},
}))
""",
}
FORGET = {
    "event_broker": "event_broker.forget(json.loads(sys.argv[1]))",
    "job_queue": "job_queue.forget(json.loads(sys.argv[1])['JOBS_BROKER_QUEUE'])",
}


@dataclass
class Service:
    """A rendered service that is installed and migrated; `resilience` is the answer to the question of that name."""

    framework: str
    resilience: tuple[str, ...]
    folder: Path
    python: str
    database: str
    postgresql: PostgreSQL
    environment: dict[str, str] = field(default_factory=dict)

    @property
    def tables(self) -> tuple[str, str]:
        """Orders and their lines."""
        return ("orders", "order_lines") if self.framework == "fastapi" else ("orders_order", "orders_orderline")

    @property
    def brokers(self) -> list[str]:
        """Of its events, of its jobs, as modules of its tests."""
        return [name for name in ASK if (self.folder / "tests" / "chassis" / f"{name}.py").exists()]

    def broker(self, name: str, url: str = "") -> dict[str, Any]:
        """What the service's own tests know of that broker, reached by `url`."""
        command = [self.python, "-c", ASK[name], url]
        asked = subprocess.run(command, cwd=self.folder, check=True, text=True, capture_output=True)
        return json.loads(asked.stdout)

    def forget(self, name: str, variables: dict[str, str]) -> None:
        """Leave nothing behind in that broker."""
        text = f"import json, sys; from tests.chassis import {name}; {FORGET[name]}"
        command = [self.python, "-c", text, json.dumps(variables)]
        subprocess.run(command, cwd=self.folder, check=False, capture_output=True, stdin=subprocess.DEVNULL)

    def variables(self, port: int, **settings: str) -> dict[str, str]:
        return (
            os.environ
            | {
                "ENVIRONMENT": "production",
                "SECRET_KEY": SECRET,
                "ALLOWED_HOSTS": "127.0.0.1,chaos.example.com",
                "HOST": "127.0.0.1",
                "PORT": str(port),
                "DATABASE_URL": self.postgresql.url(self.database),
                "DATABASE_POOL_SIZE": str(POOL),
            }
            | self.environment
            | settings
        )

    def start(self, *, port: int | None = None, pinned: bool = False, **settings: str) -> Server:
        """A process that is not ready yet."""
        port = port or free_port()
        command = [self.python, "-m", "app"]
        with self.log.open("ab") as log:
            started = time.perf_counter()
            process = subprocess.Popen(
                on_core(SERVER_CORE, command) if pinned else command,
                cwd=self.folder,
                env=self.variables(port, **settings),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        return Server(process, port, started)

    @contextmanager
    def running(self, *, pinned: bool = False, **settings: str) -> Iterator[Server]:
        server = self.start(pinned=pinned, **settings)
        try:
            self.wait_until_ready(server)
            yield server
        finally:
            kill(server)

    @contextmanager
    def careless(self) -> Iterator[None]:
        """A database that confirms what it has not written: a negative control for what must not be lost."""
        self.postgresql.ask("postgres", f'ALTER DATABASE "{self.database}" SET synchronous_commit = off')
        try:
            yield
        finally:
            self.postgresql.ask("postgres", f'ALTER DATABASE "{self.database}" RESET synchronous_commit')

    def wait_until_ready(self, server: Server) -> None:
        try:
            server.until_200("/readyz", timeout=READY_SECONDS)
        except RuntimeError as error:
            raise RuntimeError(f"{self.folder.name} did not become ready:\n{self.log.read_text()[-3000:]}") from error

    @property
    def log(self) -> Path:
        return self.folder.with_suffix(".log")


def kill(server: Server) -> None:
    """SIGKILL for the supervisor and its worker."""
    with suppress(ProcessLookupError):
        os.killpg(server.process.pid, signal.SIGKILL)
    server.process.wait()


@dataclass
class Fleet:
    """Every service that a run needs, rendered when it is first asked for."""

    template: Path
    folder: Path
    postgresql: PostgreSQL
    ready: dict[str, Service] = field(default_factory=dict)

    def service(self, framework: str, *resilience: str, **answers: str) -> Service:
        """`answers` are those to other questions, such as cache or events."""
        name = "-".join((framework, *resilience, *(part for answer in answers.items() for part in answer)))
        if name not in self.ready:
            self.ready[name] = prepare(self.template, self.folder / name, framework, *resilience, postgresql=self.postgresql, **answers)
        return self.ready[name]


@contextmanager
def fleet(name: str) -> Iterator[Fleet]:
    """From the working tree; services, logs and histories stay in .cache/chaos until the next run of that name."""
    folder = services.CACHE / "chaos" / name
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    with running() as server:
        yield Fleet(slipway.clone(folder / "slipway"), folder, server)


def prepare(template: Path, folder: Path, framework: str, *resilience: str, postgresql: PostgreSQL, **answers: str) -> Service:
    """Render, add the routes, install, make a database of its own and migrate it."""
    given = {"framework": framework, "database": "postgresql", "resilience": list(resilience), "cache": "none"} | answers
    slipway.render(template, folder, given)
    for name in ("chaos", *(f"chaos_{name}" for name in FEATURES if answers.get(name, "none") != "none")):
        add_feature(folder / "app", framework, name)
    python = install(folder)
    database = f"{framework}_{'_'.join(resilience) or 'bare'}_{secrets.token_hex(4)}"
    postgresql.ask("postgres", f'CREATE DATABASE "{database}"')
    service = Service(framework, resilience, folder, python, database, postgresql)
    if given["cache"] != "none":
        # Where nobody listens; who has a server says so when the service starts.
        service.environment["CACHE_URL"] = "redis://127.0.0.1:1/0"
    for name in service.brokers:
        service.environment |= service.broker(name)["variables"]
    if framework == "django":
        service.environment["THREADS"] = str(POOL)
    migrate = ["manage.py", "migrate"] if framework == "django" else ["-m", "app.chassis.migrate"]
    run([python, *migrate], cwd=folder, env=service.variables(8000))
    return service


def install(folder: Path) -> str:
    """The interpreter of an environment that services with the same packages share, those of other tests too."""
    env = services.surroundings(folder, database="postgresql", python="{}.{}".format(*sys.version_info))
    with services.shared_lock(folder):
        run(["uv", "sync", "--quiet"], cwd=folder, env=env)
    return str(Path(env["UV_PROJECT_ENVIRONMENT"]) / "bin" / "python")


def add_feature(app: Path, framework: str, name: str) -> None:
    """What both frameworks share of it, and what each has of its own."""
    feature = app / "features" / name
    feature.mkdir(parents=True)
    (feature / "__init__.py").touch()
    for folder in (ROUTES / name, ROUTES / name / framework):
        for source in folder.glob("*.py"):
            (feature / source.name).write_text(source.read_text().replace("CPU_SECONDS", str(CPU_SECONDS)))
    register(app / {"fastapi": "main.py", "django": "urls.py"}[framework], framework, name=name, path=f"/{name.replace('_', '/')}")


def register(file: Path, framework: str, **names: str) -> None:
    text = file.read_text()
    for before, more in ROUTE_EDITS[framework]:
        head, found, tail = text.rpartition(before)
        if not found:
            raise RuntimeError(f"{file} has no {before!r}: mend ROUTE_EDITS in {__file__}")
        text = head + more.format(**names) + found + tail
    file.write_text(text)


def run(command: list[str], **options: Any) -> None:
    done = subprocess.run(command, check=False, text=True, capture_output=True, stdin=subprocess.DEVNULL, **options)
    if done.returncode:
        raise RuntimeError(f"{' '.join(command)}\n{done.stdout[-3000:]}{done.stderr[-3000:]}")
