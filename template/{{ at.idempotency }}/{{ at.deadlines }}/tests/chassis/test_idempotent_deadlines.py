"""A request with a key that takes too long: neither effect nor key, and no lock that stays behind."""

import pytest

from tests.chassis.keyed import Keyed, call, new_key


@pytest.mark.beside("keyed")
def test_what_took_too_long_can_be_tried_again(keyed: Keyed) -> None:
    keys = [new_key() for _ in range(3)]
    for key in keys:
        late = keyed.service.http.post(
            "/probe/calls",
            params={"seconds": 0.4},
            json={"text": "late"},
            headers={"idempotency-key": key, "x-request-timeout": "0.2", "x-forwarded-for": "10.1.1.1"},
        )
        assert late.status_code == 504
    for service in (keyed.other, keyed.service):
        assert [call(service, key).status_code for key in keys] == [201] * len(keys)
