"""Accounts: made, used, looked after and closed; what is guessed, replayed or stolen opens nothing."""

import json
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from typing import Any
from unittest.mock import Mock

import pytest

from app.chassis import about, accounts
from app.chassis.accounts import attempts, flows, passwords, schemas
from app.chassis.accounts.attempts import Attempts, Rule
from app.chassis.authentication import Unauthenticated
from app.chassis.credentials import SCHEME
from app.chassis.errors import Invalid, Unavailable
from app.chassis.exchange import Exchange, current
from tests.chassis import logins
from tests.chassis.conftest import Start
from tests.chassis.people import PASSWORD, code, log_in, me, numbers, post, run, somebody, tried
from tests.chassis.running import Service, eventually

# -- registering -------------------------------------------------------------------------------------------------------


def test_who_registers_can_log_in_and_say_who_it_is(production: Service) -> None:
    name = somebody(production)
    login = log_in(production, name.upper())
    said = me(production, login).json()
    scopes = ["account", "probe:read"]
    assert said == {"subject": said["subject"], "name": name, "scopes": scopes, "second_factor": False}
    mine = production.http.get("/probe/mine", headers=login.headers)
    assert mine.json() == {"subject": said["subject"], "tenant": "", "scopes": scopes}


def test_nobody_learns_that_a_name_is_taken(production: Service) -> None:
    name = somebody(production)
    again = post(production, "registrations", name=name, password="another lamp on tables")
    new = post(production, "registrations", name=f"new{next(numbers)}@example.com", password=PASSWORD)
    assert (again.status_code, again.json()) == (new.status_code, new.json())
    # And the account is still its owner's.
    log_in(production, name)
    assert tried(production, name, password="another lamp on tables").status_code == 401


def test_two_who_register_at_once_with_one_name_get_one_account(production: Service) -> None:
    name = f"both{next(numbers)}@example.com"
    secrets = [f"a lamp on {number} tables" for number in range(3)]
    with ThreadPoolExecutor(3) as pool:
        answers = list(pool.map(lambda one: post(production, "registrations", name=name, password=one), secrets))
    assert {answer.status_code for answer in answers} == {202}
    found = [tried(production, name, password=one).status_code for one in secrets]
    assert sorted(found) == [200, 401, 401]


@pytest.mark.parametrize(
    "name",
    [
        "",
        "\u0430da@example.com",
        "ada\u200b",
        "ad\u0131",
        "\uff41da",
        "ada lovelace",
        "ada\0",
        "ada\n",
        ".ada",
        "a" * 255,
    ],
)
def test_names_that_look_like_others_are_refused(production: Service, name: str) -> None:
    for path in ("registrations", logins.PATH):
        answer = post(production, path, name=name, password=PASSWORD)
        assert answer.status_code == 422, answer.text
        assert answer.json()["errors"][0]["pointer"] == "#/name"


@pytest.mark.parametrize(
    ("password", "reason"),
    [
        ("lamp", "at least 8 characters"),
        ("password", "guessed first"),
        ("PassWord1", "guessed first"),
        ("\uff50\uff41\uff53\uff53\uff57\uff4f\uff52\uff44", "guessed first"),
        ("zzzzzzzzzzzz", "guessed first"),
        ("12121212121212", "guessed first"),
        ("1234567890!!", "guessed first"),
        (f"{about.NAME}2026!!!!", "guessed first"),
        ("ada-the-first!1", "guessed first"),
        ("a lamp\0on four tables", "NUL"),
    ],
)
def test_passwords_that_others_guess_are_refused(production: Service, password: str, reason: str) -> None:
    answer = post(production, "registrations", name="ada-the-first@example.com", password=password)
    (error,) = answer.json()["errors"]
    assert (answer.status_code, error["pointer"]) == (422, "#/password")
    assert reason in error["detail"]
    assert password == "password" or password not in answer.text


