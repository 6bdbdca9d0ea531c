"""The Redis of these tests, and how to put something on it that no relay would."""

import os
from uuid import uuid4

from tests.chassis import outage

VARIABLE = "EVENTS_REDIS_URL"
URL = os.environ.get(VARIABLE) or "redis://127.0.0.1:6379/0"
# What nobody has acknowledged comes again soon.
IMPATIENT = {"EVENTS_REDIS_ACK_WAIT": "1"}
MISSING = "no Redis answers: set EVENTS_REDIS_URL, or start one on 127.0.0.1:6379"


def is_there() -> bool:
    return outage.answers(URL)


def variables(url: str = URL) -> dict[str, str]:
    """Streams of this run's own."""
    return {VARIABLE: url, "EVENTS_REDIS_PREFIX": f"test-{uuid4().hex}"}


class Proxy(outage.Proxy):
    """In front of it, to take it away."""

    def __init__(self) -> None:
        super().__init__(URL)


def send(env: dict[str, str], kind: str, *bodies: bytes) -> None:
    from redis import Redis  # noqa: PLC0415 - only where a server answers

    with Redis.from_url(URL) as redis:
        for body in bodies:
            redis.xadd(f"{env['EVENTS_REDIS_PREFIX']}:{kind}", {"event": body})


def forget(env: dict[str, str]) -> None:
    """Leave nothing behind."""
    from redis import Redis  # noqa: PLC0415 - as above

    with Redis.from_url(URL) as redis:
        for stream in redis.keys(f"{env['EVENTS_REDIS_PREFIX']}:*"):
            redis.delete(stream)
