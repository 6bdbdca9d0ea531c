"""Signed tokens: which key one names, whether that key has signed it, and whose it says that it is.

Sources: RFC 7519 (JWT), RFC 8725 (how they are attacked).
"""

from typing import Any, Final

from joserfc import jws, jwt
from joserfc.errors import ClaimError, ExpiredTokenError

from app.chassis import identity
from app.chassis.auth import Principal
from app.chassis.routes import SCOPE

ALGORITHMS: Final = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "Ed25519")
"""Asymmetric ones alone: with a secret that is shared, whoever can verify can sign; and what is public is no secret."""
REGISTRY: Final = jws.JWSRegistry(algorithms=ALGORITHMS, strict_check_header=False)
MOST_NAME: Final = 255


def key_id(token: str) -> str | None:
    """What a token says of the key that signed it, nothing if it says nothing; None for what is no token."""
    try:
        header = jws.extract_compact(token.encode(), registry=REGISTRY).headers()
        name = header.get("kid", "")
        # Nothing here understands an extension that must be understood.
        fits = (
            isinstance(name, str) and len(name) <= MOST_NAME and (name or "kid" not in header) and "crit" not in header
        )
    except Exception:  # noqa: BLE001 - whatever it is, it is no token
        return None
    return name if fits else None


def verified(  # noqa: PLR0913 - what a token is held against
    token: str, key: Any, *, issuer: str, audience: str, leeway: int, complete: bool = False, kind: str = ""
) -> dict[str, Any] | str:
    """The claims, or `reason: why` it is not valid; `leeway` in seconds.

    A `complete` one says when it was made, since when it is good, and which one it is; others need not. `kind` is what
    its header has as its type, if that is asked for.
    """
    claims = jwt.JWTClaimsRegistry(
        leeway=leeway,
        iss={"essential": True, "value": issuer},
        aud={"essential": True, "value": audience},
        sub={"essential": True},
        exp={"essential": True},
        nbf={"essential": complete},
        iat={"essential": complete},
        jti={"essential": complete},
    )
    try:
        found = jwt.decode(token, key, registry=REGISTRY)
        claims.validate(found.claims)
        float(found.claims["exp"])
        if kind and found.header.get("typ") != kind:
            return "unknown: typ"
    except ExpiredTokenError:
        return "expired: exp"
    except ClaimError as error:
        return f"unknown: {error.claim}"
    except Exception as error:  # noqa: BLE001 - whatever a token makes of the library, it opens nothing
        return f"unknown: {type(error).__name__}"
    return found.claims


def principal_of(claims: dict[str, Any], *, roles: str, tenant: str) -> Principal | None:
    """Who a verified token is about; None for a subject that could be taken for another one.

    `roles` and `tenant` are the names of the claims that have them.
    """
    subject, whose = claims["sub"], claims.get(tenant) or ""
    if identity.SUBJECT.fullmatch(subject) is None:
        return None
    if whose and (not isinstance(whose, str) or identity.SUBJECT.fullmatch(whose) is None):
        return None
    # `scope` is RFC 9068's, `scp` is what some providers have instead.
    scopes = words(claims.get("scope")) | words(claims.get("scp"))
    return Principal(subject, scopes | identity.scopes_of(words(claims.get(roles))), whose)


def words(claim: object) -> frozenset[str]:
    """`"a b"` and `["a", "b"]`, as providers write lists; whatever else it is says nothing."""
    listed = claim.split() if isinstance(claim, str) else claim if isinstance(claim, list) else []
    return frozenset(one for one in listed if isinstance(one, str) and SCOPE.fullmatch(one))