@pytest.mark.parametrize(
    "password", ["x4 kd 9 2", "no digit, no capital", "\u00e9\u00e8\U0001f511 unlocks", "pass \u00e4 " * 100 + "word"]
)
def test_passwords_have_no_rules_but_that(production: Service, password: str) -> None:
    log_in(production, somebody(production, password), password)


def test_a_password_is_one_however_it_is_typed(production: Service) -> None:
    log_in(production, somebody(production, "caf\u00e9 on four tables"), "cafe\u0301 on four tables")


def test_a_password_that_is_too_long_is_refused(production: Service) -> None:
    for path in ("registrations", logins.PATH):
        assert post(production, path, name="ada", password="x" * 10_000).status_code == 422


def test_what_nobody_asked_for_is_refused(production: Service) -> None:
    # Or whoever registers would choose what it may do.
    answer = post(production, "registrations", name="ada", password=PASSWORD, roles="admin")
    assert (answer.status_code, answer.json()["errors"][0]["pointer"]) == (422, "#/roles")


@pytest.mark.beside("choosy")
def test_who_has_to_be_confirmed_cannot_log_in_before(choosy: Service) -> None:
    name = somebody(choosy)
    assert tried(choosy, name, password=PASSWORD).status_code == 401
    # What a view behind the link in a mail does.
    subject = eventually(lambda: choosy.lines(event="probe.registered", name=name))[0]["subject"]
    assert choosy.http.post("/probe/confirmed", params={"subject": subject}).json() == {"done": True}
    assert choosy.http.post("/probe/confirmed", params={"subject": "nobody"}).json() == {"done": False}
    log_in(choosy, name)


@pytest.mark.beside("choosy")
def test_who_is_disabled_is_not_confirmed_back(choosy: Service) -> None:
    name = somebody(choosy)
    subject = eventually(lambda: choosy.lines(event="probe.registered", name=name))[0]["subject"]
    assert choosy.http.post("/probe/confirmed", params={"subject": subject}).json() == {"done": True}
    run(choosy, "disable", name)
    assert choosy.http.post("/probe/confirmed", params={"subject": subject}).json() == {"done": False}
    assert tried(choosy, name, password=PASSWORD).status_code == 401


def heard_twice(service: Service, name: str) -> list[dict[str, Any]]:
    lines = service.lines(event="probe.registered", name=name)
    return lines if len(lines) == 2 else []


@pytest.mark.beside("choosy")
def test_nobody_keeps_a_name_that_is_not_confirmed(choosy: Service) -> None:
    name = somebody(choosy, "the lamp of another one")
    assert post(choosy, "registrations", name=name, password=PASSWORD).status_code == 202
    first, second = eventually(partial(heard_twice, choosy, name))
    assert not second["taken"]
    # The link that was sent first leads nowhere.
    confirmed = [
        choosy.http.post("/probe/confirmed", params={"subject": one["subject"]}).json()["done"]
        for one in (first, second)
    ]
    assert confirmed == [False, True]
    assert tried(choosy, name, password="the lamp of another one").status_code == 401
    log_in(choosy, name)


@pytest.mark.beside("choosy")
def test_the_hook_hears_of_those_who_register(choosy: Service) -> None:
    name = somebody(choosy)
    run(choosy, "enable", name)
    post(choosy, "registrations", name=name, password=PASSWORD)
    first = eventually(lambda: choosy.lines(event="probe.registered", name=name, taken=False))[0]
    second = eventually(lambda: choosy.lines(event="probe.registered", name=name, taken=True))[0]
    assert (bool(first["subject"]), second["subject"]) == (True, "")
    # And what it raises is the operator's to know.
    post(choosy, "registrations", name="broken@example.com", password=PASSWORD)
    assert eventually(lambda: choosy.lines(event="auth.hook_failed"))


def test_where_nobody_may_register_nobody_can(brief: Service) -> None:
    assert post(brief, "registrations", name="ada", password=PASSWORD).status_code == 403


# -- logging in --------------------------------------------------------------------------------------------------------


