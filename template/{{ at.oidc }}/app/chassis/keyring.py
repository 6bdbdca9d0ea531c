"""The keys of an OpenID provider: fetched when they are needed, kept when it is away."""

import threading
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final

import httpx2
import orjson
import structlog
from joserfc import jwk, jwt
from joserfc.errors import JoseError

from app.chassis import signatures
from app.chassis.errors import Unavailable
from app.chassis.issuer import check_url

if TYPE_CHECKING:
    from app.chassis.issuer import Settings

KINDS: Final = frozenset({"RSA", "EC", "OKP"})
LEAST_RSA_BITS: Final = 2048
UNUSABLE: Final = (JoseError, ValueError, TypeError, LookupError, AttributeError)
MOST_KEYS: Final = 100
MOST_BYTES: Final = 1 << 20
FETCH_SECONDS: Final = 5.0
EMPTY_PAUSE: Final = 5.0
MOST_WAITING: Final = 3
"""Requests that wait for keys at a time; of as many threads as a service has, most must stay."""
log = structlog.get_logger()


class Keyring:
    """Safe for threads. `ttl` and `pause` are in seconds, see OIDC_KEYS_TTL and OIDC_KEYS_PAUSE."""

    def __init__(self, issuer: str, *, ttl: float, pause: float) -> None:
        self.issuer, self.ttl, self.pause = issuer, ttl, pause
        self.keys: dict[str, Any] = {}
        self.fetches = {"fetched": 0, "failed": 0}
        self._fetched = self._tried = -float("inf")
        self._fetching = threading.Lock()
        self._waiting = threading.BoundedSemaphore(MOST_WAITING)
        self._own: Any = None

    # -- which key -----------------------------------------------------------------------------------------------------

    def lacks(self, key_id: str) -> bool:
        """Whether somebody has to look for this key: who does finds out, or waits for who is at it."""
        known = key_id in self.keys if key_id else bool(self.keys)
        return not known and (self._fetching.locked() or self._may_ask())

    def is_old(self) -> bool:
        """Whether the keys should be fetched again; those that are there are good meanwhile."""
        return time.monotonic() - self._fetched > self.ttl and self._may_ask() and not self._fetching.locked()

    def _may_ask(self) -> bool:
        # Without any key nobody can be let in.
        return time.monotonic() - self._tried >= (self.pause if self.keys else min(self.pause, EMPTY_PAUSE))

    # -- from where ----------------------------------------------------------------------------------------------------

    def refresh(self) -> None:
        """Fetch the keys, unless somebody has just tried: tokens with invented keys do not hammer the issuer.

        Raises Unavailable when enough others wait for it: threads are there for those whose key is known, too.
        """
        if not self._waiting.acquire(blocking=False):
            raise Unavailable("Credentials cannot be checked now; try again.")
        try:
            self._refresh()
        finally:
            self._waiting.release()

    def refresh_quietly(self) -> None:
        """In the background: if it has to be somebody else who does it, somebody else does."""
        with suppress(Unavailable):
            self.refresh()

    def _refresh(self) -> None:
        with self._fetching:
            if not self._may_ask():
                return
            try:
                found = fetched(self.issuer)
            except Exception as error:  # noqa: BLE001 - whatever it says, the keys that are there stay
                self.fetches["failed"] += 1
                log.warning(
                    "oidc.keys_not_fetched", issuer=self.issuer, reason=f"{type(error).__name__}: {error}"[:300]
                )
            else:
                self.fetches["fetched"] += 1
                self.keys, self._fetched = found, time.monotonic()
                log.info("oidc.keys_fetched", issuer=self.issuer, keys=len(found))
            finally:
                self._tried = time.monotonic()

    # -- whether it signed ---------------------------------------------------------------------------------------------

    def verify(self, token: str, key_id: str, settings: "Settings") -> dict[str, Any] | str:
        """The claims, or `reason: why` it is not valid. Raises Unavailable while no key was ever fetched."""
        if not self.keys:
            raise Unavailable("Credentials cannot be checked now; try again.")
        # An issuer with one key need not name it.
        key = self.keys.get(key_id) if key_id else next(iter(self.keys.values())) if len(self.keys) == 1 else None
        if key is None:
            return "unknown: kid"
        return signatures.verified(
            token,
            key,
            issuer=settings.oidc_issuer,
            audience=settings.oidc_audience,
            leeway=settings.oidc_leeway,
        )

    def sign(self, claims: dict[str, Any]) -> str:
        """For tests: a token that this process takes, and no other."""
        if self._own is None:
            self._own = jwk.generate_key("EC", "P-256", {"kid": "of-this-process"})
        self.keys["of-this-process"] = self._own
        # Whoever answers where no provider is meant to be is not asked.
        self._fetched = time.monotonic()
        return jwt.encode({"alg": "ES256", "kid": "of-this-process"}, claims, self._own)


def fetched(issuer: str) -> dict[str, Any]:
    """The issuer's keys by their id. Raises ValueError or HTTPError; nothing of what it says is believed unchecked."""
    with httpx2.Client(timeout=FETCH_SECONDS, follow_redirects=False) as client:
        about = document(client, f"{issuer.rstrip('/')}/.well-known/openid-configuration")
        if about.get("issuer") != issuer:
            raise ValueError(f"the discovery document is of another issuer, {str(about.get('issuer'))[:100]!r}")
        listed = document(client, check_url(str(about.get("jwks_uri")))).get("keys")
    if not isinstance(listed, list):
        raise ValueError("the key set has no list of keys")  # noqa: TRY004 - somebody else's value
    found = {}
    for one in listed[:MOST_KEYS]:
        key = usable(one)
        if key is not None:
            found[str(one["kid"])] = key
    if not found:
        raise ValueError("the key set has no key that can verify a token")
    return found


def usable(one: Any) -> Any:
    """The key, if it is one that tokens may be signed with; a provider may have others, of kinds yet unheard of."""
    try:
        if one["kty"] not in KINDS or one.get("use", "sig") != "sig" or not 0 < len(one["kid"]) <= signatures.MOST_NAME:
            return None
        # Six bits are a character of the modulus; joserfc would only warn of a short one.
        if one["kty"] == "RSA" and 6 * len(one["n"].rstrip("=")) < LEAST_RSA_BITS:
            return None
        return jwk.import_key(one)
    except UNUSABLE:
        return None


def document(client: httpx2.Client, url: str) -> dict[str, Any]:
    with client.stream("GET", url, headers={"accept": "application/json"}) as answer:
        if answer.status_code != 200:
            raise ValueError(f"{url} answers {answer.status_code}")
        body, until = b"", time.monotonic() + FETCH_SECONDS
        for chunk in answer.iter_bytes():
            body += chunk
            if len(body) > MOST_BYTES or time.monotonic() > until:
                raise ValueError(f"{url} answers too much or too slowly")
    try:
        found = orjson.loads(body)
    except ValueError:
        raise ValueError(f"{url} answers no JSON") from None
    if not isinstance(found, dict):
        raise ValueError(f"{url} answers no JSON object")  # noqa: TRY004 - as above
    return found
