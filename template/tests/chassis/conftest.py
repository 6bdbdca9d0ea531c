"""Services that several tests speak to, started together because a start takes most of a second."""

import json
import os
import socket
import subprocess
import sys
import time
import tomllib
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from inspect import signature
from pathlib import Path
from threading import get_ident

import pytest

from app.chassis import local_server, routes
from tests.chassis import discovered, forked
from tests.chassis.collector import Collector, collector
from tests.chassis.outage import Outage, free_port, outage
from tests.chassis.running import ROOT, STARTED, Service, environment, migrate, own

Start = Callable[..., Service]

CHASSIS = ROOT / "tests" / "chassis"
CONFIG = ROOT / "schemathesis.toml"
EXAMPLES = os.environ.get("SCHEMATHESIS_EXAMPLES")
# Two who may do the same. Whoever is first sends each request, and the second must not see what it gets.
PEERS = ("one", "other")
RESULT = pytest.StashKey["Future[None]"]()
LASTING: list[Service] = []
EARLY = ("running", "promises", "useless", "without_database", "behind", "crashing", "stopping_at_once")
# How many wait at a time: each more takes a little of the cores, too.
BESIDE = 6
DOTENV = """\
LOG_LEVEL=DEBUG
CORS_ORIGINS=https://app.example.com
"""


class Lasting:
    """A plugin of its own: what a conftest.py says of fixtures is not asked about those of the whole session."""

    @staticmethod
    @pytest.hookimpl(wrapper=True)
    def pytest_fixture_setup(fixturedef: pytest.FixtureDef[object]) -> Iterator[None]:
        """What is started for several tests is not one test's own."""
        value = yield
        if fixturedef.scope != "function":
            LASTING.extend(STARTED.pop(get_ident(), []))
        return value


def pytest_configure(config: pytest.Config) -> None:
    # What it keeps it keeps in a database of its own: the others empty every table of the one that they share.
    config.addinivalue_line(
        "markers", "beside(row): a test that mostly waits; it runs beside the others, one after the other in a row"
    )
    # Each of many processes would compile what it imports.
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    forked.prepare()
    config.pluginmanager.register(Lasting())
    for module in discovered.fixtures():
        config.pluginmanager.register(module)


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """First what needs no service while they start, and what waits is at work beside it; then one after the other."""
    items.sort(key=lambda item: (turn(item), CHASSIS not in item.path.parents))


def turn(item: pytest.Item) -> int:
    """Nothing runs beside the last ones: some count what a service has done, Hypothesis minds who else draws lots."""
    if is_beside(item):
        return 1
    return 2 if needs(item, "start") or item.get_closest_marker("hypothesis") else 0


def is_beside(item: pytest.Item) -> bool:
    return item.get_closest_marker("beside") is not None


def needs(item: pytest.Item, fixture: str) -> bool:
    return fixture in getattr(item, "fixturenames", ())


@pytest.fixture(scope="session")
def start(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Start]:
    """`start(NAME=value)`: a process of the probe service, in a folder of its own.

    Killed after the test that has started it; what a fixture has started when all tests are over.
    """

    def started(*, dotenv: str = "", whole: bool = False, **env: str | None) -> Service:
        service = Service(tmp_path_factory.mktemp("service"), dotenv=dotenv, whole=whole, **env)
        own(service)
        return service

    yield started
    for service in [*LASTING, *(service for services in STARTED.values() for service in services)]:
        service.stop()


@pytest.fixture(autouse=True)
def _own() -> Iterator[None]:
    yield
    stop_own()


@pytest.fixture(autouse=True)
def _known_routes() -> Iterator[None]:
    """The service that tests share in this process has its routes again when one has made an application of its own."""
    before = list(routes.known())
    yield
    if before and routes.known() != before:
        routes.learn(before)


def stop_own() -> None:
    """What a test has started: each has connections to the database, which takes a hundred, and looks after them."""
    for service in STARTED.pop(get_ident(), []):
        service.stop()


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
    """What takes long begins first, beside the other tests: one process after the other leaves a core idle.

    Nothing here waits until a service is ready: whoever speaks to it does.
    """
    environment()
    items = [item for item in request.session.items if isinstance(item, pytest.Function)]
    for name in (*EARLY, *discovered.early()):
        if any(needs(item, name) for item in items):
            request.getfixturevalue(name)
    with ThreadPoolExecutor(BESIDE) as pool:
        for row in rows(items):
            calls = []
            for item in row:
                given = {name: given_to(item, name, request) for name in signature(item.function).parameters}
                result: Future[None] = Future()
                item.stash[RESULT] = result
                calls.append((result, partial(item.function, **given)))
            pool.submit(one_after_the_other, calls)
        yield


