"""What this service takes for a credential: API keys."""

from app.chassis import api_keys
from app.chassis.api_keys import grant
from app.chassis.identity import BEARER as SCHEME
from app.chassis.identity import bearer

__all__ = ["FAILURES", "SCHEME", "grant", "identify"]

FAILURES = (429,)
"""Statuses that checking one may end with, beside 401, 403 and 503."""
identify = bearer(api_keys.identify)
