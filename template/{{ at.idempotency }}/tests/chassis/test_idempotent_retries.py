"""A request with a key whose transaction loses against another one: run again, its key included."""

import pytest

from tests.chassis.keyed import Keyed, new_key
from tests.chassis.rows import Rows, deadlocks


@pytest.mark.beside("keyed")
@deadlocks
def test_effect_and_key_are_tried_again_together(keyed: Keyed) -> None:
    rows, headers = Rows(keyed.service), {"idempotency-key": new_key()}
    before = rows.retries("deadlock")
    first, repeat = (rows.post("keyed", headers=headers, lost=1) for _ in range(2))
    assert (first.status_code, first.json()) == (200, 2)
    assert (repeat.content, repeat.headers["idempotency-replayed"]) == (first.content, "true")
    assert rows.now() == ([2, 2], 2)
    assert rows.retries("deadlock") == before + 1


@pytest.mark.beside("keyed")
@deadlocks
def test_whoever_loses_every_time_leaves_neither(keyed: Keyed) -> None:
    rows, headers = Rows(keyed.service), {"idempotency-key": new_key()}
    assert rows.post("keyed", headers=headers, lost=4).status_code == 503
    assert rows.now() == ([4, 4], 4)
    answer = rows.post("keyed", headers=headers, lost=4)
    assert (answer.status_code, answer.json()) == (200, 5)
    assert "idempotency-replayed" not in answer.headers
    assert rows.now() == ([5, 5], 5)


@pytest.mark.beside("keyed")
def test_its_transaction_is_that_of_the_key(keyed: Keyed) -> None:
    rows = Rows(keyed.service)
    assert rows.post("keyed", headers={"idempotency-key": new_key()}, status=418).status_code == 418
    assert rows.now() == ([0, 0], 1)
