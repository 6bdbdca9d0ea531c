"""For a service's tests: let what was published happen."""

from collections.abc import Callable

import pytest

Settle = Callable[[], None]


@pytest.fixture
def settle(db: None) -> Settle:  # noqa: ARG001
    """`settle()`: what waits in the outbox is handled, and what comes of that; what a handler raises it raises."""
    from app.chassis.events import store  # noqa: PLC0415 - Django is set up by now

    return store.settle
