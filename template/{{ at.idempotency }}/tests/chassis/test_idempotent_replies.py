"""Idempotency keys where replies are unusual, and where the clock on the wall jumps."""

from typing import Any

import pytest

from app.chassis import about
from tests.chassis.keyed import Keyed, new_key
from tests.chassis.wall import OFF

WHOLE = {"fastapi": "threaded", "django": "rendered"}[about.FRAMEWORK]
HOUR = 3600
DAY = 24 * HOUR


def post(keyed: Keyed, what: str, key: str | None, **query: Any) -> Any:
    headers = {} if key is None else {"idempotency-key": key}
    return keyed.service.http.post(f"/probe/{what}", headers=headers, params=query)


@pytest.mark.beside("keyed")
def test_a_view_in_a_thread_and_a_reply_that_is_rendered_late_are_repeated(keyed: Keyed) -> None:
    key = new_key()
    first, repeat, other = post(keyed, WHOLE, key), post(keyed, WHOLE, key), post(keyed, WHOLE, new_key())
    assert (first.status_code, repeat.status_code) == (201, 201)
    assert (repeat.content, repeat.headers["idempotency-replayed"]) == (first.content, "true")
    assert other.content != first.content


@pytest.mark.beside("keyed")
def test_a_reply_that_streams_is_refused_and_says_why(keyed: Keyed) -> None:
    """With a key it would have to be stored, and nobody knows when it ends."""
    key = new_key()
    for _ in range(2):
        answer = post(keyed, "streamed", key)
        assert (answer.status_code, answer.headers["content-type"]) == (500, "application/problem+json")
        line = keyed.service.line(event="http.error", trace_id=answer.json()["trace_id"])
        assert "as a whole: this one streams it" in str(line)
    assert post(keyed, "streamed", None).text == "onetwo"


@pytest.mark.beside("keyed")
@pytest.mark.parametrize(("stored", "repeated"), [(0, -HOUR), (0, -10 * DAY), (-HOUR, 0), (HOUR, 0), (0, DAY - HOUR)])
def test_a_clock_that_jumps_loses_no_key(keyed: Keyed, stored: int, repeated: int) -> None:
    answers = at(keyed, new_key(), stored, repeated)
    assert answers[0].content == answers[1].content
    assert answers[1].headers["idempotency-replayed"] == "true"


@pytest.mark.beside("keyed")
def test_a_day_later_a_key_is_a_new_one(keyed: Keyed) -> None:
    answers = at(keyed, new_key(), 0, DAY)
    assert answers[0].content != answers[1].content


def at(keyed: Keyed, key: str, *clocks: int) -> list[Any]:
    """The same request by clocks that are off by so many seconds."""
    return [
        keyed.service.http.post(f"/probe/{WHOLE}", headers={"idempotency-key": key, OFF: str(clock)})
        for clock in clocks
    ]
