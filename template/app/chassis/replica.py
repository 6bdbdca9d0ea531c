"""Which reads a copy of the database may answer.

What a caller has written it sees: the reply to a write carries a mark, as a cookie and as a header, and whoever sends
it back reads from the primary until the replica has that write. A copy that is away is not waited for.
"""

import re
import threading
import time
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import structlog

from app.chassis import routes
from app.chassis.exchange import BODILESS, Exchange, current

if TYPE_CHECKING:
    from prometheus_client import Metric

NAME: Final = "read-after"
"""The cookie and the header: the second of the write, and the position of the primary's log if it has one."""
POSITION_SECONDS: Final = 3600
"""For so long a position is asked about; nobody is that far behind and still in use."""
PAUSE_SECONDS: Final = 1.0
OUTCOMES: Final = ("replica", "recent_write", "away")
AWAY: Final = "the replica is away: reads go to the primary"
_MARK: Final = re.compile(r"([0-9]{1,11})(?:\.([0-9A-F]{1,8}/[0-9A-F]{1,8}))?", re.ASCII)
_COOKIE: Final = re.compile(rf"(?:^|;)\s*{NAME}=([^;\s]*)")
_READS: Final = re.compile(
    r"\s*(?:SELECT|SET|SHOW|EXPLAIN|BEGIN|COMMIT|ROLLBACK|SAVEPOINT|RELEASE|PRAGMA|KILL|(?P<with>WITH))\b",
    re.IGNORECASE,
)
_WRITES: Final = re.compile(r"\b(?:INSERT|UPDATE|DELETE|MERGE|REPLACE)\b", re.IGNORECASE)
# A session that is used, a key that is kept: the chassis' own rows are never read from a replica.
_OURS: Final = re.compile(r"\b(?:chassis|django)_(?!probe)\w")
log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Mark:
    """When a caller wrote last, in seconds since 1970, and where the primary's log was then."""

    second: int
    position: str | None


# -- what a request wants ----------------------------------------------------------------------------------------------


def wanted(exchange: Exchange, *, reads: str) -> bool:
    """Whether it may read what is a little old: DATABASE_REPLICA_READS or its route says so, and it has not written."""
    if exchange.wrote:
        return False
    return routes.policy_of(exchange).replica or (reads == "safe" and exchange.method in BODILESS)


def mark(exchange: Exchange) -> Mark | None:
    """What the caller has been given after its last write. It can be made up: then its reads are a little dearer."""
    cookie = _COOKIE.search(exchange.header("cookie") or "")
    given = exchange.header(NAME) or (cookie.group(1) if cookie else "")
    found = _MARK.fullmatch(given)
    if found is None:
        return None
    second = min(int(found[1]), int(time.time()))
    return Mark(second, found[2])


def fresh(found: Mark | None, *, lag: float) -> bool:
    """Whether it was so recent that a replica may not have it, as far as the clock can tell."""
    # The second is cut off: what it began with may have been nearly a second later.
    return found is not None and time.time() - found.second < lag + 1


def asked(found: Mark | None) -> str | None:
    """The position that the replica has to have reached."""
    return found.position if found is not None and time.time() - found.second < POSITION_SECONDS else None


# -- what a request has done -------------------------------------------------------------------------------------------


def note(statement: str) -> None:
    """Called with what the primary runs."""
    found = _READS.match(statement)
    if found is not None and (found["with"] is None or not _WRITES.search(statement)):
        return
    exchange = current.get()
    if exchange is not None and not exchange.wrote and not _OURS.search(statement):
        exchange.wrote = True


def written(exchange: Exchange, *, position: str | None, lag: float, secure: bool) -> None:
    """Tell the caller; the last one of several in one request counts."""
    value = f"{int(time.time())}{f'.{position}' if position else ''}"
    seconds = POSITION_SECONDS if position else int(lag) + 2
    cookie = f"{NAME}={value}; Max-Age={seconds}; Path=/; HttpOnly; SameSite=Lax{'; Secure' if secure else ''}"
    kept = [pair for pair in exchange.reply_headers if not _is_mark(*pair)]
    name = NAME.encode()
    exchange.reply_headers[:] = [*kept, (name, value.encode()), (b"set-cookie", cookie.encode())]


def _is_mark(name: bytes, value: bytes) -> bool:
    return name == NAME.encode() or (name == b"set-cookie" and value.startswith(f"{NAME}=".encode()))


# -- whether it is there -----------------------------------------------------------------------------------------------

_lock = threading.Lock()
_counts: Counter[str] = Counter()
_retry_at: float | None = None


def worth_trying() -> bool:
    """Always, but once a second for one that has just failed: nobody else waits for it meanwhile."""
    global _retry_at
    with _lock:
        if _retry_at is None:
            return True
        if time.monotonic() < _retry_at:
            return False
        _retry_at = time.monotonic() + PAUSE_SECONDS
        return True


def failed(error: BaseException) -> None:
    global _retry_at
    with _lock:
        first, _retry_at = _retry_at is None, time.monotonic() + PAUSE_SECONDS
    if first:
        log.warning("database.replica_away", reason=type(error).__name__)


def answered() -> None:
    global _retry_at
    if _retry_at is None:
        return
    with _lock:
        _retry_at = None
    log.info("database.replica_back")


def away() -> bool:
    return _retry_at is not None


def count(outcome: str) -> None:
    _counts[outcome] += 1


def counted() -> "Metric":
    from prometheus_client.core import CounterMetricFamily  # noqa: PLC0415 - nothing to import until somebody scrapes

    family = CounterMetricFamily(
        "database_replica_requests", "Requests that a replica could serve, by who did and why.", labels=("outcome",)
    )
    for outcome in OUTCOMES:
        family.add_metric((outcome,), _counts[outcome])
    return family
