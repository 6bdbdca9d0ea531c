"""Where nothing is Kafka, a process plays it as long as these tests run."""

from collections.abc import Iterator

import pytest

from tests.chassis import event_broker


@pytest.fixture(scope="session", autouse=True)
def _playing() -> Iterator[None]:
    yield
    event_broker.stop_playing()
