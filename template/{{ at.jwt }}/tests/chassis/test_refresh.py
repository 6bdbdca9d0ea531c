"""Refresh tokens: good once, and whoever has an old one ends what came of it."""

import json
import time
from base64 import urlsafe_b64decode
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import pytest

from app.chassis import about, accounts, tokens
from app.chassis.tokens import flows, signing
from tests.chassis.keys import make
from tests.chassis.logins import Login, begun, refreshed
from tests.chassis.people import log_in, me, post, run, somebody
from tests.chassis.running import Service, called, eventually


def claims(login: Login, piece: int = 1) -> dict[str, Any]:
    token = str(login.tokens["access_token"])
    found: dict[str, Any] = json.loads(urlsafe_b64decode(token.split(".")[piece] + "=="))
    return found


def test_a_token_says_what_it_has_to(production: Service) -> None:
    login = log_in(production, somebody(production))
    header, body = claims(login, 0), claims(login)
    assert (login.tokens["token_type"], login.tokens["expires_in"]) == ("Bearer", 600)
    assert (header["alg"], header["typ"]) == ("ES256", "at+jwt")
    assert (body["iss"], body["aud"], body["exp"] - body["iat"]) == (about.NAME, about.NAME, 600)
    assert body.keys() == {"iss", "aud", "sub", "iat", "nbf", "exp", "jti", "scope", "roles"}
    assert body["sub"] == me(production, login).json()["subject"]


def test_a_refresh_token_is_good_once(production: Service) -> None:
    first = log_in(production, somebody(production))
    second = first.renewed(production)
    assert claims(second)["sub"] == claims(first)["sub"]
    assert claims(second)["jti"] != claims(first)["jti"]
    third = second.renewed(production)
    # Somebody has kept the first one: all that came of it ends, and whose it was has to log in again.
    answer = refreshed(production, first)
    assert answer.status_code == 401
    assert 'error="invalid_token"' in answer.headers["www-authenticate"]
    assert not third.goes_on(production)
    assert production.metric("auth_refreshes_total", outcome="reused") >= 1


def test_a_reuse_ends_the_logins_of_nobody_else(production: Service) -> None:
    name = somebody(production)
    here, there = log_in(production, name), log_in(production, name)
    assert here.goes_on(production)
    assert not here.goes_on(production)
    assert there.goes_on(production)


def leave(service: Service, login: Login, **more: bool) -> int:
    answer = post(service, "logouts", refresh_token=login.tokens["refresh_token"], **more)
    return int(answer.status_code)


def test_an_old_refresh_token_ends_no_login_of_others(production: Service) -> None:
    name = somebody(production)
    here, there = log_in(production, name), log_in(production, name)
    fresh = here.renewed(production)
    assert leave(production, here, everywhere=True) == 204
    assert not fresh.goes_on(production)
    assert there.goes_on(production)


def test_of_many_refreshes_at_once_one_is_right(production: Service) -> None:
    login = log_in(production, somebody(production))
    with ThreadPoolExecutor(6) as pool:
        answers = list(pool.map(lambda _: refreshed(production, login), range(6)))
    good = [answer for answer in answers if answer.status_code == 200]
    assert len(good) <= 1
    assert {answer.status_code for answer in answers} <= {200, 401}
    assert not any(begun(answer).goes_on(production) for answer in good)


def test_a_disabled_account_gets_no_tokens() -> None:
    now = datetime.now(UTC)
    row = tokens.Refresh("digest", "family", "ada", now, now + timedelta(days=1))
    store, rows = Mock(), Mock(use=Mock(return_value=True), get=Mock(return_value=row))
    for disabled_at, outcome in ((None, "ok"), (now, "revoked")):
        store.account.return_value = accounts.Account("ada", "ada", "", "", "", now, now, disabled_at)
        assert flows.exchanged(store, rows, "digest", "new", now)[0] == outcome
    store.account.return_value = None
    assert flows.exchanged(store, rows, "digest", "new", now) == ("revoked", None)


