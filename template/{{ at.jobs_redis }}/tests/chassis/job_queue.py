"""The Redis of these tests, and what no worker would do with a queue on it."""

import os

from redis import Redis

VARIABLE = "JOBS_BROKER_URL"
URL = os.environ.get(VARIABLE) or "redis://127.0.0.1:6379/0"
USUAL_PORT = 6379
MISSING = "no Redis answers: set JOBS_BROKER_URL, or start one on 127.0.0.1:6379"


def send(queue: str, *bodies: bytes) -> None:
    with Redis.from_url(URL) as redis:
        for body in bodies:
            redis.lpush(queue, body)


def lose(queue: str) -> None:
    """All that waits in it."""
    with Redis.from_url(URL) as redis:
        redis.delete(queue)


def forget(queue: str) -> None:
    """And what Celery keeps beside it."""
    with Redis.from_url(URL) as redis:
        redis.delete(queue, f"_kombu.binding.{queue}", f"_kombu.binding_permanent.{queue}")
