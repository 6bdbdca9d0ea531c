"""Services that several tests speak to, started together because a start takes most of a second."""

import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass

import pytest

from app.chassis import local_server
from tests.chassis.collector import Collector, collector
from tests.chassis.running import ROOT, Service, free_port, migrate

Start = Callable[..., Service]

CONFIG = ROOT / "schemathesis.toml"
EXAMPLES = os.environ.get("SCHEMATHESIS_EXAMPLES")
# Its command, once the document is known to be valid; a process of its own, for it takes a second to import.
SCHEMATHESIS = """
import sys
import schemathesis
from schemathesis.cli import schemathesis as command

schemathesis.openapi.from_url(sys.argv[-1]).validate()
command()
"""
DOTENV = """\
LOG_LEVEL=DEBUG
CORS_ORIGINS=https://app.example.com
"""


@pytest.fixture(scope="session")
def start(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Start]:
    """`start(NAME=value)`: a process of the probe service, in a folder of its own; killed when the tests are over."""
    with ExitStack() as stack:

        def started(*, dotenv: str = "", **env: str | None) -> Service:
            service = Service(tmp_path_factory.mktemp("service"), dotenv=dotenv, **env)
            stack.callback(service.stop)
            return service

        yield started


@pytest.fixture(scope="session")
def traces() -> Iterator[Collector]:
    with collector() as running:
        yield running


@pytest.fixture(scope="session")
def running(start: Start, traces: Collector) -> dict[str, Service]:
    """The three that every test may use."""
    tracing = {"OTEL_EXPORTER_OTLP_ENDPOINT": traces.url, "OTEL_BSP_SCHEDULE_DELAY": "50"}
    return {
        "production": start(dotenv=DOTENV, **tracing, OTEL_TRACES_SAMPLER_ARG="1"),
        "development": start(dotenv=DOTENV, ENVIRONMENT=None, SECRET_KEY=None, ALLOWED_HOSTS=None),
        "managed": start(
            **tracing,
            OTEL_TRACES_SAMPLER_ARG="0",
            MANAGEMENT_PORT=str(free_port()),
            THREADS="2",
            READINESS_TIMEOUT="0.3",
            BODY_LIMIT="100",
        ),
    }


@pytest.fixture(scope="session", autouse=True)
def _early(request: pytest.FixtureRequest) -> None:
    """What takes long begins first, beside the other tests: one process after the other leaves a core idle."""
    wanted = {name for item in request.session.items if isinstance(item, pytest.Function) for name in item.fixturenames}
    for name in ("running", "useless", "crashing", "stopping", "stopping_at_once", "promises"):
        if name in wanted:
            request.getfixturevalue(name)


@pytest.fixture(scope="session")
def production(running: dict[str, Service]) -> Service:
    """ENVIRONMENT=production, every trace kept."""
    return running["production"].ready()


@pytest.fixture(scope="session")
def development(running: dict[str, Service]) -> Service:
    """No variable set but the database's: console lines, documentation, `.env`, no tracing."""
    return running["development"].ready()


@pytest.fixture(scope="session")
def managed(running: dict[str, Service]) -> Service:
    """A management port, two threads, small bodies, no trace kept unless the caller keeps it."""
    return running["managed"].ready()


@pytest.fixture(scope="session")
def promises(start: Start) -> Iterator["Future[subprocess.CompletedProcess[str]]"]:
    """Schemathesis at work: on the document, and on a service whose database no other test uses."""
    with local_server.test_database(f"test_promises_{os.getpid()}") as url, ThreadPoolExecutor() as pool:
        yield pool.submit(examine, start, url)


def examine(start: Start, url: str) -> "subprocess.CompletedProcess[str]":
    migrate(url)
    service = start(DATABASE_URL=url, DOCS_ENABLED="true").ready()
    done = subprocess.run(
        [
            *(sys.executable, "-c", SCHEMATHESIS),
            *(["--config-file", str(CONFIG)] if CONFIG.exists() else []),
            *("run", "--no-color", "--warnings", "off"),
            # The same cases every time, unless somebody asks for more: a service's own tests do not fail by chance.
            *(["--max-examples", EXAMPLES] if EXAMPLES else ["--max-examples", "4", "--generation-deterministic"]),
            # Calls in a row find little in few examples: they take their time only when it is there.
            *([] if EXAMPLES else ["--phases", "examples,coverage,fuzzing"]),
            f"{service.http.base_url}/openapi.json",
        ],
        cwd=service.folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    service.stop()
    return done


@dataclass(frozen=True)
class Stay:
    """How long it took, in seconds: the slowest request, the stop; and the exit status."""

    request: float
    stop: float
    status: int


@pytest.fixture(scope="session")
def useless(start: Start) -> Iterator[dict[str, "Future[Stay]"]]:
    """Services whose collector is no use: it accepts connections and never answers, or nobody listens."""
    env = {"OTEL_TRACES_SAMPLER_ARG": "1", "OTEL_BSP_SCHEDULE_DELAY": "20"}
    with socket.create_server(("127.0.0.1", 0)) as hanging, ThreadPoolExecutor() as pool:
        ports = {"hangs": hanging.getsockname()[1], "closed": free_port()}
        services = {
            name: start(**env, OTEL_EXPORTER_OTLP_ENDPOINT=f"http://127.0.0.1:{port}") for name, port in ports.items()
        }
        yield {name: pool.submit(stay, service) for name, service in services.items()}


def stay(service: Service) -> Stay:
    requests = []
    service.ready()
    for _ in range(3):
        started = time.monotonic()
        service.http.get("/probe/ok")
        requests.append(time.monotonic() - started)
        # The exporter is at work, and stuck, by now.
        time.sleep(0.05)
    started = time.monotonic()
    service.terminate()
    status = service.exit_status()
    return Stay(max(requests), time.monotonic() - started, status)


@pytest.fixture(scope="session")
def crashing(start: Start) -> Service:
    """The one that a test may crash."""
    return start()


@pytest.fixture(scope="session")
def stopping(start: Start) -> Service:
    """The one that a test stops while it is busy."""
    return start(DRAIN_SECONDS="1", SHUTDOWN_TIMEOUT="5")


@pytest.fixture(scope="session")
def stopping_at_once(start: Start, traces: Collector) -> Service:
    """Sends its spans once a minute, and when it stops."""
    tracing = {"OTEL_EXPORTER_OTLP_ENDPOINT": traces.url, "OTEL_TRACES_SAMPLER_ARG": "1"}
    return start(**tracing, OTEL_BSP_SCHEDULE_DELAY="60000")


@pytest.fixture(scope="session")
def terminated(stopping_at_once: Service) -> Service:
    """Stopped right after a request, before its log line and its span would have been sent."""
    service = stopping_at_once.ready()
    service.http.get("/probe/ok", headers={"x-request-id": "last-request"})
    service.terminate()
    assert service.exit_status() == 0
    return service
