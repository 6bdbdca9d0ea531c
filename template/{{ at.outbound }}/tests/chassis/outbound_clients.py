"""Clients of the tests' own, and a request during which they call."""

import itertools
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from app.chassis import dependency
from app.chassis.breaker import Trip
from app.chassis.client import Client
from app.chassis.exchange import Exchange, current
from app.chassis.outbound import Rules, http_client
from tests.chassis.faulty import Faulty

NEVER = Trip(calls=1_000_000)
_names = itertools.count()


def a_name() -> str:
    """One that no other client has."""
    return f"test-{next(_names)}"


def client_of(server: Faulty, given: Rules | None = None, **options: Any) -> Client:
    return http_client(a_name(), base_url=server.url, rules=given or rules(), **options)


def rules(**changes: Any) -> Rules:
    """Complete ones: what they leave open is read from the environment, which other tests may be setting."""
    return Rules(**{"attempts": 1, "timeout": 10.0, "concurrency": 50, "trip": NEVER, **changes})


@contextmanager
def request_with(seconds: float | None = None) -> Iterator[Exchange]:
    """A request that is being served, with a budget in seconds."""
    exchange = Exchange("GET", "/", "127.0.0.1")
    exchange.request_id, exchange.trace_id, exchange.span_id = "called-by-me", 7 << 64, 9
    exchange.parent_id = 5
    exchange.deadline = None if seconds is None else exchange.started + seconds
    token = current.set(exchange)
    try:
        yield exchange
    finally:
        current.reset(token)


def metrics_of(client: Client) -> dict[str, float]:
    """What is said of this client, by sample and label."""
    found = {}
    for family in dependency.collect():
        for sample in family.samples:
            if sample.labels.pop("name") == client.dependency.name:
                found[sample.name + "".join(f".{one}" for one in sample.labels.values())] = sample.value
    return found
