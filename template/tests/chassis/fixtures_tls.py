"""Services that terminate TLS themselves, one of them for known clients alone."""

import pytest

from tests.chassis.certificates import Authority, Identity
from tests.chassis.conftest import Start
from tests.chassis.outage import free_port
from tests.chassis.running import Service

EARLY = ("encrypted", "mutual")


@pytest.fixture(scope="session")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture(scope="session")
def strangers(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    """One that nobody trusts."""
    return Authority(tmp_path_factory.mktemp("strangers"))


@pytest.fixture(scope="session")
def server_identity(authority: Authority) -> Identity:
    return authority.issue("server", "127.0.0.1", "localhost")


@pytest.fixture(scope="session")
def encrypted(start: Start, server_identity: Identity) -> Service:
    """Shows a certificate and asks for none. Its probes are plain HTTP, on the management port."""
    files = {"TLS_CERT": str(server_identity.cert), "TLS_KEY": str(server_identity.key)}
    return start(**files, MANAGEMENT_PORT=str(free_port()))


@pytest.fixture(scope="session")
def mutual(start: Start, authority: Authority, server_identity: Identity) -> Service:
    """Serves only those who show a certificate of this authority."""
    files = {"TLS_CERT": server_identity.cert, "TLS_KEY": server_identity.key, "TLS_CLIENT_CA": authority.ca}
    return start(**{name: str(path) for name, path in files.items()}, MANAGEMENT_PORT=str(free_port()))