def test_what_was_never_a_refresh_token_is_none(production: Service) -> None:
    access = log_in(production, somebody(production)).tokens["access_token"]
    for token in ("nonsense", access[:255], "' OR 1=1 --"):
        assert post(production, "tokens/refreshed", refresh_token=token).status_code == 401
    assert production.metric("auth_refreshes_total", outcome="unknown") >= 3


def test_a_refresh_token_is_no_access_token(production: Service) -> None:
    login = log_in(production, somebody(production))
    assert me(production, Login(login.tokens | {"access_token": login.tokens["refresh_token"]})).status_code == 401


def test_who_has_left_has_left(production: Service) -> None:
    name = somebody(production)
    here, there = log_in(production, name), log_in(production, name)
    assert leave(production, here) == 204
    assert not here.goes_on(production)
    there = there.renewed(production)
    assert leave(production, there, everywhere=True) == 204
    assert not there.goes_on(production)
    # Of what is not known there is nothing to say.
    assert post(production, "logouts", refresh_token="nonsense").status_code == 204


# In one row with the command that deletes what has ended.
@pytest.mark.beside("choosy")
def test_one_has_to_log_in_again_after_a_while(fleeting: Service) -> None:
    login = log_in(fleeting, somebody(fleeting))
    time.sleep(1.1)
    assert not login.goes_on(fleeting)
    assert fleeting.metric("auth_refreshes_total", outcome="expired") == 1


# -- keys --------------------------------------------------------------------------------------------------------------


def kid(login: Login) -> str:
    return str(claims(login, 0)["kid"])


def published(service: Service) -> dict[str, dict[str, Any]]:
    answer = service.http.get("/.well-known/jwks.json")
    return {one["kid"]: one for one in answer.json()["keys"]}


@pytest.mark.beside("rotating")
def test_keys_come_and_go_while_the_service_runs(rotating: Service, own_keys: Path) -> None:
    name = somebody(rotating)
    old = log_in(rotating, name)
    make(own_keys, "2.pem")
    new = eventually(lambda: signed_by_another(rotating, name, old), pause=0.3)
    assert published(rotating).keys() == {kid(old), kid(new)}
    assert (me(rotating, old).status_code, me(rotating, new).status_code) == (200, 200)
    # Keys that cannot be read change nothing, and somebody is told.
    (own_keys / "3.pem").write_text("half of it")
    assert eventually(lambda: published(rotating) and rotating.lines(event="auth.keys_not_read"), pause=0.3)
    assert kid(log_in(rotating, name)) == kid(new)
    (own_keys / "3.pem").unlink()
    (own_keys / "1.pem").unlink()
    eventually(lambda: published(rotating).keys() == {kid(new)}, pause=0.3)
    fresh = log_in(rotating, name)
    assert (me(rotating, fresh).status_code, kid(fresh)) == (200, kid(new))
    # Believed a moment ago, and no more.
    assert me(rotating, old).status_code == 401


def signed_by_another(service: Service, name: str, than: Login) -> Any:
    login = log_in(service, name)
    return login if kid(login) != kid(than) else None


def test_what_is_published_signs_nothing(production: Service) -> None:
    (key,) = published(production).values()
    assert key.keys() == {"kty", "crv", "x", "y", "use", "kid", "alg"}


def test_the_command_makes_a_key_that_others_cannot_read(tmp_path: Path) -> None:
    for _ in range(2):
        called("app.chassis.tokens.manage", str(tmp_path / "keys"))
    first, second = sorted((tmp_path / "keys").iterdir())
    assert [one.stat().st_mode & 0o777 for one in (first, second)] == [0o600, 0o600]
    assert list(signing.keys_in(tmp_path / "keys"))[-1] == signing.key_of(second.read_bytes()).thumbprint()


def test_a_key_that_would_not_sign_is_not_made(tmp_path: Path) -> None:
    make(tmp_path, "key.pem")
    with pytest.raises(AssertionError, match=r"key\.pem would go on signing"):
        called("app.chassis.tokens.manage", str(tmp_path))


def test_a_change_of_roles_counts_with_the_next_token(production: Service) -> None:
    name = somebody(production)
    login = log_in(production, name)
    run(production, "roles", name, "clerk")
    assert claims(login)["roles"] == []
    assert claims(login.renewed(production))["roles"] == ["clerk"]
