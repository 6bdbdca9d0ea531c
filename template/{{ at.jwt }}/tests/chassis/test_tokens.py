"""Access tokens of this service: what its own keys signed is believed, whatever else looks like it is not."""

import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from joserfc.jwk import ECKey, OKPKey, RSAKey

from app.chassis import about, tokens
from app.chassis.tokens import signing
from app.chassis.tokens.signing import Keys
from tests.chassis.conftest import Start
from tests.chassis.forgeries import ATTACKS, Issuer
from tests.chassis.keys import keys, make
from tests.chassis.running import Service, eventually

MORE: dict[str, Callable[[Issuer], str]] = {
    "no beginning": lambda made: made.token(nbf=None),
    "no date": lambda made: made.token(iat=None),
    "of another kind": lambda made: made.token(header={"typ": "JWT"}),
    "of no kind": lambda made: made.token(header={"typ": None}),
    "no name of its own": lambda made: made.token(jti=None),
}
ALL = {**ATTACKS, **MORE}


def issuer() -> Issuer:
    """It has the services' key."""
    return Issuer(about.NAME, about.NAME, dict(keys().known()), signing.TYPE)


def ask(service: Service, token: str) -> Any:
    return service.http.get("/probe/mine", headers={"authorization": f"Bearer {token}"})


def test_what_the_service_signed_is_believed(production: Service) -> None:
    token = issuer().token(scope="probe:read other", tenant="acme")
    assert ask(production, token).json() == {"subject": "ada", "tenant": "acme", "scopes": ["other", "probe:read"]}
    assert ask(production, token).status_code == 200


@pytest.mark.parametrize("name", ALL)
def test_what_only_looks_like_a_token_opens_nothing(production: Service, name: str) -> None:
    token = ALL[name](issuer())
    answer = ask(production, token)
    assert answer.status_code == 401
    assert answer.json()["detail"] == "The credential is not valid."
    assert 'error="invalid_token"' in answer.headers["www-authenticate"]
    # Not the second time either.
    assert ask(production, token).status_code == 401


def test_the_log_says_what_is_wrong_and_not_with_what(production: Service) -> None:
    token = issuer().token(aud="billing-api")
    ask(production, token)
    assert eventually(lambda: production.lines(event="auth.rejected", reason="unknown", why="aud"))
    assert token.rpartition(".")[2] not in production.output()


def test_a_token_is_believed_no_longer_than_it_lasts() -> None:
    settings = tokens.Settings(access_ttl=100)
    made = Keys(None)
    token, seconds = made.issue(settings, subject="ada", scopes=frozenset({"a"}), roles=frozenset(), tenant="")
    verdict = made.verify(token, settings)
    assert not isinstance(verdict, str)
    who, left = verdict
    assert (who.subject, sorted(who.scopes), seconds) == ("ada", ["a"], 100)
    assert 90 < left <= 100 + signing.LEEWAY
    ended = Issuer(about.NAME, about.NAME, dict(made.known()), signing.TYPE).token(
        exp=int(time.time()) - signing.LEEWAY - 1
    )
    assert made.verify(ended, settings) == "expired: exp"


# -- keys


@pytest.mark.parametrize(
    ("kind", "algorithm"), [(ECKey.generate_key("P-256"), "ES256"), (OKPKey.generate_key(), "Ed25519")]
)
def test_keys_of_both_kinds_sign(tmp_path: Path, kind: Any, algorithm: str) -> None:
    (tmp_path / "1.pem").write_bytes(kind.as_pem(private=True))
    made, settings = Keys(tmp_path), tokens.Settings(jwt_keys=tmp_path)
    token, _ = made.issue(settings, subject="ada", scopes=frozenset(), roles=frozenset(), tenant="acme")
    verdict = made.verify(token, settings)
    assert not isinstance(verdict, str)
    assert verdict[0].tenant == "acme"
    (published,) = made.published()["keys"]
    assert (published["alg"], published["kid"], "d" in published) == (algorithm, kind.thumbprint(), False)


