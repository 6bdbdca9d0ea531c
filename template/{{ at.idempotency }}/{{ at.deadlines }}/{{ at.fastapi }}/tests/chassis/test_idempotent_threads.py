"""A view that runs in a thread, with a key and too late: nothing is stored, and the key is free again."""

import pytest

from tests.chassis.keyed import Keyed, new_key


@pytest.mark.beside("keyed")
def test_a_thread_that_took_too_long_can_be_tried_again(keyed: Keyed) -> None:
    headers = {"idempotency-key": new_key()}
    late = keyed.service.http.post("/probe/threaded?seconds=0.15", headers=headers | {"x-request-timeout": "0.05"})
    assert late.status_code == 504
    answer = keyed.service.http.post("/probe/threaded?seconds=0.15", headers=headers)
    assert answer.status_code == 201
    assert "idempotency-replayed" not in answer.headers
