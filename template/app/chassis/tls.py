"""TLS that the service terminates itself: its files are looked at before it listens."""

import ssl
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Final

EXAMPLES: Final = {"TLS_CERT": "/etc/tls/tls.crt", "TLS_KEY": "/etc/tls/tls.key", "TLS_CLIENT_CA": "/etc/tls/ca.crt"}
PEM: Final = "-----BEGIN"
# Else OpenSSL asks for it on the terminal.
NO_PASSWORD: Final = ""


def problems(cert: Path | None, key: Path | None, client_ca: Path | None) -> Iterator[str]:
    """One line for every variable whose file is missing, unreadable, or not what it has to be."""
    files = {"TLS_CERT": cert, "TLS_KEY": key, "TLS_CLIENT_CA": client_ca}
    found = {name: text for name, path in files.items() if (text := unreadable(name, path))}
    if client_ca is not None and "TLS_CLIENT_CA" not in found and not has_certificates(client_ca):
        found["TLS_CLIENT_CA"] = f"{client_ca} has no certificate in it"
    if cert is not None and key is not None and not found.keys() & {"TLS_CERT", "TLS_KEY"}:
        found |= mismatched(cert, key)
    for name, text in found.items():
        yield f"{name}: {text} (example: {name}={EXAMPLES[name]})"


def unreadable(name: str, path: Path | None) -> str:
    if path is None:
        return "" if name == "TLS_CLIENT_CA" else "is needed too: TLS takes a certificate and its key"
    if PEM in str(path):
        # SECRETS_DIR has a file of this name, or somebody means well. It may be the key: it is not shown.
        return "is the path of a file, not what is in it"
    try:
        path.read_bytes()
    except OSError as error:
        return f"{path} cannot be read: {error.strerror}"
    return ""


def mismatched(cert: Path, key: Path) -> dict[str, str]:
    if not has_certificates(cert):
        return {"TLS_CERT": f"{cert} has no certificate in it"}
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    try:
        server.load_cert_chain(cert, key, NO_PASSWORD)
    except ssl.SSLError as error:
        if error.reason == "KEY_VALUES_MISMATCH":
            return {"TLS_KEY": f"{key} is not the key of the first certificate in {cert}"}
        return {"TLS_KEY": f"{key} cannot be used: {error.reason or 'no key, or one with a password'}"}
    try:
        shake_hands(server, cert)
    except ssl.SSLError as error:
        return {"TLS_CERT": f"{cert} would be refused: {getattr(error, 'verify_message', error.reason)}"}
    return {}


def has_certificates(path: Path) -> bool:
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(path)
    except ssl.SSLError:
        return False
    return True


def shake_hands(server: ssl.SSLContext, cert: Path) -> None:
    """With a client that trusts this very certificate. Raises SSLError: it has expired, or is not one of a server."""
    trusting = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    trusting.check_hostname = False
    trusting.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    trusting.load_verify_locations(cert)
    there, back = ssl.MemoryBIO(), ssl.MemoryBIO()
    sides = (trusting.wrap_bio(back, there), server.wrap_bio(there, back, server_side=True))
    # Hello and hello, finished and finished.
    for side in sides * 2:
        with suppress(ssl.SSLWantReadError):
            side.do_handshake()
