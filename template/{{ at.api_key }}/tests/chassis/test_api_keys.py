"""API keys: issued, believed, rotated, revoked, and found nowhere."""

import os
import re
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from app.chassis import api_keys, local_server
from app.chassis.api_keys import Failures, made, renewed
from tests.chassis.credentials_api_key import headers, issued
from tests.chassis.running import Service, called, eventually

NOW = datetime(2026, 1, 31, 12, tzinfo=UTC)


def status(service: Service, key: str) -> int:
    answer = service.http.get("/probe/mine", headers={"authorization": f"Bearer {key}"})
    return answer.status_code


def name_of(key: str) -> str:
    return key.split("_")[1]


def run(service: Service, *arguments: str) -> str:
    return called("app.chassis.api_keys.manage", *arguments, DATABASE_URL=service.env["DATABASE_URL"])


@pytest.fixture(scope="module")
def url(forgetful: Service) -> str:
    return forgetful.env["DATABASE_URL"]


def test_a_key_says_whose_it_is_and_what_it_may_do(forgetful: Service, url: str) -> None:
    key = issued(url, "issue", "ada", "--scopes", "other", "--roles", "auditor", "--tenant", "acme")
    answer = forgetful.http.get("/probe/mine", headers={"authorization": f"bearer {key}"})
    assert answer.json() == {"subject": "ada", "tenant": "acme", "scopes": ["other", "probe:read"]}


def test_a_key_that_was_revoked_opens_nothing(forgetful: Service, url: str) -> None:
    key = issued(url, "issue", "ada", "--scopes", "probe:read")
    assert status(forgetful, key) == 200
    run(forgetful, "revoke", name_of(key))
    assert status(forgetful, key) == 401
    assert forgetful.metric("auth_credentials_total", outcome="revoked") >= 1


def test_a_key_ends_when_its_time_is_over(forgetful: Service, url: str) -> None:
    key = issued(url, "issue", "ada", "--scopes", "probe:read", "--expires", "2s")
    assert status(forgetful, key) in {200, 401}
    eventually(lambda: status(forgetful, key) == 401)
    assert forgetful.metric("auth_credentials_total", outcome="expired") >= 1


def test_while_a_key_is_rotated_both_are_good(forgetful: Service, url: str) -> None:
    old = issued(url, "issue", "ada", "--scopes", "probe:read", "--note", "the till")
    new = issued(url, "rotate", name_of(old), "--overlap", "1h")
    assert {status(forgetful, old), status(forgetful, new)} == {200}
    newest = issued(url, "rotate", name_of(new), "--overlap", "0s")
    assert (status(forgetful, new), status(forgetful, newest)) == (401, 200)
    (line,) = [one for one in run(forgetful, "list").splitlines() if one.startswith(name_of(newest))]
    assert "ada" in line
    assert "may: probe:read" in line
    assert line.endswith("the till")


def test_a_key_that_has_ended_is_not_rotated(forgetful: Service, url: str) -> None:
    key = issued(url, "issue", "ada")
    run(forgetful, "revoke", name_of(key))
    with pytest.raises(AssertionError, match=f"the key {name_of(key)} is revoked: issue another one"):
        run(forgetful, "rotate", name_of(key))


def test_a_key_that_is_rotated_lives_as_long_again() -> None:
    _, old = made("ada", now=NOW, expires_at=NOW + timedelta(days=90))
    later = NOW + timedelta(days=80)
    assert renewed(old, later, None)[1].expires_at == later + timedelta(days=90)
    assert renewed(old, later, timedelta(days=1))[1].expires_at == later + timedelta(days=1)
    assert renewed(made("ada", now=NOW)[1], later, None)[1].expires_at is None


def test_a_right_name_with_a_wrong_secret_is_nobody(forgetful: Service, url: str) -> None:
    key = issued(url, "issue", "ada", "--scopes", "probe:read")
    before = forgetful.metric("auth_credentials_total", outcome="unknown")
    for wrong in (key[:-1] + ("A" if key[-1] != "A" else "B"), key.replace(name_of(key), "a" * 16)):
        assert status(forgetful, wrong) == 401
    assert forgetful.metric("auth_credentials_total", outcome="unknown") >= before + 2


def test_why_a_key_is_refused_is_for_the_log_alone(forgetful: Service, url: str) -> None:
    revoked = issued(url, "issue", "ada", "--scopes", "probe:read")
    run(forgetful, "revoke", name_of(revoked))
    answers = [
        forgetful.http.get("/probe/mine", headers={"authorization": f"Bearer {key}"})
        for key in (revoked, f"key_{'a' * 16}_{'b' * 43}", "hunter2")
    ]
    assert len({answer.json()["detail"] for answer in answers}) == 1
    assert len({answer.headers["www-authenticate"] for answer in answers}) == 1


def test_a_key_is_believed_for_a_while(production: Service) -> None:
    key = issued(production.env["DATABASE_URL"], "issue", "ada", "--scopes", "probe:read")
    assert status(production, key) == 200
    run(production, "revoke", name_of(key))
    # Ten seconds that nobody waits for here.
    assert status(production, key) == 200


