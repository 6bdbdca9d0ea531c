"""TLS by the service itself: who is served, what it says of its address, and files that stop the start."""

import ssl
from collections.abc import Callable
from pathlib import Path

import httpx2
import pytest

from app.chassis import tls
from tests.chassis.certificates import EXPIRED, Authority, Identity
from tests.chassis.conftest import Start
from tests.chassis.running import PATIENCE, Service

Files = tuple[Path | None, Path | None, Path | None]


def get(service: Service, path: str, context: ssl.SSLContext) -> httpx2.Response:
    service.ready()
    url = f"https://127.0.0.1:{service.port}{path}"
    with httpx2.Client(verify=context, trust_env=False, timeout=PATIENCE) as client:
        return client.get(url)


@pytest.fixture(scope="session")
def known(authority: Authority) -> Identity:
    return authority.issue("known")


# -- who is served


def test_a_client_that_shows_its_certificate_is_served(mutual: Service, authority: Authority, known: Identity) -> None:
    assert get(mutual, "/probe/ok", authority.trust(known)).status_code == 200


def test_a_client_without_a_certificate_is_refused(mutual: Service, authority: Authority) -> None:
    with pytest.raises(httpx2.TransportError):
        get(mutual, "/probe/nobody", authority.trust())
    assert not mutual.lines(path="/probe/nobody")


def test_a_client_of_another_authority_is_refused(mutual: Service, authority: Authority, strangers: Authority) -> None:
    with pytest.raises(httpx2.TransportError):
        get(mutual, "/probe/stranger", authority.trust(strangers.issue("known")))
    assert not mutual.lines(path="/probe/stranger")


def test_a_client_whose_certificate_has_expired_is_refused(mutual: Service, authority: Authority) -> None:
    with pytest.raises(httpx2.TransportError):
        get(mutual, "/probe/late", authority.trust(authority.issue("late", **EXPIRED)))
    assert not mutual.lines(path="/probe/late")


def test_without_an_authority_for_clients_any_client_is_served(encrypted: Service, authority: Authority) -> None:
    context = authority.trust()
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    assert get(encrypted, "/probe/ok", context).status_code == 200


def test_who_trusts_another_authority_does_not_take_it_for_the_service(
    encrypted: Service, strangers: Authority
) -> None:
    with pytest.raises(httpx2.ConnectError):
        get(encrypted, "/probe/ok", strangers.trust())


def test_plain_http_is_not_served(encrypted: Service) -> None:
    with pytest.raises(httpx2.TransportError):
        encrypted.http.get("/probe/ok")


def test_the_service_knows_that_it_was_called_by_https(encrypted: Service, authority: Authority) -> None:
    address = f"https://127.0.0.1:{encrypted.port}/probe/address"
    assert get(encrypted, "/probe/address", authority.trust()).json() == {"address": address}


def test_probes_and_metrics_stay_plain_on_the_management_port(mutual: Service) -> None:
    assert mutual.management.get("/livez").status_code == 200
    assert mutual.metric("app_build_info") == 1


# -- files


def with_a_password(authority: Authority, _: Identity) -> Files:
    from cryptography.hazmat.primitives import serialization as forms  # noqa: PLC0415

    identity = authority.issue("locked", "127.0.0.1")
    key = forms.load_pem_private_key(identity.key.read_bytes(), None)
    how = forms.BestAvailableEncryption(b"s3cret")
    identity.key.write_bytes(key.private_bytes(forms.Encoding.PEM, forms.PrivateFormat.PKCS8, how))
    return identity.cert, identity.key, None


WRONG: dict[str, tuple[Callable[[Authority, Identity], Files], str, str]] = {
    "no key": (lambda _, good: (good.cert, None, None), "TLS_KEY", "is needed too"),
    "no certificate": (lambda _, good: (None, good.key, None), "TLS_CERT", "is needed too"),
    "nothing there": (lambda ca, good: (ca.folder / "gone", good.key, None), "TLS_CERT", "No such file"),
    "a folder": (lambda ca, good: (good.cert, ca.folder, None), "TLS_KEY", "Is a directory"),
    "another's key": (lambda ca, good: (good.cert, ca.issue("other").key, None), "TLS_KEY", "is not the key"),
    "a password": (with_a_password, "TLS_KEY", "one with a password"),
    "a key twice": (lambda _, good: (good.key, good.key, None), "TLS_CERT", "no certificate in it"),
    "no authority": (lambda _, good: (good.cert, good.key, good.key), "TLS_CLIENT_CA", "no certificate in it"),
    "too old": (lambda ca, _: (*vars(ca.issue("old", **EXPIRED)).values(), None), "TLS_CERT", "has expired"),
}


@pytest.mark.parametrize("case", WRONG)
def test_a_file_that_cannot_be_used_is_named(authority: Authority, server_identity: Identity, case: str) -> None:
    files, name, why = WRONG[case]
    (line,) = tls.problems(*files(authority, server_identity))
    assert line.startswith(f"{name}: ")
    assert why in line
    assert "(example: " in line


def test_what_is_in_the_file_is_no_path_and_is_not_shown(server_identity: Identity) -> None:
    key = server_identity.key.read_text()
    (line,) = tls.problems(server_identity.cert, Path(key), None)
    assert line.startswith("TLS_KEY: is the path of a file")
    assert key.splitlines()[1] not in line


def test_good_files_are_no_problem(authority: Authority, server_identity: Identity) -> None:
    assert list(tls.problems(server_identity.cert, server_identity.key, authority.ca)) == []


def test_wrong_files_stop_the_start(start: Start, authority: Authority, server_identity: Identity) -> None:
    service = start(TLS_CERT=str(server_identity.cert), TLS_CLIENT_CA=str(authority.folder / "gone"))
    assert service.exit_status() == 2
    lines = service.stderr.read_text().splitlines()
    assert [line.partition(":")[0] for line in lines] == ["TLS_KEY", "TLS_CLIENT_CA"]
