"""The certificate that this service shows to one that it calls (mutual TLS), from files that others renew."""

import ssl
from dataclasses import dataclass
from pathlib import Path
from threading import Lock
from typing import Final

import structlog

log = structlog.get_logger()
# Else OpenSSL asks for it on the terminal.
NO_PASSWORD: Final = ""
ALPN: Final = ["http/1.1"]


@dataclass(frozen=True, slots=True)
class ClientCertificate:
    """Files: a certificate with those between it and its CA, its key, and the CAs of the other side.

    They are read when a connection is made, and again when one of them has changed. Without `ca` the system's count.
    """

    cert: Path | str
    key: Path | str
    ca: Path | str | None = None


class Papers:
    """What connections of one client show, as new as the files are; safe for threads."""

    def __init__(self, name: str, files: ClientCertificate) -> None:
        self.name = name
        self.files = files
        self._lock = Lock()
        self._seen: tuple[tuple[int, ...], ...] = ()
        self._context: ssl.SSLContext | None = None

    def context(self) -> ssl.SSLContext:
        """For a new connection; reads files. Raises OSError when there has never been anything to read."""
        with self._lock:
            try:
                seen = self.look()
                if self._context is None or seen != self._seen:
                    self._context, self._seen = read(self.files), seen
            except OSError as error:
                # Perhaps one of two files has been replaced so far: the next connection looks again.
                log.warning("certificate.unusable", client=self.name, file=str(self.files.cert), reason=str(error))
                if self._context is None:
                    raise
            return self._context

    def look(self) -> tuple[tuple[int, ...], ...]:
        """What changes when a file does, or the link that leads to it."""
        files = (self.files.cert, self.files.key, self.files.ca)
        found = [Path(one).stat() for one in files if one is not None]
        return tuple((one.st_mtime_ns, one.st_ino, one.st_size) for one in found)


def read(files: ClientCertificate) -> ssl.SSLContext:
    """A new one: connections that are being made use the old one. Raises OSError, of which SSLError is one."""
    if files.ca is None:
        import httpx2  # noqa: PLC0415 - a service without clients need not import it

        context = httpx2.create_ssl_context()
    else:
        context = ssl.create_default_context(cafile=files.ca)
    context.load_cert_chain(files.cert, files.key, NO_PASSWORD)
    context.set_alpn_protocols(ALPN)
    return context