def test_why_somebody_cannot_log_in_is_not_said(production: Service) -> None:
    name = somebody(production)
    answers = [
        tried(production, name, password="another lamp on tables"),
        tried(production, "nobody@example.com", password=PASSWORD),
    ]
    assert {answer.status_code for answer in answers} == {401}
    assert len({answer.json()["detail"] for answer in answers}) == 1
    assert {answer.headers["www-authenticate"] for answer in answers} == {SCHEME.challenge}


def test_who_is_not_there_costs_as_much_as_who_is(monkeypatch: pytest.MonkeyPatch) -> None:
    stored = passwords.hashed(PASSWORD)
    passwords.nobody()
    hasher, asked = passwords._hasher(), list[str]()
    real = type(hasher).verify_and_update

    def counted(self: Any, password: str, against: str) -> Any:
        asked.append(against)
        return real(self, password, against)

    monkeypatch.setattr(type(hasher), "verify_and_update", counted)
    assert passwords.verified(PASSWORD, stored) == (True, None)
    assert passwords.verified(PASSWORD, None) == (False, None)
    costs = [one.split("$")[3] for one in asked]
    assert costs[0] == costs[1]
    # The password of nobody lets nobody in.
    assert passwords.verified("the password of nobody", None) == (False, None)


def test_a_hash_that_costs_too_little_is_made_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    stored = passwords.hashed(PASSWORD)
    passwords._hasher.cache_clear()
    settings = accounts.Settings(argon2_passes=3)
    monkeypatch.setattr(passwords, "load", lambda _kind: settings)
    try:
        right, better = passwords.verified(PASSWORD, stored)
        assert right
        assert better is not None
        assert ",t=3," in better
        assert passwords.verified(PASSWORD, better) == (True, None)
    finally:
        passwords._hasher.cache_clear()


def test_few_hash_at_a_time_and_few_wait() -> None:
    many = passwords.MOST_WAITING * 4
    together = threading.Barrier(many)

    def one() -> str:
        together.wait()
        return passwords.hashed(PASSWORD)

    with ThreadPoolExecutor(many) as pool:
        done = [pool.submit(one) for _ in range(many)]
    turned_away = [one for one in done if isinstance(one.exception(), Unavailable)]
    assert turned_away
    assert len(done) - len(turned_away) >= passwords.MOST_WAITING
    passwords.hashed(PASSWORD)


@pytest.mark.beside("guessed")
def test_who_guesses_has_to_wait_and_its_victim_does_not(guessed: Service) -> None:
    name = somebody(guessed)
    login = log_in(guessed, name)
    for tried_name in (name, "nobody@example.com"):
        answers = [tried(guessed, tried_name, password=f"a guess {number}") for number in range(5)]
        assert [answer.status_code for answer in answers] == [401] * 5
        # The first pause is a second, and shorter than what a busy machine may take for the next guess.
        limited = eventually(partial(turned_away, guessed, tried_name), pause=0)
        assert int(limited.headers["retry-after"]) >= 1
    assert guessed.metric("auth_logins_total", outcome="limited") >= 2
    # Who is logged in stays it, and after a pause that is not long one can try again.
    assert login.goes_on(guessed)
    eventually(lambda: tried(guessed, name, password=PASSWORD).status_code == 200, pause=0.3)


def turned_away(service: Service, name: str) -> Any:
    answer = tried(service, name, password="one more guess")
    return answer if answer.status_code == 429 else None


def guess(name: str, client: str) -> flows.Guess:
    token = current.set(Exchange("POST", "/v1/auth/" + logins.PATH, client))
    try:
        return flows.Guess(name)
    finally:
        current.reset(token)


