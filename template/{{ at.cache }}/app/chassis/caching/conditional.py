"""Replies that a client may keep, and asks about before it gets them again: RFC 9110 section 13.1.2, RFC 9111."""

import re
from hashlib import blake2b
from typing import Any, Final

from app.chassis.exchange import current

ENTITY_TAG: Final = re.compile(r'(?:W/)?("[\x21\x23-\x7e\x80-\xff]*")')
# What a 304 has to repeat, RFC 9110 section 15.4.5; all else about the body is known to who has it.
REPEATED: Final = frozenset({"cache-control", "content-location", "date", "etag", "expires", "vary"})
# What lets others keep a reply that was made for one caller, RFC 9111 section 3.5.
FOR_ALL: Final = ("public", "s-maxage")


def tag(body: bytes) -> str:
    return f'"{blake2b(body, digest_size=16).hexdigest()}"'


def matches(asked: str | None, found: str) -> bool:
    """Whether If-None-Match names this entity tag, compared weakly; one that cannot be read names none."""
    if asked is None:
        return False
    if asked.strip() == "*":
        return True
    return found.removeprefix("W/") in ENTITY_TAG.findall(asked)


def control(declared: str) -> str:
    """Cache-Control for whoever asks: what was made for somebody known is nobody else's."""
    exchange = current.get()
    if exchange is None or not exchange.subject:
        return declared
    kept = [one for one in (part.strip() for part in declared.split(",")) if not one.lower().startswith(FOR_ALL)]
    if any(one.lower() in {"private", "no-store"} for one in kept):
        return ", ".join(kept)
    return ", ".join(["private", *kept])


def vary(given: str | None) -> str:
    """With the header by which a caller says who it is: what another one got is not meant for it."""
    listed = [one.strip() for one in (given or "").split(",") if one.strip()]
    if any(one.lower() in {"authorization", "*"} for one in listed):
        return ", ".join(listed)
    return ", ".join([*listed, "Authorization"])


ETAG: Final[dict[str, Any]] = {
    "description": "Of this very reply: sent back in If-None-Match it asks for another one only if that differs.",
    "schema": {"type": "string"},
}
CACHE_CONTROL: Final[dict[str, Any]] = {
    "description": "Who may keep it, and for how long.",
    "schema": {"type": "string"},
}


def document(operation: dict[str, Any]) -> None:
    headers = {"ETag": ETAG, "Cache-Control": CACHE_CONTROL}
    responses = operation["responses"]
    for status in [one for one in responses if str(one) == "200"]:
        responses[status]["headers"] = {**responses[status].get("headers", {}), **headers}
    responses["304"] = {"description": "What If-None-Match names is still right.", "headers": headers}