def test_the_last_one_by_name_signs(tmp_path: Path) -> None:
    for name in ("b.pem", "c.pem", "a.pem"):
        make(tmp_path, name)
    last = signing.key_of((tmp_path / "c.pem").read_bytes()).thumbprint()
    assert list(Keys(tmp_path).known())[-1] == last
    # Be it there under another name, too.
    (tmp_path / "d.pem").write_bytes((tmp_path / "a.pem").read_bytes())
    assert list(signing.keys_in(tmp_path))[-1] == signing.key_of((tmp_path / "a.pem").read_bytes()).thumbprint()


def test_a_file_that_is_no_key_keeps_none_that_was_taken_away(tmp_path: Path) -> None:
    for name in ("1.pem", "2.pem"):
        make(tmp_path, name)
    made = Keys(tmp_path)
    (gone, stays), before = made.known(), made.look()
    (tmp_path / "1.pem").unlink()
    (tmp_path / "3.pem").write_text("half of it")
    made._looked -= signing.LOOK_SECONDS
    assert list(made.known()) == [stays] != [gone]
    assert made.look() == before + 1
    # But without any nobody could be let in.
    (tmp_path / "2.pem").unlink()
    made._looked -= signing.LOOK_SECONDS
    assert list(made.known()) == [stays]


def test_another_key_in_the_same_place_is_another(tmp_path: Path) -> None:
    make(tmp_path, "1.pem")
    at = (tmp_path / "1.pem").stat().st_mtime_ns
    made = Keys(tmp_path)
    before = list(made.known())
    make(tmp_path, "1.new")
    os.utime(tmp_path / "1.new", ns=(at, at))
    (tmp_path / "1.new").rename(tmp_path / "1.pem")
    made._looked -= signing.LOOK_SECONDS
    assert list(made.known()) != before


def text_in(folder: Path, text: bytes) -> Path:
    (folder / "1.pem").write_bytes(text)
    return folder


def locked(folder: Path) -> Path:
    """Nobody can read a folder as a file, not even who may read everything."""
    text_in(folder, signing.new().as_pem(private=True))
    (folder / "2.pem").symlink_to("/proc/self/mem")
    return folder


@pytest.mark.parametrize(
    ("prepare", "why"),
    [
        (lambda folder: folder / "nowhere", "has no key: `python -m app.chassis.tokens.manage"),
        (lambda folder: folder, "has no key"),
        (lambda folder: text_in(folder, b""), "1.pem is no private key in PEM"),
        (lambda folder: text_in(folder, b"hunter2"), "1.pem is no private key in PEM"),
        (lambda folder: text_in(folder, signing.new().as_pem(private=False)), "is no private key in PEM"),
        (lambda folder: text_in(folder, RSAKey.generate_key(2048).as_pem(private=True)), "is neither a P-256 nor"),
        (lambda folder: text_in(folder, ECKey.generate_key("P-384").as_pem(private=True)), "is neither a P-256 nor"),
        (locked, "cannot be read"),
    ],
    ids=["no folder", "empty", "an empty file", "text", "a public key", "RSA", "another curve", "unreadable"],
)
def test_a_folder_that_has_no_keys_stops_the_start(tmp_path: Path, prepare: Any, why: str) -> None:
    with pytest.raises(ValueError, match=why) as refused:
        tokens.Settings(jwt_keys=prepare(tmp_path))
    assert "hunter2" not in str(refused.value)


@pytest.mark.parametrize(
    ("name", "value", "why"),
    [
        ("JWT_KEYS", None, "is missing: `python -m app.chassis.tokens.manage"),
        ("JWT_KEYS", "/nowhere", "has no key"),
        ("ACCESS_TTL", "86400", "less than or equal to 3600"),
    ],
)
def test_a_wrong_setting_of_tokens_stops_the_start(start: Start, name: str, value: str | None, why: str) -> None:
    service = start(**{name: value})
    assert service.exit_status() == 2
    (line,) = service.stderr.read_text().splitlines()
    assert why in line
