"""Tokens as good or as bad as a test wants them."""

import hmac
import json
import time
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Callable
from typing import Any
from uuid import uuid4

from joserfc import jwk, jwt
from joserfc.jws import JWSRegistry

ANYTHING = JWSRegistry(algorithms=["ES256", "RS256", "Ed25519", "HS256", "none", "PS256"], strict_check_header=False)
STRANGER = jwk.generate_key("EC", "P-256", {"kid": "one"})


class Issuer:
    """Whoever signs: with the first of `keys`."""

    def __init__(self, url: str, audience: str, keys: dict[str, Any], kind: str | None = None) -> None:
        self.url, self.audience, self.keys, self.kind = url, audience, keys, kind

    def name(self) -> str:
        return next(iter(self.keys))

    def key(self) -> Any:
        return self.keys[self.name()]

    def token(
        self, subject: Any = "ada", *, header: dict[str, Any] | None = None, key: Any = None, **claims: Any
    ) -> str:
        """A good one, but for what is given; what is None is left out."""
        head = {"alg": "ES256", "kid": self.name(), "typ": self.kind} | (header or {})
        now = int(time.time())
        said = {"iss": self.url, "aud": self.audience, "sub": subject, "iat": now, "nbf": now, "exp": now + 300}
        said |= {"jti": uuid4().hex} | claims
        return jwt.encode(
            {part: value for part, value in head.items() if value is not None},
            {claim: value for claim, value in said.items() if value is not None},
            key or self.key(),
            registry=ANYTHING,
        )


def piece(value: Any) -> str:
    return urlsafe_b64encode(value if isinstance(value, bytes) else json.dumps(value).encode()).decode().rstrip("=")


def with_header(token: str, **header: Any) -> str:
    """The same token with another header, and the signature of the old one."""
    head, rest = token.split(".", 1)
    return f"{piece(json.loads(urlsafe_b64decode(head + '==')) | header)}.{rest}"


def forged(made: Issuer, sign: Callable[[bytes], bytes], *, body: bytes = b"", **header: Any) -> str:
    """What no library would make."""
    unsigned = f"{piece(header)}.{piece(body) if body else made.token().split('.')[1]}"
    return f"{unsigned}.{piece(sign(unsigned.encode()))}"


def public_key_as_secret(made: Issuer) -> str:
    """Whoever takes any algorithm takes what everybody can read for a secret."""
    secret = made.key().as_pem(private=False)
    return forged(made, lambda text: hmac.digest(secret, text, "sha256"), alg="HS256", kid=made.name())


def signed_by(made: Issuer) -> Callable[[bytes], bytes]:
    return lambda text: ANYTHING.get_alg("ES256").sign(text, made.key())


def extended(made: Issuer) -> str:
    return forged(made, signed_by(made), alg="ES256", kid=made.name(), crit=["evil"], evil=True)


ATTACKS: dict[str, Callable[[Issuer], str]] = {
    "no algorithm": lambda made: f"{piece({'alg': 'none', 'kid': made.name()})}.{made.token().split('.')[1]}.",
    "another spelling of no algorithm": lambda made: with_header(made.token(), alg="nOnE"),
    "the public key as a secret": public_key_as_secret,
    "an algorithm that the key is not for": lambda made: with_header(made.token(), alg="RS256"),
    "a stranger's key": lambda made: made.token(key=STRANGER, header={"kid": made.name()}),
    "the key in the token": lambda made: made.token(
        key=STRANGER, header={"kid": made.name(), "jwk": STRANGER.as_dict(private=False)}
    ),
    "the key somewhere else": lambda made: made.token(
        key=STRANGER,
        header={"kid": made.name(), "jku": "https://evil.example.com/keys", "x5u": "https://evil.example.com"},
    ),
    "a key that is a path": lambda made: made.token(header={"kid": "../../../../dev/null"}, key=STRANGER),
    "a key that is a URL": lambda made: made.token(header={"kid": "https://evil.example.com/key"}, key=STRANGER),
    "a key that is SQL": lambda made: made.token(header={"kid": "' UNION SELECT 'secret"}, key=STRANGER),
    "a key that is empty": lambda made: made.token(header={"kid": ""}),
    "a key without a name": lambda made: with_header(made.token(key=STRANGER), kid=None),
    "a key that is too long": lambda made: made.token(header={"kid": "x" * 300}),
    "an extension that must be understood": extended,
    "another issuer": lambda made: made.token(iss="https://evil.example.com"),
    "an issuer that begins alike": lambda made: made.token(iss=f"{made.url}.evil.example.com"),
    "no issuer": lambda made: made.token(iss=None),
    "another audience": lambda made: made.token(aud="billing-api"),
    "many other audiences": lambda made: made.token(aud=["billing-api", f"{made.audience}2"]),
    "no audience": lambda made: made.token(aud=None),
    "an end in the past": lambda made: made.token(exp=int(time.time()) - 60),
    "no end": lambda made: made.token(exp=None),
    "an end that is text": lambda made: made.token(exp="tomorrow"),
    "an end that never comes": lambda made: made.token(exp=True),
    "a begin in the future": lambda made: made.token(nbf=int(time.time()) + 60),
    "made in the future": lambda made: made.token(iat=int(time.time()) + 3600),
    "no subject": lambda made: made.token(None),
    "an empty subject": lambda made: made.token(""),
    "a subject that is a number": lambda made: made.token(7),
    "a subject that looks like another": lambda made: made.token("\u0430da"),
    "a subject with a space": lambda made: made.token("ada "),
    "a subject that is too long": lambda made: made.token("a" * 256),
    "a tenant that is a list": lambda made: made.token(tenant=["acme"]),
    "no signature": lambda made: made.token().rpartition(".")[0] + ".",
    "two pieces": lambda made: made.token().rpartition(".")[0],
    "five pieces": lambda made: f"{made.token()}.a.b",
    "other claims": lambda made: swapped(made.token(), {"sub": "bob"}),
    "claims that are a list": lambda made: swapped(made.token(), []),
    "claims that are no JSON": lambda made: swapped(made.token(), b"\xff"),
    "a header that is no JSON": lambda made: f"{piece(b'{')}.{made.token().split('.', 1)[1]}",
    "a header that is a list with the name of a member": lambda made: (
        f"{piece(['alg'])}.{made.token().split('.', 1)[1]}"
    ),
    "an extension that is a number": lambda made: with_header(made.token(), crit=5),
    "an extension that is nothing": lambda made: with_header(made.token(), crit=None),
    "an extension that is a list of lists": lambda made: with_header(made.token(), crit=[[]]),
    "an end that no clock knows": lambda made: made.token(exp=10**400),
    "claims that are deep": lambda made: forged(
        made,
        lambda text: ANYTHING.get_alg("ES256").sign(text, made.key()),
        body=b"[" * 5000,
        alg="ES256",
        kid=made.name(),
    ),
    "a header that is a list": lambda made: f"{piece([])}.{made.token().split('.', 1)[1]}",
    "nothing but dots": lambda _made: "..",
}


def swapped(token: str, claims: Any) -> str:
    head, _, signature = token.split(".")
    return f"{head}.{piece(claims)}.{signature}"
