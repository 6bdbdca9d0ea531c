"""What is asked of Redis or Valkey: each question is one round trip, decided on its own clock.

One hash has all there is about a key: for each version of the value the value itself, until when it is fresh, and the
lease of whoever loads it. So an invalidation is one UNLINK: it takes away the value in every version, and the lease, so
that what was read before is refused when it comes to be stored (Nishtala et al. 2013, "Scaling Memcache at Facebook").
"""

from dataclasses import dataclass
from typing import Any, Final

# Arguments: version, token, milliseconds of the lease. Answers: the value or nothing, milliseconds for which it is
# fresh (below zero: for how long it is not), whether the lease is mine now, whether something else was under the key.
READ: Final = """
local time = redis.call('TIME')
local now = tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000)
local version, token, lease = ARGV[1], ARGV[2], tonumber(ARGV[3])
local found, foreign = redis.pcall('HMGET', KEYS[1], 'v' .. version, 'u' .. version, 'l' .. version, 'e' .. version), 0
if found.err then
    redis.call('UNLINK', KEYS[1])
    found, foreign = {false, false, false, false}, 1
end
local left = (tonumber(found[2] or 0) or 0) - now
if found[1] and left > 0 then
    return {found[1], left, 0, foreign}
end
local ends = tonumber(found[4] or 0) or 0
if found[3] and found[3] ~= token and ends > now and ends <= now + 3600000 then
    return {found[1], left, 0, foreign}
end
redis.call('HSET', KEYS[1], 'l' .. version, token, 'e' .. version, string.format('%.0f', now + lease))
if redis.call('PTTL', KEYS[1]) < lease then
    redis.call('PEXPIRE', KEYS[1], lease)
end
return {found[1], left, 1, foreign}
"""

# Arguments: version, token, value, milliseconds for which it is fresh, milliseconds for which it is kept at all.
# Answers whether the lease was still there.
STORE: Final = """
local version, life = ARGV[1], tonumber(ARGV[5])
if redis.call('HGET', KEYS[1], 'l' .. version) ~= ARGV[2] then
    return 0
end
local time = redis.call('TIME')
local fresh = tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000) + tonumber(ARGV[4])
redis.call('HSET', KEYS[1], 'v' .. version, ARGV[3], 'u' .. version, string.format('%.0f', fresh))
redis.call('HDEL', KEYS[1], 'l' .. version, 'e' .. version)
if redis.call('PTTL', KEYS[1]) < life then
    redis.call('PEXPIRE', KEYS[1], life)
end
return 1
"""

# Arguments: version, token, milliseconds for which nobody else shall try.
RELEASE: Final = """
local version, pause = ARGV[1], tonumber(ARGV[3])
if redis.call('HGET', KEYS[1], 'l' .. version) ~= ARGV[2] then
    return 0
end
if pause > 0 then
    local time = redis.call('TIME')
    local ends = tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000) + pause
    redis.call('HSET', KEYS[1], 'l' .. version, '', 'e' .. version, string.format('%.0f', ends))
else
    redis.call('HDEL', KEYS[1], 'l' .. version, 'e' .. version)
end
return 1
"""

ALL: Final = {"READ": READ, "STORE": STORE, "RELEASE": RELEASE}


class Away(Exception):
    """The store cannot be asked just now."""


@dataclass(frozen=True, slots=True)
class Seen:
    """`fresh` is in seconds, below zero for how long it is not any more; `mine` is whether I am to load the value."""

    raw: bytes | None
    fresh: float
    mine: bool
    foreign: bool = False


def seen(answer: list[Any]) -> Seen:
    raw, left, mine, foreign = answer
    return Seen(raw, left / 1000, bool(mine), bool(foreign))


def milliseconds(seconds: float) -> int:
    return max(1, round(seconds * 1000))
