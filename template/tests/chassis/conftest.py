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
from inspect import signature

import pytest

from app.chassis import local_server
from tests.chassis import forked
from tests.chassis.collector import Collector, collector
from tests.chassis.outage import Outage, outage
from tests.chassis.running import ROOT, Service, environment, free_port, migrate

Start = Callable[..., Service]

CHASSIS = ROOT / "tests" / "chassis"
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
RESULT = pytest.StashKey["Future[None]"]()
EARLY = ("running", "without_database", "useless", "crashing", "stopping_at_once", "promises")
DOTENV = """\
LOG_LEVEL=DEBUG
CORS_ORIGINS=https://app.example.com
"""


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "beside: a test that mostly waits; it runs beside the others")
    # Each of many processes would compile what it imports.
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    forked.prepare()


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """First what needs no service while they start, last what is at work beside the others."""
    items.sort(key=lambda item: (is_beside(item), needs(item, "start"), CHASSIS not in item.path.parents))


def is_beside(item: pytest.Item) -> bool:
    return item.get_closest_marker("beside") is not None


def needs(item: pytest.Item, fixture: str) -> bool:
    return fixture in getattr(item, "fixturenames", ())


@pytest.fixture(scope="session")
def start(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Start]:
    """`start(NAME=value)`: a process of the probe service, in a folder of its own; killed when the tests are over."""
    with ExitStack() as stack:

        def started(*, dotenv: str = "", whole: bool = False, **env: str | None) -> Service:
            service = Service(tmp_path_factory.mktemp("service"), dotenv=dotenv, whole=whole, **env)
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
        "production": start(whole=True, dotenv=DOTENV, **tracing, OTEL_TRACES_SAMPLER_ARG="1"),
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
def _early(request: pytest.FixtureRequest) -> Iterator[None]:
    """What takes long begins first, beside the other tests: one process after the other leaves a core idle."""
    environment()
    items = [item for item in request.session.items if isinstance(item, pytest.Function)]
    for name in EARLY:
        if any(needs(item, name) for item in items):
            request.getfixturevalue(name)
    beside = [item for item in items if is_beside(item)]
    with ThreadPoolExecutor(len(beside) or 1) as pool:
        for item in beside:
            given = {name: request.getfixturevalue(name) for name in signature(item.function).parameters}
            item.stash[RESULT] = pool.submit(item.function, **given)
        yield


@pytest.hookimpl(tryfirst=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> bool | None:
    """A test that runs beside the others only hands in its result, once it is its turn."""
    result = pyfuncitem.stash.get(RESULT, None)
    if result is None:
        return None
    result.result()
    return True


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
    return start(whole=True, DRAIN_SECONDS="3", SHUTDOWN_TIMEOUT="5")


@pytest.fixture(scope="session")
def stalling(start: Start) -> Service:
    """The one that a test keeps from doing anything else."""
    return start(MANAGEMENT_PORT=str(free_port()))


@pytest.fixture(scope="session")
def away(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Outage]:
    """The database of the next one."""
    with outage(tmp_path_factory.mktemp("outage")) as made:
        yield made


@pytest.fixture(scope="session")
def without_database(start: Start, away: Outage) -> Service:
    """Started while its database is away."""
    limits = ("DATABASE_CONNECT_TIMEOUT", "DATABASE_STATEMENT_TIMEOUT", "DATABASE_POOL_TIMEOUT")
    return start(DATABASE_URL=away.url, **dict.fromkeys(limits, "0.5"))


@pytest.fixture(scope="session")
def empty() -> Iterator[str]:
    """The URL of a database that nobody has migrated."""
    with local_server.test_database(f"test_at_once_{os.getpid()}") as url:
        yield url


@pytest.fixture(scope="session")
def unmigrated(start: Start) -> Iterator[Service]:
    """Its database has no table yet."""
    with local_server.test_database(f"test_empty_{os.getpid()}") as url:
        service = start(DATABASE_URL=url)
        yield service
        service.stop()


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
