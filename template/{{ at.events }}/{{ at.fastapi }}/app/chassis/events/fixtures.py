"""For a service's tests: let what was published happen."""

from collections.abc import Callable

import pytest
from starlette.testclient import TestClient

Settle = Callable[[], None]


@pytest.fixture
def settle(_service: TestClient) -> Settle:
    """`settle()`: what waits in the outbox is handled, and what comes of that; what a handler raises it raises."""
    portal = _service.portal
    assert portal is not None  # noqa: S101 - this is a test

    def settled() -> None:
        from app.chassis.events import store  # noqa: PLC0415 - the database, which a run that only collects can spare

        portal.call(store.settle)

    return settled