def test_its_use_is_written_down(forgetful: Service, url: str) -> None:
    key = issued(url, "issue", "ada", "--scopes", "probe:read")

    def used() -> str:
        (line,) = [one for one in run(forgetful, "list").splitlines() if one.startswith(name_of(key))]
        return line.partition("used: ")[2].partition("  ends")[0]

    assert used() == "never"
    status(forgetful, key)
    assert re.fullmatch(r"\d{4}-\d\d-\d\d \d\d:\d\d", used())


def test_no_key_is_found_in_what_is_stored(forgetful: Service, url: str) -> None:
    key = issued(url, "issue", "ada", "--scopes", "probe:read")
    assert key.split("_", 2)[2] not in run(forgetful, "list")
    _, stored = made("ada", now=NOW)
    assert re.fullmatch("[0-9a-f]{64}", stored.digest)


def test_who_guesses_is_told_to_wait_and_who_is_known_is_not(strict: Service) -> None:
    known = headers(strict.env["DATABASE_URL"], "ada", "probe:read")
    assert strict.http.get("/probe/mine", headers=known).status_code == 200
    guesses = [
        strict.http.get("/probe/mine", headers={"authorization": f"Bearer key_{'a' * 16}_{number:043}"})
        for number in range(5)
    ]
    assert [one.status_code for one in guesses] == [401, 401, 401, 429, 429]
    assert 1 <= int(guesses[-1].headers["retry-after"]) <= 60
    assert guesses[-1].headers["content-type"] == "application/problem+json"
    assert strict.http.get("/probe/mine", headers=known).status_code == 200
    # What is public minds neither.
    for headers_sent in ({}, {"authorization": f"Bearer key_{'a' * 16}_{'c' * 43}"}):
        assert strict.http.get("/probe/ok", headers=headers_sent).status_code == 200
    assert strict.metric("auth_limited_total") == 3


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (("issue", "ada lovelace"), "visible ASCII characters"),
        (("issue", "\u0430da"), "visible ASCII characters"),
        (("issue", "a" * 256), "visible ASCII characters"),
        (("issue", "ada", "--scopes", 'say"hi"'), "is no name of a scope"),
        (("issue", "ada", "--note", "a\x1b[2J"), "without control characters"),
        (("issue", "ada", "--expires", "0s"), "give more than 0"),
        (("issue", "ada", "--expires", "soon"), "write it like 90d"),
        (("rotate", "nobody"), "list` shows those there are"),
        (("revoke", "nobody"), "list` shows those there are"),
    ],
    ids=lambda value: " ".join(value)[:40] if isinstance(value, tuple) else "",
)
def test_a_wrong_command_says_what_is_right(forgetful: Service, arguments: tuple[str, ...], text: str) -> None:
    with pytest.raises(AssertionError, match=re.escape(text)):
        run(forgetful, *arguments)


def test_where_no_table_is_the_command_says_how_to_make_one() -> None:
    with (
        local_server.test_database(f"test_no_keys_{os.getpid()}") as url,
        pytest.raises(AssertionError, match="If the table is missing: run `make migrate`"),
    ):
        called("app.chassis.api_keys.manage", "list", DATABASE_URL=url)


# -- who is refused again and again


def test_failures_are_counted_by_address_and_forgotten() -> None:
    failures = Failures()
    for _ in range(3):
        failures.note("a", 100.0)
    assert failures.wait("a", 110.0, 3) == 50.0
    assert failures.wait("a", 110.0, 4) == 0.0
    assert failures.wait("b", 110.0, 3) == 0.0
    assert failures.wait("a", 160.0, 3) == 0.0
    failures.note("a", 160.0)
    assert failures.wait("a", 161.0, 2) == 0.0


def test_what_was_no_failure_is_taken_back() -> None:
    failures = Failures()
    for _ in range(3):
        failures.note("a", 100.0)
    failures.take_back("a")
    assert failures.wait("a", 110.0, 3) == 0.0
    assert failures.wait("a", 110.0, 2) == 50.0
    for _ in range(5):
        failures.take_back("a")
    assert failures.wait("a", 110.0, 1) == 0.0


def test_a_thousand_guesses_at_once_are_as_many(strict: Service) -> None:
    """Whoever guesses in parallel has no more guesses than whoever does not."""
    guesses = [f"key_{'a' * 16}_{number:043}" for number in range(100, 140)]
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda key: status(strict, key), guesses))
    assert answers.count(401) <= 3
    assert set(answers) == {401, 429} or set(answers) == {429}


def test_failures_take_bounded_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(api_keys, "MOST_ADDRESSES", 10)
    failures = Failures()
    for number in range(100):
        failures.note(str(number), 1.0)
    assert len(failures._counts) == 10
    assert failures.wait("99", 1.0, 1) > 0


# -- what a key is


def test_two_keys_of_one_moment_differ() -> None:
    keys = {made("ada", now=NOW)[0] for _ in range(100)}
    assert len(keys) == 100
    assert all(api_keys.KEY.fullmatch(key) for key in keys)


def test_the_state_of_a_key() -> None:
    _, key = made("ada", now=NOW, expires_at=NOW + timedelta(days=1))
    assert key.state(NOW) == "active"
    assert key.state(NOW + timedelta(days=1)) == "expired"
    assert replace(key, revoked_at=NOW).state(NOW) == "revoked"
    assert replace(key, last_used_at=NOW).is_seen(NOW + timedelta(seconds=59))
    assert not replace(key, last_used_at=NOW).is_seen(NOW + timedelta(seconds=60))
    assert not key.is_seen(NOW)
