"""Certificates that a test makes: an authority of its own, those whom it knows, and strangers."""

import ssl
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

EXPIRED = {"not_before": datetime(2020, 1, 1, tzinfo=UTC), "not_after": datetime(2021, 1, 1, tzinfo=UTC)}


@dataclass(frozen=True)
class Identity:
    """A certificate with its key, as files."""

    cert: Path
    key: Path


class Authority:
    """Issues certificates into a folder; `ca` is the file that those have who trust it."""

    def __init__(self, folder: Path) -> None:
        # It brings `cryptography`, which most tests need not import.
        import trustme  # noqa: PLC0415

        folder.mkdir(exist_ok=True)
        self.folder = folder
        self.issuer = trustme.CA()
        self.ca = folder / "ca.pem"
        self.issuer.cert_pem.write_to_path(self.ca)

    def issue(self, name: str, *hosts: str, **when: Any) -> Identity:
        """One for these hosts, by default for a client called `name`; issued again, it has another key."""
        made = self.issuer.issue_cert(*(hosts or (f"{name}.example.com",)), **when)
        identity = Identity(self.folder / f"{name}.pem", self.folder / f"{name}.key")
        identity.cert.write_bytes(b"".join(one.bytes() for one in made.cert_chain_pems))
        identity.key.write_bytes(made.private_key_pem.bytes())
        return identity

    def trust(self, identity: Identity | None = None) -> ssl.SSLContext:
        """What a client has that trusts this authority, and shows who it is."""
        context = ssl.create_default_context(cafile=self.ca)
        if identity is not None:
            context.load_cert_chain(identity.cert, identity.key)
        return context
