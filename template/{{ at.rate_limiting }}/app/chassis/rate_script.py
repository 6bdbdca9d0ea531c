"""Counting in Redis or Valkey: what both frameworks' clients ask of it."""

import time
from typing import Any, Final

import structlog

from app.chassis.gcra import Limit, Verdict

# What a store that answers takes is well under a millisecond; one that does not must not cost more than this.
TIMEOUT_SECONDS: Final = 0.1
# After a failure nobody asks for so long: a store that hangs would cost every request its timeout.
PAUSE_SECONDS: Final = 1.0
OPEN: Final = Verdict(allowed=True, remaining=0, full=0.0)
PREFIX: Final = "rate "
log = structlog.get_logger()

# gcra.decide, on the store's clock, which all replicas share. Answers: allowed, remaining, microseconds
# until all is there again, microseconds to wait.
SCRIPT: Final = """
local requests, window = tonumber(ARGV[1]), tonumber(ARGV[2])
local step = window / requests
local time = redis.call('TIME')
local now = tonumber(time[1]) * 1000000 + tonumber(time[2])
local due = math.min(tonumber(redis.call('GET', KEYS[1]) or 0), now + window)
local new = math.max(due, now) + step
local ahead = new - now
if ahead > window + 1 then
    return {0, 0, math.ceil(ahead - step), math.ceil(ahead - window)}
end
redis.call('SET', KEYS[1], string.format('%.3f', new), 'PX', math.ceil(ahead / 1000) + 1)
return {1, math.max(0, math.floor((window - ahead) / step + 0.001)), math.ceil(ahead), 0}
"""


class Store:
    """Where replicas count together; `ready` while it may be asked, `failures` is how often it was none."""

    options: Final[dict[str, Any]] = {
        "socket_timeout": TIMEOUT_SECONDS,
        "socket_connect_timeout": TIMEOUT_SECONDS,
        "retry": None,
        "retry_on_error": [],
    }

    def __init__(self) -> None:
        self.failures = 0
        self.asleep_until = 0.0

    def ready(self) -> bool:
        if time.monotonic() >= self.asleep_until:
            return True
        self.failures += 1
        return False

    def failed(self, error: Exception) -> Verdict:
        """Nobody is refused because the store is away."""
        self.failures += 1
        self.asleep_until = time.monotonic() + PAUSE_SECONDS
        log.warning("rate_limit.store_failed", reason=repr(error))
        return OPEN


def arguments(limit: Limit) -> list[int]:
    return [limit.requests, int(limit.seconds * 1e6)]


def verdict(answer: list[int]) -> Verdict:
    allowed, remaining, full, wait = answer
    return Verdict(bool(allowed), remaining, full / 1e6, wait / 1e6)
