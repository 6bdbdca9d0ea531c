"""What is decided about a cached value, whoever then waits for it: a task or a thread."""

import random
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

import structlog

from app.chassis.cacheable import Cacheable, Terms
from app.chassis.caching import tally
from app.chassis.caching.envelope import MISSING, VALUE, Packed, pack, unpack
from app.chassis.caching.scripts import Seen
from app.chassis.errors import NotFound, Problem

# While the Redis is away nobody hears of another process' invalidations: what is kept here is soon made anew, in the
# background for as long again, so that nobody waits for what many ask for.
AWAY_SECONDS: Final = 2.5
GRACE_SECONDS: Final = 2.5
# After a load that failed, while there is a stale value: so long nobody tries again.
RETRY_SECONDS: Final = 1.0
# How often a load begins anew because the value was invalidated meanwhile.
ATTEMPTS: Final = 3
log = structlog.get_logger()


class Missing(NotFound):
    """The answer of an earlier load."""

    def __init__(self, detail: str) -> None:
        Problem.__init__(self, detail)


@dataclass(frozen=True, slots=True)
class Plain:
    """A value that cannot be stored, for those who wait for it."""

    value: Any


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a flight brings to all who wait; each takes a value of its own out of it."""

    found: Packed | Plain
    result: str


def opened(what: Cacheable, outcome: Outcome) -> Any:
    """The value. Raises NotFound where that is the answer, ValueError where the bytes are no such value."""
    tally.requests[what.terms.group, outcome.result] += 1
    if isinstance(outcome.found, Plain):
        return outcome.found.value
    if outcome.found.kind == MISSING:
        raise Missing(outcome.found.body.decode())
    return what.loaded(outcome.found.body)


def known(what: Cacheable, seen: Seen) -> Packed | None:
    """What the store has of it, if it is any use."""
    packed = None if seen.raw is None else unpack(seen.raw)
    if seen.foreign or (seen.raw is not None and packed is None):
        noted_corrupt(what)
    return packed


def noted_corrupt(what: Cacheable) -> None:
    tally.corrupt[what.terms.group] += 1
    log.warning("cache.corrupt", group=what.terms.group)


def packed(what: Cacheable, value: Any, *, lenient: bool) -> Packed | Plain:
    """Raises TypeError for a value that cannot be stored; a `lenient` service says so to its log."""
    try:
        return Packed(VALUE, what.dumped(value))
    except TypeError as error:
        if not lenient:
            raise
        tally.refused[what.terms.group, "not_serialisable"] += 1
        log.error("cache.not_serialisable", group=what.terms.group, reason=str(error))  # noqa: TRY400 - it says it all
        return Plain(value)


def failed(what: Cacheable, error: BaseException) -> Packed | None:
    """Where it is an answer that there is nothing, that is what is stored."""
    if isinstance(error, NotFound) and what.terms.missing:
        return Packed(MISSING, (error.detail or "").encode())
    tally.load_failures[what.terms.group] += not isinstance(error, NotFound)
    return None


def raw(what: Cacheable, found: Packed | Plain, *, limit: int) -> bytes | None:
    """What to store; None if it is not to be stored."""
    if isinstance(found, Plain):
        return None
    if len(found.body) <= limit:
        return pack(found)
    tally.refused[what.terms.group, "too_large"] += 1
    log.warning("cache.too_large", group=what.terms.group, bytes=len(found.body), limit=limit)
    return None


def overtaken(what: Cacheable) -> None:
    tally.refused[what.terms.group, "overtaken"] += 1


def lives(terms: Terms, found: Packed | Plain) -> tuple[float, float]:
    """Seconds for which it is fresh and for which it is kept; what is stored together does not end together."""
    missing = isinstance(found, Packed) and found.kind == MISSING
    fresh = (terms.missing if missing else terms.ttl) * random.uniform(0.9, 1.0)  # noqa: S311 - no secret
    return fresh, fresh + (0.0 if missing else kept_stale(terms))


def kept_stale(terms: Terms) -> float:
    return max(terms.stale_while_revalidate, terms.stale_if_error)


def pauses() -> Iterator[float]:
    """Seconds until whoever waits for another process asks again: soon at first, and never all at once."""
    seconds = 0.005
    while True:
        yield seconds * random.uniform(0.5, 1.0)  # noqa: S311 - no secret
        seconds = min(seconds * 1.5, 0.1)