def test_who_was_here_before_does_not_wait_for_those_who_guess_elsewhere(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(attempts, "monotonic", lambda: 1000.0)
    name = f"famous{next(numbers)}@example.com"
    guess(name, "198.51.100.1").was_right()
    for number in range(attempts.ACCOUNT.first):
        guess(name, f"203.0.113.{number}")
    with pytest.raises(flows.TooMany):
        guess(name, "192.0.2.9")
    guess(name, "198.51.100.1")


@pytest.mark.parametrize(("raised", "counts"), [(Unavailable, False), (RuntimeError, False), (Unauthenticated, True)])
def test_what_shows_nothing_is_no_guess(monkeypatch: pytest.MonkeyPatch, raised: type[Exception], counts: bool) -> None:
    monkeypatch.setattr(attempts, "monotonic", lambda: 3000.0)
    name = f"unlucky{next(numbers)}@example.com"
    with suppress(flows.TooMany):
        for _ in range(attempts.PAIR.first * 2):
            with suppress(raised), guess(name, "198.51.100.2"):
                raise raised
    if counts:
        with pytest.raises(flows.TooMany):
            guess(name, "198.51.100.2")
    else:
        guess(name, "198.51.100.2")


def test_whoever_tries_many_names_waits_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(attempts, "monotonic", lambda: 2000.0)
    guess("known", "198.51.100.77").was_right()
    for number in range(attempts.NETWORK.first):
        guess(f"one{number}", "198.51.100.77")
    with pytest.raises(flows.TooMany) as refused:
        guess("another", "198.51.100.77")
    assert refused.value.headers["Retry-After"] == "1"
    guess("another", "198.51.100.78")
    guess("known", "198.51.100.77")


def test_each_failure_doubles_the_pause_and_many_at_once_are_few(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 1000.0
    monkeypatch.setattr(attempts, "monotonic", lambda: now)
    tried, rules, pauses = Attempts(), {"ada": Rule(first=3, most=8)}, []
    for _ in range(7):
        assert tried.begin(rules) == 0
        pauses.append(max(0.0, tried._states["ada"].blocked_until - now))
        now += pauses[-1]
    assert pauses == [0, 0, 1, 2, 4, 8, 8]
    now += attempts.FORGET_SECONDS + 1
    # Begun without an end: many at the same time are as many failures.
    assert [tried.begin(rules) for _ in range(4)] == [0, 0, 0, 1]


def test_what_was_no_failure_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(attempts, "monotonic", lambda: 1000.0)
    tried, rules = Attempts(), {"ada": Rule(first=3, most=8)}
    for _ in range(20):
        assert tried.begin(rules) == 0
        tried.take_back("ada")
    tried.begin(rules)
    tried.begin(rules)
    tried.begin(rules)
    assert tried.begin(rules) == 1
    tried.forget("ada")
    assert tried.begin(rules) == 0


def test_what_is_kept_of_those_who_try_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(attempts, "MOST_KEPT", 10)
    tried = Attempts()
    for number in range(100):
        tried.begin({f"name {number}": attempts.PAIR})
    assert len(tried._states) == 10


def test_others_are_served_while_a_password_is_hashed(brief: Service) -> None:
    brief.http.get("/probe/ok")
    with ThreadPoolExecutor() as pool:
        hashing = pool.submit(tried, brief, "nobody")
        # It takes a second and a half of a core.
        time.sleep(0.2)
        assert brief.http.get("/probe/ok").status_code == 200
        assert not hashing.done()
        assert hashing.result().status_code == 401


def test_what_changes_while_somebody_logs_in_counts() -> None:
    now = datetime.now(UTC)
    seen = accounts.Account("ada", "ada", "hash", "", "", now, now)
    for there, begins in (
        (seen, True),
        (replace(seen, totp_used=7), True),
        (replace(seen, password="another"), False),
        (replace(seen, disabled_at=now), False),
        (replace(seen, totp_confirmed=True), False),
        (None, False),
    ):
        store, begin = Mock(account=Mock(return_value=there)), Mock(return_value="begun")
        assert (flows.if_as_seen(store, seen, begin, "better") == "begun") is begins
        assert store.lock.call_count == 1
        assert store.change.called is begin.called is begins


# In one row with the command that deletes what has ended.
# -- looking after one's account ---------------------------------------------------------------------------------------


def test_another_password_ends_all_other_logins(production: Service) -> None:
    name, new = somebody(production), "a lamp on five tables"
    there, here = log_in(production, name), log_in(production, name)
    wrong = post(production, "password", here.headers, current_password="another lamp", new_password=new)
    assert wrong.status_code == 403
    weak = post(production, "password", here.headers, current_password=PASSWORD, new_password="password")
    assert (weak.status_code, weak.json()["errors"][0]["pointer"]) == (422, "#/new_password")
    answer = post(production, "password", here.headers, current_password=PASSWORD, new_password=new)
    assert answer.status_code == 200
    assert not there.goes_on(production)
    assert not here.goes_on(production)
    assert logins.begun(answer).goes_on(production)
    assert tried(production, name).status_code == 401
    log_in(production, name, new)


def test_what_is_ones_own_needs_a_login(production: Service) -> None:
    for path in ("password", "second-factor", "second-factor/confirmation", "second-factor/removal"):
        assert post(production, path, password=PASSWORD).status_code == 401


@pytest.fixture
def guarded(production: Service) -> tuple[str, str, str]:
    """The name and the secret of an account with a second factor, and a code that was taken."""
    name = somebody(production)
    headers = log_in(production, name).headers
    assert post(production, "second-factor", headers, password="another lamp").status_code == 403
    begun = post(production, "second-factor", headers, password=PASSWORD)
    assert begun.status_code == 200
    assert begun.headers["cache-control"] == "no-store"
    assert begun.json()["uri"].startswith(f"otpauth://totp/{about.NAME}:")
    secret = begun.json()["secret"]
    # It counts once somebody has shown to have it.
    log_in(production, name)
    assert post(production, "second-factor/confirmation", headers, code=code(secret, -5)).status_code == 403
    used = code(secret)
    assert post(production, "second-factor/confirmation", headers, code=used).status_code == 204
    assert post(production, "second-factor/confirmation", headers, code=used).status_code == 409
    assert post(production, "second-factor", headers, password=PASSWORD).status_code == 409
    return name, secret, used


def test_a_second_factor_is_asked_for(production: Service, guarded: tuple[str, str, str]) -> None:
    name, secret, used = guarded
    missing = tried(production, name, password=PASSWORD)
    assert (missing.status_code, missing.json()["code_required"]) == (401, True)
    # A code is good once, and an old one no more; nor does the code alone say whether the password is right.
    for wrong in (code(secret, -5), used):
        answer = tried(production, name, password=PASSWORD, code=wrong)
        assert (answer.status_code, "code_required" in answer.json()) == (401, False)
    now = code(secret, 1)
    assert tried(production, name, password="another lamp", code=now).status_code == 401
    headers = log_in(production, name, code=now).headers
    assert tried(production, name, password=PASSWORD, code=now).status_code == 401
    # Both factors to take one of them away.
    for codes, answered in ((["000000"], 403), ([now], 403), ([code(secret), code(secret, 1)], 403)):
        statuses = [
            post(production, "second-factor/removal", headers, password=PASSWORD, code=one).status_code for one in codes
        ]
        assert set(statuses) == {answered}
    assert post(production, "second-factor/removal", headers, password=PASSWORD).status_code == 422


def test_who_has_lost_the_second_factor_gets_help(production: Service, guarded: tuple[str, str, str]) -> None:
    name, *_ = guarded
    run(production, "reset", name)
    log_in(production, name)


@pytest.mark.parametrize("code", ["", "12345", "1234567", "abcdef", "\u0661\u0662\u0663\u0664\u0665\u0666", "12345\n"])
def test_what_is_no_code_is_refused(production: Service, code: str) -> None:
    assert tried(production, "ada", password=PASSWORD, code=code).status_code == 422


# -- operators ---------------------------------------------------------------------------------------------------------


@pytest.mark.beside("choosy")
def test_operators_make_accounts_and_close_them(choosy: Service) -> None:
    name = f"clerk{next(numbers)}@example.com"
    subject = run(choosy, "add", name, "--roles", "clerk", stdin=PASSWORD).strip()
    login = log_in(choosy, name)
    said = me(choosy, login).json()
    assert (said["subject"], said["scopes"]) == (subject, ["account", "probe:read", "probe:write"])
    run(choosy, "roles", name)
    login = login.renewed(choosy)
    assert me(choosy, login).json()["scopes"] == ["account", "probe:read"]
    run(choosy, "disable", name)
    assert me(choosy, login).status_code == 401
    assert not login.goes_on(choosy)
    assert tried(choosy, name).status_code == 401
    run(choosy, "enable", name)
    login = log_in(choosy, name)
    run(choosy, "password", name, stdin="a lamp on six tables")
    assert not login.goes_on(choosy)
    log_in(choosy, name, "a lamp on six tables")
    (line,) = [one for one in run(choosy, "list").splitlines() if name in one]
    assert line.split()[:3] == [subject, "active", name]
    assert "deleted" in run(choosy, "expire")
    assert log_in(choosy, name, "a lamp on six tables").goes_on(choosy)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("disable", "nobody"), "there is no account nobody"),
        (("add", "\u0430da"), "a name is of the letters a to z"),
        (("add", "ada-the-second", "--roles", 'a"b'), "is no name of a role"),
        (("add", "ada-the-third"), "at least 8 characters"),
        (("add", "ada-the-fourth", "--tenant", "acme corp"), "a tenant is 1 to 255"),
        (("add", "a" * 255), "at most 254 characters"),
    ],
)
def test_operators_are_told_what_is_wrong(choosy: Service, arguments: tuple[str, ...], said: str) -> None:
    with pytest.raises(AssertionError, match=said):
        run(choosy, *arguments, stdin="lamp")


