"""Idempotency keys: one call for each, the same answer to all, and no key that stands for nothing."""

import os
import time
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any

import pytest

from app.chassis import idempotency, local_server
from app.chassis.exchange import Exchange
from tests.chassis.conftest import Start
from tests.chassis.keyed import Keyed, call, new_key
from tests.chassis.running import Service, called, eventually, has, migrate

CLIENTS = 20
# More than Django takes at once where it sheds load.
BUSY = {503} if has("load_shedding") else set()
TTL = 3600


def problem(answer: Any, status: int) -> str:
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    return str(answer.json()["detail"])


def counted(service: Service, outcome: str) -> float:
    return service.metric("idempotency_total", outcome=outcome)


def assert_same(first: Any, repeat: Any) -> None:
    assert (repeat.status_code, repeat.content) == (first.status_code, first.content)
    for name in ("location", "content-type", "content-length"):
        assert repeat.headers[name] == first.headers[name]
    assert "idempotency-replayed" not in first.headers
    assert repeat.headers["idempotency-replayed"] == "true"


@pytest.mark.beside("keyed")
def test_a_repeat_gets_the_first_answer(keyed: Keyed) -> None:
    key, replayed = new_key(), counted(keyed.service, "replayed")
    first, repeats = call(keyed.service, key), [call(keyed.service, key) for _ in range(2)]
    assert first.status_code == 201
    for repeat in repeats:
        assert_same(first, repeat)
        assert repeat.headers["x-content-type-options"] == "nosniff"
        assert "set-cookie" not in repeat.headers
    assert counted(keyed.service, "replayed") >= replayed + 2
    assert counted(keyed.service, "stored") >= 1


@pytest.mark.beside("keyed")
def test_without_a_key_every_request_is_served(keyed: Keyed) -> None:
    answers = [call(keyed.service, None) for _ in range(2)]
    assert answers[0].json()["call"] != answers[1].json()["call"]
    assert "idempotency-replayed" not in answers[1].headers


@pytest.mark.beside("keyed")
def test_a_route_that_declares_nothing_takes_no_notice(keyed: Keyed) -> None:
    for text in ("a", "b"):
        answer = keyed.service.http.post("/probe/echo", json={"text": text}, headers={"idempotency-key": "the same"})
        assert (answer.status_code, answer.json()["text"]) == (200, text)


@pytest.mark.beside("keyed")
def test_a_repeat_in_another_process_gets_it_too(keyed: Keyed) -> None:
    key = new_key()
    assert_same(call(keyed.service, key), call(keyed.other, key))


@pytest.mark.beside("keyed")
def test_while_the_first_is_served_the_others_are_told_to_wait(keyed: Keyed) -> None:
    conflicts = counted(keyed.service, "conflict")

    def together() -> list[Any]:
        """A key, the answer to the first and to the second; nothing if they did not meet."""
        key = new_key()
        with ThreadPoolExecutor(2) as pool:
            both = list(pool.map(lambda _: call(keyed.service, key, seconds=0.6), range(2)))
        first, second = sorted(both, key=lambda answer: int(answer.status_code))
        return [key, first, second] if second.status_code != 201 else []

    key, first, second = eventually(together)
    assert "being served" in problem(second, 409)
    assert second.headers["retry-after"] == "1"
    assert first.status_code == 201
    assert counted(keyed.service, "conflict") > conflicts
    assert_same(first, call(keyed.service, key, seconds=0.6))


@pytest.mark.beside("keyed")
def test_of_many_at_once_one_is_served(keyed: Keyed) -> None:
    key = new_key()
    with ThreadPoolExecutor(CLIENTS) as pool:
        answers = list(pool.map(lambda _: call(keyed.service, key, seconds=0.05), range(CLIENTS)))
    served = {answer.content for answer in answers if answer.status_code == 201}
    assert {answer.status_code for answer in answers} <= {201, 409} | BUSY
    assert len(served) == 1


@pytest.mark.beside("keyed")
@pytest.mark.parametrize("change", [{"text": "bye"}, {"seconds": 0.001}])
def test_a_key_stands_for_one_request(keyed: Keyed, change: dict[str, Any]) -> None:
    key, mismatches = new_key(), counted(keyed.service, "mismatch")
    assert call(keyed.service, key).status_code == 201
    assert "another request" in problem(call(keyed.service, key, **change), 422)
    assert counted(keyed.service, "mismatch") > mismatches


@pytest.mark.beside("keyed")
def test_the_same_key_from_two_callers_is_two_keys(keyed: Keyed) -> None:
    key = new_key()
    answers = [call(keyed.service, key, caller=caller) for caller in ("10.1.1.1", "10.1.1.2")]
    assert [answer.status_code for answer in answers] == [201, 201]
    assert answers[0].json()["call"] != answers[1].json()["call"]