def rows(items: list[pytest.Function]) -> Iterable[list[pytest.Function]]:
    """The tests that run beside the others: those of one row together, each of the others alone."""
    found: dict[str, list[pytest.Function]] = {}
    for item in items:
        marker = item.get_closest_marker("beside")
        if marker is not None and not any(skip.args[0] for skip in item.iter_markers("skipif")):
            found.setdefault(marker.args[0] if marker.args else item.nodeid, []).append(item)
    return found.values()


def one_after_the_other(calls: "list[tuple[Future[None], partial[None]]]") -> None:
    for result, call in calls:
        try:
            result.set_result(call())
        except BaseException as error:  # noqa: BLE001 - it is the test's own, and raised where the test is reported
            result.set_exception(error)
        finally:
            stop_own()


def given_to(item: pytest.Function, name: str, request: pytest.FixtureRequest) -> object:
    """The value of a parametrised argument, else of a fixture."""
    params = item.callspec.params if hasattr(item, "callspec") else {}
    return params[name] if name in params else request.getfixturevalue(name)


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
    return running["production"]


@pytest.fixture(scope="session")
def development(running: dict[str, Service]) -> Service:
    """No variable set but the database's: console lines, documentation, `.env`, no tracing."""
    return running["development"]


@pytest.fixture(scope="session")
def managed(running: dict[str, Service]) -> Service:
    """A management port, two threads, small bodies, no trace kept unless the caller keeps it."""
    return running["managed"]


@pytest.fixture(scope="session")
def promises(start: Start) -> Iterator["Future[subprocess.CompletedProcess[str]]"]:
    """Schemathesis at work: on the document, and on a service whose database no other test uses."""
    with local_server.test_database(f"test_promises_{os.getpid()}") as url, ThreadPoolExecutor() as pool:
        yield pool.submit(examine, start, url)


def examine(start: Start, url: str) -> "subprocess.CompletedProcess[str]":
    migrate(url)
    service = start(DATABASE_URL=url, DOCS_ENABLED="true")
    allowed = scopes(service)
    who = {name: discovered.headers(url, name, *allowed) for name in PEERS}
    done = subprocess.run(
        [
            # Modules here are none of its own.
            *(sys.executable, "-P", str(CHASSIS / "promises.py")),
            *("--config-file", str(configured(service.folder, who))),
            *("run", "--no-color", "--warnings", "off"),
            # The same cases every time, unless somebody asks for more: a service's own tests do not fail by chance.
            *(["--max-examples", EXAMPLES] if EXAMPLES else ["--generation-deterministic"]),
            # Chance and calls in a row find little in few examples: they take their time only when it is there.
            *([] if EXAMPLES else ["--phases", "examples,coverage"]),
            f"{service.http.base_url}/openapi.json",
        ],
        cwd=service.folder,
        env=os.environ | {"OTHER": json.dumps(who[PEERS[1]])},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    service.stop()
    return done


def configured(folder: Path, who: dict[str, dict[str, str]]) -> Path:
    """schemathesis.toml as it is, and who calls, as its own way to sign in: it tries what happens without."""
    people = folder / "people.json"
    entries = [
        {"name": name, "fixedHeaders": [{"name": one, "value": value} for one, value in headers.items()]}
        for name, headers in who.items()
    ]
    people.write_text(json.dumps({"auth": entries}), encoding="utf-8")
    text = CONFIG.read_text(encoding="utf-8") if CONFIG.exists() else ""
    if all(who.values()) and "auth" not in tomllib.loads(text):
        text += f"\n[auth.wfc]\npath = {json.dumps(str(people))}\nuser = "
        text += f"{json.dumps(PEERS[0])}\npeers = {json.dumps(PEERS)}\n"
    path = folder / CONFIG.name
    path.write_text(text, encoding="utf-8")
    return path


def scopes(service: Service) -> set[str]:
    """Everything that a caller may need to be allowed to do."""
    paths = service.http.get("/openapi.json").json()["paths"]
    operations = [operation for path in paths.values() for operation in path.values()]
    needs = [need for operation in operations for need in operation.get("security", ())]
    return {scope for need in needs for listed in need.values() for scope in listed}


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
def behind(start: Start) -> Service:
    """Its clients are seen through proxies on this machine and in 10.0.0.0/8."""
    return start(TRUSTED_PROXIES="127.0.0.1, 10.0.0.0/8, fd00::/8")


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
    return start(DATABASE_URL=away.url, **dict.fromkeys(limits, "2"))


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
    service = stopping_at_once
    service.http.get("/probe/ok", headers={"x-request-id": "last-request"})
    service.terminate()
    assert service.exit_status() == 0
    return service
