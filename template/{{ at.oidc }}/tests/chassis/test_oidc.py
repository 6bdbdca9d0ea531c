"""Tokens of an OpenID provider: what it signed is believed, whatever else looks like it is not."""

import threading
import time
from typing import Any

import pytest
from joserfc import jwk

from app.chassis import issuer, keyring, signatures
from app.chassis.errors import Unavailable
from app.chassis.keyring import Keyring
from tests.chassis.conftest import Start
from tests.chassis.forgeries import ATTACKS, STRANGER
from tests.chassis.provider import AUDIENCE, SETS, Provider, provider
from tests.chassis.running import Service, eventually


def ask(service: Service, token: str) -> Any:
    return service.http.get("/probe/mine", headers={"authorization": f"Bearer {token}"})


def test_what_the_provider_signed_is_believed(production: Service) -> None:
    token = provider().token(scope="probe:read other", tenant="acme")
    assert ask(production, token).json() == {"subject": "ada", "tenant": "acme", "scopes": ["other", "probe:read"]}
    assert ask(production, token).status_code == 200


@pytest.mark.parametrize(
    ("claims", "scopes"),
    [
        ({"scp": ["probe:read"]}, ["probe:read"]),
        ({"roles": ["clerk", "unknown"]}, ["probe:read", "probe:write"]),
        ({"roles": "auditor"}, ["probe:read"]),
        ({"scope": ["probe:read", 7, 'a "b"', None]}, ["probe:read"]),
        ({"aud": ["other-api", AUDIENCE], "scope": "probe:read"}, ["probe:read"]),
        ({"ended": 10, "scope": "probe:read"}, ["probe:read"]),
    ],
    ids=["scp", "roles", "one role", "a list with rubbish", "several audiences", "a clock that differs"],
)
def test_what_a_token_may_say(production: Service, claims: dict[str, Any], scopes: list[str]) -> None:
    ended = {"exp": int(time.time()) - claims["ended"]} if "ended" in claims else {}
    assert ask(production, provider().token(**claims | ended)).json()["scopes"] == scopes


@pytest.mark.parametrize("name", ATTACKS)
def test_what_only_looks_like_a_token_opens_nothing(production: Service, name: str) -> None:
    assert ask(production, provider().token(scope="probe:read")).status_code == 200
    token = ATTACKS[name](provider())
    answer = ask(production, token)
    assert answer.status_code == 401
    assert answer.json()["detail"] == "The credential is not valid."
    assert 'error="invalid_token"' in answer.headers["www-authenticate"]
    # Not the second time either.
    assert ask(production, token).status_code == 401


def test_the_log_says_what_is_wrong_and_not_with_what(production: Service) -> None:
    token = provider().token(aud="billing-api")
    ask(production, token)
    assert eventually(lambda: production.lines(event="auth.rejected", reason="unknown", why="aud"))
    assert token.rpartition(".")[2] not in production.output()


def test_a_new_key_is_found(production: Service) -> None:
    provider().rotate(f"key-{time.monotonic_ns()}")
    old = provider().token(key=provider().keys["one"], header={"kid": "one"}, scope="probe:read")
    eventually(lambda: ask(production, provider().token(scope="probe:read")).status_code == 200)
    assert ask(production, old).status_code == 200
    assert production.metric("oidc_keys") >= 2


def test_invented_keys_do_not_hammer_the_provider_and_without_it_keys_are_kept(patient: Service, own: Provider) -> None:
    good = own.token(scope="probe:read")
    assert ask(patient, good).status_code == 200
    for number in range(20):
        assert ask(patient, own.token(key=STRANGER, header={"kid": f"invented-{number}"})).status_code == 401
    assert own.asked["/keys"] <= 2
    own.away = True
    assert ask(patient, own.token("bob", scope="probe:read")).json()["subject"] == "bob"
    assert patient.metric("oidc_key_fetches_total", outcome="fetched") >= 1


def test_who_never_had_a_key_says_try_again(orphaned: Service) -> None:
    answer = ask(orphaned, provider().token(scope="probe:read"))
    assert (answer.status_code, answer.headers["content-type"]) == (503, "application/problem+json")
    assert answer.headers["retry-after"] == "1"
    credential = {"authorization": f"Bearer {provider().token()}"}
    assert orphaned.http.get("/probe/ok", headers=credential).status_code == 200
    assert orphaned.http.get("/readyz").status_code == 200
    assert orphaned.line(event="oidc.keys_not_fetched")


# -- what a provider says


@pytest.mark.parametrize(
    ("path", "why"),
    [
        ("html", "answers no JSON"),
        ("list", "answers no JSON object"),
        ("huge", "too much"),
        ("error", "answers 500"),
        ("redirect", "answers 302"),
        ("liar", "of another issuer"),
        ("elsewhere", "begins with https://"),
        ("without", "begins with https://"),
        ("nothing", "no list of keys"),
        *((name, "no key that can verify") for name in SETS if name != "nothing"),
    ],
)
def test_a_provider_that_says_nonsense_is_not_believed(path: str, why: str) -> None:
    with pytest.raises(ValueError, match=why):
        keyring.fetched(f"{provider().url}/{path}")


def test_keys_stay_when_the_next_look_fails() -> None:
    made = Provider()
    ring = Keyring(made.url, ttl=0.0, pause=0.0)
    ring.refresh()
    assert set(ring.keys) == {"one"}
    assert ring.is_old()
    made.away = True
    ring.refresh()
    assert set(ring.keys) == {"one"}
    assert ring.fetches == {"fetched": 1, "failed": 1}


