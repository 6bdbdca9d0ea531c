"""Certificates that this service shows to those it calls: to a rendered service, and to a server that notes them."""

import shutil
import socket
import ssl
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, ClassVar

import pytest

from app.chassis.client import Client
from app.chassis.outbound import ClientCertificate, Unreachable, http_client
from tests.chassis.calling import Caller
from tests.chassis.certificates import Authority, Identity
from tests.chassis.faulty import Asked, Faulty, reply, serving
from tests.chassis.outbound_clients import a_name, client_of, metrics_of, rules
from tests.chassis.running import Service


@dataclass
class Noting(Faulty):
    """Asks for a certificate, notes the number of the one that it is shown, and closes the connection."""

    scheme: ClassVar = "https"
    context: ssl.SSLContext = field(default_factory=lambda: ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER))
    shown: list[int | None] = field(default_factory=list)

    def serve(self, connection: socket.socket) -> None:
        with suppress(OSError), self.context.wrap_socket(connection, server_side=True) as encrypted:
            shown = encrypted.getpeercert() or {}
            self.shown.append(int(str(shown["serialNumber"]), 16) if shown else None)
            super().serve(encrypted)

    def answer(self, connection: socket.socket, _asked: Asked, _count: int) -> bool:
        connection.sendall(reply(200, b"", "connection: close\r\n"))
        return False


@contextmanager
def noting(authority: Authority, identity: Identity) -> Iterator[Noting]:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=authority.ca)
    context.load_cert_chain(identity.cert, identity.key)
    context.verify_mode = ssl.CERT_OPTIONAL
    with serving(Noting(context=context)) as server:
        yield server


@pytest.fixture
def server(authority: Authority, server_identity: Identity) -> Iterator[Noting]:
    with noting(authority, server_identity) as made:
        yield made


@pytest.fixture
def mine(tmp_path: Path, authority: Authority) -> ClientCertificate:
    """Files of this test alone."""
    identity = authority.issue("mine")
    return ClientCertificate(
        shutil.copy(identity.cert, tmp_path / "tls.crt"), shutil.copy(identity.key, tmp_path / "tls.key"), authority.ca
    )


def put(identity: Identity, files: ClientCertificate) -> None:
    replace_file(files.cert, identity.cert)
    replace_file(files.key, identity.key)


def replace_file(old: Path | str, new: Path) -> None:
    """As who renews them does: there is no moment with half a file."""
    Path(shutil.copy(new, f"{old}.new")).replace(old)


def number_of(identity: Identity) -> int:
    from cryptography import x509  # noqa: PLC0415

    return x509.load_pem_x509_certificate(identity.cert.read_bytes()).serial_number


def client_to(service: Service, certificate: ClientCertificate | None = None, **options: Any) -> Client:
    service.ready()
    url = f"https://127.0.0.1:{service.port}"
    return http_client(a_name(), base_url=url, certificate=certificate, rules=rules(), **options)


# -- with a rendered service


def test_a_service_that_asks_for_a_certificate_gets_it(calls: Caller, mutual: Service, mine: ClientCertificate) -> None:
    client = client_to(mutual, mine)
    assert calls.get(client, "/probe/ok").status_code == 200
    assert metrics_of(client)["outbound_requests_total.ok"] == 1


def test_without_one_there_is_no_call(calls: Caller, mutual: Service, authority: Authority) -> None:
    with pytest.raises(Unreachable):
        calls.get(client_to(mutual, verify=authority.trust()), "/probe/ok")


def test_one_that_the_service_does_not_know_does_not_help(
    calls: Caller, mutual: Service, authority: Authority, strangers: Authority
) -> None:
    stranger = strangers.issue("stranger")
    with pytest.raises(Unreachable):
        calls.get(client_to(mutual, ClientCertificate(stranger.cert, stranger.key, authority.ca)), "/probe/ok")


def test_a_service_that_this_one_does_not_know_is_not_called(
    calls: Caller, encrypted: Service, mine: ClientCertificate, strangers: Authority
) -> None:
    with pytest.raises(Unreachable):
        calls.get(client_to(encrypted, replace(mine, ca=strangers.ca)), "/probe/stranger")
    # Nor when it counts on the system's authorities.
    with pytest.raises(Unreachable):
        calls.get(client_to(encrypted, replace(mine, ca=None)), "/probe/stranger")
    assert not encrypted.lines(path="/probe/stranger")


# -- files that change


def test_files_that_are_renewed_are_read_again(
    calls: Caller, server: Noting, mine: ClientCertificate, authority: Authority
) -> None:
    client = client_of(server, certificate=mine)
    before = authority.issue("before")
    put(before, mine)
    calls.get(client, "/")
    calls.get(client, "/")
    after = authority.issue("after")
    put(after, mine)
    calls.get(client, "/")
    assert server.shown == [number_of(before), number_of(before), number_of(after)]


def test_files_that_are_renewed_halfway_change_nothing_yet(
    calls: Caller, server: Noting, mine: ClientCertificate, authority: Authority
) -> None:
    client = client_of(server, certificate=mine)
    before, after = authority.issue("before"), authority.issue("after")
    put(before, mine)
    calls.get(client, "/")
    replace_file(mine.cert, after.cert)
    calls.get(client, "/")
    Path(mine.key).unlink()
    calls.get(client, "/")
    replace_file(mine.key, after.key)
    calls.get(client, "/")
    assert server.shown == [*[number_of(before)] * 3, number_of(after)]


@pytest.mark.parametrize("gone", ["cert", "key", "ca"])
def test_without_its_files_a_client_calls_nobody(
    calls: Caller, server: Noting, mine: ClientCertificate, tmp_path: Path, gone: str
) -> None:
    client = client_of(server, certificate=replace(mine, **{gone: tmp_path / "gone"}))
    with pytest.raises(Unreachable):
        calls.get(client, "/")
    assert not server.shown


# -- for whom it is


def test_a_certificate_is_shown_at_the_base_url_alone(
    calls: Caller, server: Noting, mine: ClientCertificate, authority: Authority, server_identity: Identity
) -> None:
    client = client_of(server, certificate=mine, guarded=False)
    # Those that every other server is held to; the system's do not know this one.
    client.wire.verify = authority.trust()
    with noting(authority, server_identity) as elsewhere:
        assert calls.get(client, elsewhere.url).status_code == 200
        assert calls.get(client, "/").status_code == 200
        assert elsewhere.shown == [None]
    assert server.shown != [None]


def test_a_certificate_that_would_not_be_shown_is_refused(mine: ClientCertificate) -> None:
    with pytest.raises(TypeError, match="https"):
        http_client(a_name(), base_url="http://127.0.0.1", certificate=mine)
    with pytest.raises(TypeError, match="https"):
        http_client(a_name(), certificate=mine)
    with pytest.raises(TypeError, match="context"):
        http_client(a_name(), base_url="https://127.0.0.1", certificate=mine, verify=ssl.create_default_context())
