"""Whose transaction it is: the request's, as soon as that has begun, and never that of another task."""

import pytest

from tests.chassis.rows import Rows
from tests.chassis.running import Service


@pytest.mark.parametrize("what", ["before", "apart"])
def test_work_outside_the_transaction_of_the_request_has_its_own(production: Service, what: str) -> None:
    rows = Rows(production)
    lost = int(rows.refuses)
    answer = rows.post(what, lost=lost)
    assert (answer.status_code, answer.json()) == (200, 1 + lost)
    assert rows.now() == ([1 + lost, 0], 1 + lost)
