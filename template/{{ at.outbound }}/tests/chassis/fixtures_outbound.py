"""A service that calls another one, and servers that misbehave for clients of the tests' own."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest

from tests.chassis.calling import Caller, caller
from tests.chassis.collector import Collector
from tests.chassis.conftest import Start
from tests.chassis.faulty import Faulty, faulty, serving
from tests.chassis.issuing import Issuing
from tests.chassis.running import Service

Faults = Callable[[], Faulty]
EARLY = ("calling",)


def pytest_configure(config: pytest.Config) -> None:
    # A call that is cut off in the very moment in which it is connected leaves the connection to the garbage collector:
    # asyncio has made it, and nobody has got it yet. That closes it, in whatever test it happens to run.
    config.addinivalue_line("filterwarnings", "ignore:unclosed (<socket|transport):ResourceWarning")


@pytest.fixture(scope="session")
def calls() -> Iterator[Caller]:
    with caller() as made:
        yield made


@pytest.fixture(scope="session")
def faults() -> Iterator[Faults]:
    """One more server with each call, until the tests are over."""
    with ExitStack() as stack:
        yield lambda: stack.enter_context(faulty())


@pytest.fixture(scope="session")
def dependency(faults: Faults) -> Faulty:
    return faults()


@pytest.fixture(scope="session")
def issuing() -> Iterator[Issuing]:
    """The authorization server of the next one."""
    with serving(Issuing()) as made:
        yield made


@pytest.fixture(scope="session")
def calling(start: Start, dependency: Faulty, issuing: Issuing, traces: Collector) -> Service:
    """Logs everything, so that a secret would be seen."""
    tracing = {"OTEL_EXPORTER_OTLP_ENDPOINT": traces.url, "OTEL_BSP_SCHEDULE_DELAY": "50"}
    limits = {"OUTBOUND_TIMEOUT": "3", "OUTBOUND_ATTEMPTS": "1", "OTEL_TRACES_SAMPLER_ARG": "1"}
    return start(DEPENDENCY=dependency.url, ISSUING=issuing.url, LOG_LEVEL="DEBUG", **tracing, **limits)