@pytest.mark.beside("keyed")
def test_keys_differ_by_case(keyed: Keyed) -> None:
    key = "a" + new_key()
    answers = [call(keyed.service, one) for one in (key, key.upper())]
    assert answers[0].json()["call"] != answers[1].json()["call"]


@pytest.mark.beside("keyed")
@pytest.mark.parametrize(("fails", "status"), [("raises", 409), ("breaks", 500), ("answers", 418)])
def test_what_failed_is_tried_again(keyed: Keyed, fails: str, status: int) -> None:
    key = new_key()
    for _ in range(2):
        answer = call(keyed.service, key, fails=fails)
        assert answer.status_code == status
        assert "idempotency-replayed" not in answer.headers
    # Another process meets no lock that the first has left behind.
    assert call(keyed.other, key).status_code == 201


@pytest.mark.beside("keyed")
def test_what_was_refused_is_tried_again(keyed: Keyed) -> None:
    key = new_key()
    assert call(keyed.service, key, text="x" * 1001).status_code == 422
    assert call(keyed.service, key).status_code == 201


@pytest.mark.beside("keyed")
@pytest.mark.parametrize("key", ["", "two words", "tab\there", "x" * 256, "x" * 10_000, b"\xc3\xa4"])
def test_what_is_no_key_is_refused(keyed: Keyed, key: Any) -> None:
    invalid = counted(keyed.service, "invalid")
    assert "1 to 255 visible ASCII" in problem(call(keyed.service, key), 400)
    assert counted(keyed.service, "invalid") == invalid + 1


@pytest.mark.beside("keyed")
@pytest.mark.parametrize("key", ["1", "x" * 255, '"8e03978e-40d5-43dd-bc93-6894a57f9324"', "';--"])
def test_what_is_a_key_is_taken(keyed: Keyed, key: str) -> None:
    first = call(keyed.service, key, caller="10.1.1.9")
    assert_same(first, call(keyed.service, key, caller="10.1.1.9"))


def test_a_name_is_no_address_and_every_piece_of_a_request_counts() -> None:
    address, named = Exchange("POST", "/v1/orders", "ada"), Exchange("POST", "/v1/orders", "10.1.1.1")
    named.subject = "ada"
    asked = partial(idempotency.asked, query=b"", body=b"{}")
    assert len({asked(address, "k").id, asked(named, "k").id, asked(named, "K").id}) == 3
    assert asked(named, "k") == asked(named, "k")
    requests = [
        idempotency.asked(Exchange(method, path, ""), "k", query=query, body=body).request
        for method, path, query, body in [
            ("POST", "/a", b"", b""),
            ("PUT", "/a", b"", b""),
            ("POST", "/b", b"", b""),
            ("POST", "/a", b"b", b""),
            ("POST", "/a", b"", b"b"),
        ]
    ]
    assert len(set(requests)) == len(requests)


@pytest.mark.beside
def test_an_answer_gets_old(keyed: Keyed) -> None:
    key = new_key()
    first = call(keyed.forgetful, key)
    time.sleep(1.1)
    second = call(keyed.forgetful, key, text="something else")
    assert second.status_code == 201
    assert "idempotency-replayed" not in second.headers
    assert first.json()["call"] != second.json()["call"]
    # What the second has stored is repeated where answers are kept for longer.
    assert_same(second, call(keyed.service, key, text="something else"))


@pytest.mark.beside
def test_old_answers_are_cleared_away_and_young_ones_stay(start: Start) -> None:
    with local_server.test_database(f"test_cleared_{os.getpid()}") as url:
        migrate(url)
        service = start(DATABASE_URL=url).ready()
        old, young = [new_key() for _ in range(5)], new_key()
        for key in old:
            call(service, key)
        between = time.time()
        first = call(service, young)
        assert clear(url, "app.chassis.idempotency.expire") == 0
        # As it will be when the old ones are an hour old, to the moment; a batch does not hold them all.
        assert clear(url, "tests.chassis.expiring", str(between + TTL)) == len(old)
        assert_same(first, call(service, young))
        assert all("idempotency-replayed" not in call(service, key).headers for key in old)
        service.stop()


def clear(url: str, module: str, *arguments: str) -> int:
    """How many keys the command says that it deleted."""
    printed = called(module, *arguments, DATABASE_URL=url, IDEMPOTENCY_TTL=str(TTL), LOG_FORMAT="json")
    (_, _, number) = printed.partition('"keys":')
    return int(number.partition("}")[0].partition(",")[0])


@pytest.mark.beside("keyed")
def test_a_key_survives_the_process(keyed: Keyed, start: Start) -> None:
    key = new_key()
    dying = keyed.again(start)
    first = call(dying, key)
    dying.stop()
    assert_same(first, call(keyed.service, key))
