"""Idempotency keys and what they stand for: as many effects as keys, whatever happens in between."""

from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import partial
from typing import Any

import httpx2
import pytest

from tests.chassis.conftest import Start
from tests.chassis.keyed import Keyed, new_key
from tests.chassis.running import Service, client, eventually, has

CLIENTS = 20
# More than Django takes at once where it sheds load.
BUSY = {503} if has("load_shedding") else set()
KILLS = 3


def do(service: Service, key: str, *, name: str = "", caller: str = "10.1.1.1") -> Any:
    return post(service.http, key, name=name or key, caller=caller)


def post(http: httpx2.Client, key: str, *, name: str, caller: str = "10.1.1.1") -> Any:
    """Writes a row with this name."""
    return http.post("/probe/effects", json={"text": name}, headers={"idempotency-key": key, "x-forwarded-for": caller})


def done(service: Service) -> Counter[str]:
    """How many rows have each name."""
    return Counter(service.http.get("/probe/effects").json())


@pytest.mark.beside("keyed")
def test_twice_with_one_key_is_one_effect(keyed: Keyed) -> None:
    key = new_key()
    first, repeat = do(keyed.service, key), do(keyed.service, key)
    assert (first.status_code, first.json()) == (201, {"text": key})
    assert (repeat.status_code, repeat.content) == (201, first.content)
    assert repeat.headers["idempotency-replayed"] == "true"
    assert done(keyed.service)[key] == 1


@pytest.mark.beside("keyed")
def test_many_at_once_in_two_processes_are_one_effect(keyed: Keyed) -> None:
    for _ in range(3):
        key = new_key()
        with ThreadPoolExecutor(CLIENTS) as pool:
            services = [keyed.service, keyed.other] * (CLIENTS // 2)
            answers = list(pool.map(lambda service: do(service, key), services))  # noqa: B023 - done before the next
        assert {answer.status_code for answer in answers} <= {201, 409} | BUSY
        assert 201 in {answer.status_code for answer in answers}
        assert done(keyed.service)[key] == 1


@pytest.mark.beside("keyed")
def test_another_body_and_what_is_refused_have_no_effect(keyed: Keyed) -> None:
    key, refused = new_key(), new_key()
    assert do(keyed.service, key).status_code == 201
    assert do(keyed.service, key, name="another").status_code == 422
    assert do(keyed.service, refused, name="x" * 1001).status_code == 422
    assert done(keyed.service)[key] == 1
    assert do(keyed.service, refused).status_code == 201


@pytest.mark.beside("keyed")
def test_an_answer_that_says_no_has_no_effect(keyed: Keyed) -> None:
    key = new_key()
    headers = {"idempotency-key": key, "x-forwarded-for": "10.1.1.1"}
    for _ in range(2):
        answer = keyed.service.http.post("/probe/effects?status=418", json={"text": key}, headers=headers)
        assert (answer.status_code, answer.json()) == (418, {"text": key})
    assert done(keyed.service)[key] == 0
    assert do(keyed.service, key).status_code == 201


@pytest.mark.beside("keyed")
def test_one_key_of_two_callers_is_two_effects(keyed: Keyed) -> None:
    key = new_key()
    answers = [do(keyed.service, key, caller=caller) for caller in ("10.1.1.1", "10.1.1.2")]
    assert [answer.status_code for answer in answers] == [201, 201]
    assert done(keyed.service)[key] == 2


@pytest.mark.beside("keyed")
def test_a_kill_leaves_no_effect_without_its_key_and_no_key_without_its_effect(keyed: Keyed, start: Start) -> None:
    keys: list[str] = []
    for _ in range(KILLS):
        service = keyed.again(start)
        with ThreadPoolExecutor(8) as pool:
            for _ in range(8):
                pool.submit(do_until_killed, service, keys)
            eventually(partial(are_more, keys, len(keys) + 32))
            service.stop()
    # Who got no answer asks again: a key that is there is answered for, an effect without one would be a second.
    answers = [do(keyed.service, key) for key in keys]
    found = done(keyed.service)
    assert {answer.status_code for answer in answers} == {201}
    assert [found[key] for key in keys] == [1] * len(keys)
    assert any("idempotency-replayed" in answer.headers for answer in answers)


def are_more(keys: list[str], number: int) -> bool:
    return len(keys) > number


def do_until_killed(service: Service, keys: list[str]) -> None:
    with client(service.port) as own, suppress(httpx2.TransportError):
        while True:
            keys.append(new_key())
            post(own, keys[-1], name=keys[-1])
