"""What this service takes for a credential: tokens of an OpenID provider."""

from app.chassis import issuer
from app.chassis.identity import BEARER as SCHEME
from app.chassis.identity import bearer
from app.chassis.issuer import grant

__all__ = ["FAILURES", "SCHEME", "grant", "identify"]

FAILURES = ()
"""Statuses that checking one may end with, beside 401, 403 and 503."""
identify = bearer(issuer.identify)