# -- what is said of it -----------------------------------------------------------------------------------------------


def test_where_a_secret_could_be_there_is_none(production: Service) -> None:
    name = somebody(production, "a very special lamp")
    login = log_in(production, name, "a very special lamp")
    tried(production, "a very special lamp", "a very special lamp")
    assert login.goes_on(production)
    last = tried(production, name, "nonsense").json()["request_id"]
    eventually(lambda: production.lines(event="http.request", request_id=last))
    said = [line for line in production.lines() if not line["event"].startswith("probe.")]
    for secret in ("very special", *login.secrets, name):
        assert secret not in json.dumps(said)


def test_it_is_counted(production: Service) -> None:
    name = somebody(production)
    before = {one: production.metric("auth_logins_total", outcome=one) for one in ("ok", "wrong")}
    log_in(production, name)
    tried(production, name, password="another lamp on tables")
    after = {one: production.metric("auth_logins_total", outcome=one) for one in ("ok", "wrong")}
    assert after == {one: count + 1 for one, count in before.items()}


@pytest.mark.parametrize("name", ["ADA@Example.COM", "ada"])
def test_a_name_is_in_lower_case(name: str) -> None:
    assert schemas.check_name(name) == name.lower()


def test_a_minimum_is_held(brief: Service) -> None:
    with pytest.raises(AssertionError, match="at least 15 characters"):
        run(brief, "add", "short@example.com", stdin="fourteen chars")


def test_the_list_of_common_passwords_is_there() -> None:
    assert len(passwords.common()) > 10_000
    with pytest.raises(Invalid):
        passwords.check("iloveyou", "ada", "#/password")


@pytest.mark.parametrize(
    ("name", "value", "why"),
    [
        ("REGISTRATION", "sometimes", "'open', 'confirmed' or 'closed'"),
        ("ACCOUNT_SCOPES", 'orders:read "all"', "names of scopes between spaces"),
        ("PASSWORD_MIN_LENGTH", "4", "greater than or equal to 8"),
        ("ARGON2_MEMORY", "1024", "too weak for ENVIRONMENT=production"),
    ],
)
def test_a_wrong_setting_stops_the_start(start: Start, name: str, value: str, why: str) -> None:
    service = start(**{name: value})
    assert service.exit_status() == 2
    (line,) = service.stderr.read_text().splitlines()
    assert why in line
