"""The keys that sign access tokens: read from a folder, and again when it changes, so that nobody has to restart."""

import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final
from uuid import uuid4

import structlog
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, EllipticCurvePrivateKey
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from joserfc import jwt
from joserfc.jwk import ECKey, OKPKey

from app.chassis import signatures, tokens
from app.chassis.auth import Principal

LOOK_SECONDS: Final = 1.0
"""How often the folder is looked at, at most."""
LEEWAY: Final = 5
"""Seconds that the clocks of two instances may differ."""
TYPE: Final = "at+jwt"
NO_KEY: Final = (ValueError, TypeError, UnsupportedAlgorithm)
log = structlog.get_logger()

Key = ECKey | OKPKey
Stamp = tuple[tuple[str, int, int, int, int], ...]


def algorithm(key: Key) -> str:
    return "ES256" if isinstance(key, ECKey) else "Ed25519"


def new() -> Key:
    return ECKey.generate_key("P-256")


def key_of(pem: bytes) -> Key:
    """Raises ValueError for what is no private key of P-256 or Ed25519."""
    try:
        found = load_pem_private_key(pem, None)
    except NO_KEY:
        raise ValueError("is no private key in PEM without a password") from None
    if isinstance(found, Ed25519PrivateKey):
        return OKPKey.import_key(pem)
    if isinstance(found, EllipticCurvePrivateKey) and isinstance(found.curve, SECP256R1):
        return ECKey.import_key(pem)
    raise ValueError("is neither a P-256 nor an Ed25519 key")


def files_in(folder: Path) -> list[Path]:
    return sorted(path for path in folder.glob("*.pem") if path.is_file())


def stamp_of(folder: Path) -> Stamp:
    """What changes when a key comes or goes."""
    found = ((path.name, path.stat()) for path in files_in(folder))
    # All keys of a kind are of one size, and a copy may keep the time of its original.
    return tuple((name, at.st_ino, at.st_ctime_ns, at.st_mtime_ns, at.st_size) for name, at in found)


def key_in(path: Path) -> Key:
    """Raises ValueError, with the name of the file."""
    try:
        return key_of(path.read_bytes())
    except OSError as error:
        raise ValueError(f"{error.filename or path} cannot be read: {error.strerror}") from None
    except ValueError as error:
        raise ValueError(f"{path} {error}") from None


def keys_in(folder: Path, *, bear: Callable[[ValueError], None] | None = None) -> dict[str, Key]:
    """The keys by their id, RFC 7638's thumbprint; the last one signs.

    Raises ValueError for a folder without a key, and for a file that is none unless `bear` takes it.
    """
    found: dict[str, Key] = {}
    for path in files_in(folder):
        try:
            key = key_in(path)
        except ValueError as error:
            if bear is None:
                raise
            bear(error)
            continue
        # Whichever comes last by its name is last here, be it there twice.
        found.pop(key.thumbprint(), None)
        found[key.thumbprint()] = key
    if not found:
        raise ValueError(f"{folder} has no key: `python -m app.chassis.tokens.manage {folder}` makes one")
    return found


def complain(error: Exception) -> None:
    log.error("auth.keys_not_read", reason=str(error))


class Keys:
    """Safe for threads. Without a folder, as in development, a key that ends with the process."""

    def __init__(self, folder: Path | None) -> None:
        self.folder = folder
        self._stamp: Stamp = () if folder is None else stamp_of(folder)
        self._looked = time.monotonic()
        self._reading = threading.Lock()
        self._generation = 0
        made = new()
        self._keys = {made.thumbprint(): made} if folder is None else keys_in(folder)

    def known(self) -> dict[str, Key]:
        """The keys as the folder has them; those that it had last when there is none that could be read."""
        self.look()
        return self._keys

    def look(self) -> int:
        """Read the folder again if it has changed; another number each time that the keys have."""
        now = time.monotonic()
        if self.folder is not None and now - self._looked >= LOOK_SECONDS and self._reading.acquire(blocking=False):
            try:
                self._looked = now
                self._read(self.folder)
            finally:
                self._reading.release()
        return self._generation

    def _read(self, folder: Path) -> None:
        try:
            stamp = stamp_of(folder)
            if stamp == self._stamp:
                return
            # A file that cannot be read keeps none in office that was taken away.
            self._keys, self._stamp = keys_in(folder, bear=complain), stamp
            self._generation += 1
        except (ValueError, OSError) as error:
            # Said once a second while it lasts: who rotates keys has to see it.
            complain(error)
        else:
            log.info("auth.keys_read", keys=list(self._keys))

    def published(self) -> dict[str, Any]:
        """The JSON Web Key Set, RFC 7517: the public halves."""
        members = {"use": "sig"}
        return {
            "keys": [
                {**key.as_dict(private=False), **members, "kid": name, "alg": algorithm(key)}
                for name, key in self.known().items()
            ]
        }

    def issue(
        self, settings: "tokens.Settings", *, subject: str, scopes: frozenset[str], roles: frozenset[str], tenant: str
    ) -> tuple[str, int]:
        """An access token, and for how many seconds it is good."""
        name, key = list(self.known().items())[-1]
        now = int(time.time())
        claims: dict[str, Any] = {
            "iss": settings.jwt_issuer,
            "aud": settings.jwt_audience,
            "sub": subject,
            "iat": now,
            "nbf": now,
            "exp": now + settings.access_ttl,
            "jti": uuid4().hex,
            "scope": " ".join(sorted(scopes)),
            "roles": sorted(roles),
        }
        if tenant:
            claims["tenant"] = tenant
        header = {"alg": algorithm(key), "kid": name, "typ": TYPE}
        return jwt.encode(header, claims, key, registry=signatures.REGISTRY), settings.access_ttl

    def verify(self, token: str, settings: "tokens.Settings") -> tuple[Principal, float] | str:
        """Whose token it is and for how many seconds, or `reason: why` it is not valid."""
        name = signatures.key_id(token)
        if name is None:
            return "malformed: header"
        key = self.known().get(name)
        if key is None:
            return "unknown: kid"
        claims = signatures.verified(
            token,
            key,
            issuer=settings.jwt_issuer,
            audience=settings.jwt_audience,
            leeway=LEEWAY,
            complete=True,
            kind=TYPE,
        )
        if isinstance(claims, str):
            return claims
        who = signatures.principal_of(claims, roles="roles", tenant="tenant")
        return "malformed: sub" if who is None else (who, float(claims["exp"]) + LEEWAY - time.time())