def test_few_wait_for_keys_and_the_others_are_told_to_come_again(monkeypatch: pytest.MonkeyPatch) -> None:
    made, go = Provider(), threading.Event()
    monkeypatch.setattr(keyring, "fetched", lambda _issuer: go.wait(20) and {})
    ring = Keyring(made.url, ttl=3600.0, pause=60.0)
    waiting = [threading.Thread(target=ring.refresh) for _ in range(keyring.MOST_WAITING)]
    for one in waiting:
        one.start()
    eventually(lambda: ring._waiting._value == 0)
    with pytest.raises(Unavailable):
        ring.refresh()
    ring.refresh_quietly()
    go.set()
    for one in waiting:
        one.join()
    ring.refresh()


def test_tokens_of_this_process_need_no_provider() -> None:
    ring = Keyring(provider().url, ttl=3600.0, pause=0.0)
    said = issuer.Settings(oidc_issuer=provider().url, oidc_audience=AUDIENCE)
    token = ring.sign({"iss": said.oidc_issuer, "aud": AUDIENCE, "sub": "ada", "exp": int(time.time()) + 60})
    name = str(signatures.key_id(token))
    assert isinstance(ring.verify(token, name, said), dict)
    assert not ring.lacks(name)
    assert not ring.is_old()


def test_one_look_at_a_time() -> None:
    ring = Keyring(provider().url, ttl=3600.0, pause=60.0)
    assert ring.lacks("one")
    ring.refresh()
    assert not ring.lacks("one")
    assert not ring.lacks("two")
    before = provider().asked["/keys"]
    ring.refresh()
    assert provider().asked["/keys"] == before


def test_a_token_is_believed_no_longer_than_it_lasts(monkeypatch: pytest.MonkeyPatch) -> None:
    kept = {}
    monkeypatch.setattr(issuer._known, "put", lambda digest, who, until: kept.update({digest: (who, until)}))
    monkeypatch.setattr(issuer, "_ring", Keyring(provider().url, ttl=3600.0, pause=60.0))
    monkeypatch.setattr(issuer, "load", lambda _kind: settings())
    issuer.ring().refresh()
    for exp, longest in ((int(time.time()) + 100, 131), (int(time.time()) + 10**6, 3600)):
        token = provider().token(exp=exp)
        kept.clear()
        issuer.judge(exchange(), token, "digest", str(signatures.key_id(token)))
        ((_, until),) = kept.values()
        assert longest - 10 <= until - time.monotonic() <= longest


def test_a_key_is_for_the_algorithm_that_it_names() -> None:
    made = Provider()
    made.keys = {"rsa": jwk.generate_key("RSA", 2048, {"kid": "rsa", "alg": "RS256"})}
    ring = Keyring(made.url, ttl=3600.0, pause=60.0)
    ring.refresh()
    said = issuer.Settings(oidc_issuer=made.url, oidc_audience=AUDIENCE)
    assert isinstance(ring.verify(made.token(header={"alg": "RS256"}), "rsa", said), dict)
    # Signed with a key that does not mind.
    parts = made.keys["rsa"].as_dict(private=True)
    careless = jwk.import_key({name: value for name, value in parts.items() if name != "alg"})
    assert isinstance(ring.verify(made.token(header={"alg": "PS256"}, key=careless), "rsa", said), str)


def test_a_provider_with_one_key_need_not_name_it() -> None:
    made = Provider()
    ring = Keyring(made.url, ttl=3600.0, pause=0.0)
    ring.refresh()
    said = issuer.Settings(oidc_issuer=made.url, oidc_audience=AUDIENCE)
    nameless = made.token(header={"kid": None})
    assert signatures.key_id(nameless) == ""
    assert isinstance(ring.verify(nameless, "", said), dict)
    made.rotate("two")
    ring.refresh()
    assert ring.verify(nameless, "", said) == "unknown: kid"
    assert Keyring(made.url, ttl=3600.0, pause=0.0).lacks("")


def settings() -> Any:
    return issuer.Settings(oidc_issuer=provider().url, oidc_audience=AUDIENCE)


def exchange() -> Any:
    return type("Asked", (), {"principal": None, "subject": "", "rejected": "", "client": "198.51.100.7"})()


# -- settings


@pytest.mark.parametrize(
    ("name", "value", "why"),
    [
        ("OIDC_ISSUER", None, "is missing"),
        ("OIDC_AUDIENCE", None, "is missing"),
        ("OIDC_ISSUER", "http://login.example.com", "begins with https://"),
        ("OIDC_ISSUER", "https://ada:hunter2@login.example.com", "neither a user"),
        ("OIDC_ISSUER", "https://login.example.com?realm=acme", "neither a user"),
        ("OIDC_LEEWAY", "3600", "less than or equal to 300"),
        ("OIDC_KEYS_PAUSE", "0", "greater than 0"),
    ],
)
def test_a_wrong_setting_stops_the_start(start: Start, name: str, value: str | None, why: str) -> None:
    service = start(**{name: value})
    assert service.exit_status() == 2
    (line,) = service.stderr.read_text().splitlines()
    assert line.startswith(f"{name}: ")
    assert why in line
    assert "hunter2" not in line
