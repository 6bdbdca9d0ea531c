"""One effect for each Idempotency-Key: a request that is repeated gets the answer that the first one got."""

import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from hashlib import sha256
from typing import TYPE_CHECKING, Any, Final

import orjson
from pydantic import Field

from app.chassis.errors import Problem
from app.chassis.exchange import Exchange
from app.chassis.routes import Policy
from app.chassis.settings import BaseSettings, load

if TYPE_CHECKING:
    from prometheus_client import Metric

SAFE: Final = frozenset({"GET", "HEAD", "OPTIONS", "TRACE"})
KEY: Final = re.compile(r"[\x21-\x7e]{1,255}")
# What belongs to one reply and not to its repeats: its length is counted anew, and a cookie is for whoever got it.
NOT_STORED: Final = frozenset({"content-length", "set-cookie"})
REPLAYED: Final = "Idempotency-Replayed"
OUTCOMES: Final = ("stored", "replayed", "conflict", "mismatch", "invalid")
PARAMETER: Final[dict[str, Any]] = {
    "name": "Idempotency-Key",
    "in": "header",
    "required": False,
    "description": "The same for every attempt at one deed: it is done once, and repeats get the first answer.",
    "schema": {"type": "string", "minLength": 1, "maxLength": 255, "pattern": r"^[\x21-\x7E]+$"},
}


class Settings(BaseSettings):
    idempotency_ttl: int = Field(
        86_400,
        ge=1,
        le=31_536_000,
        description="Seconds that the answer to an Idempotency-Key is kept.",
        examples=["86400"],
    )


class BadKey(Problem):
    status = 400


class InFlight(Problem):
    """The first request with this key is being served."""

    status = 409
    headers = {"Retry-After": "1"}  # noqa: RUF012 - declared as ClassVar where it comes from


class Mismatch(Problem):
    """The key stands for another request."""

    status = 422


class Overtaken(Exception):
    """Somebody else has stored an answer to this key meanwhile: whatever this request did is taken back."""


@dataclass(frozen=True, slots=True)
class Asked:
    """`id` stands for caller and key, `request` for what is asked; both are SHA-256 in hexadecimal."""

    id: str
    caller: str
    key: str
    request: str


@dataclass(frozen=True, slots=True)
class Answer:
    status: int
    headers: list[tuple[str, str]]
    body: bytes


@dataclass(frozen=True, slots=True)
class Stored:
    """What the table has: the answer, and which request it was given to."""

    request: str
    answer: Answer


_outcomes: Counter[str] = Counter()


def wrap(policy: Policy, call: Any) -> Any:
    """The same call, once for each key, where the route says that it is idempotent."""
    if not policy.idempotent:
        return call
    from app.chassis.idempotency.views import once  # noqa: PLC0415 - the framework and the database, when it is loaded

    return once(call)


# -- what is asked -----------------------------------------------------------------------------------------------------


def key_of(exchange: Exchange) -> str | None:
    """The key of a request that may have an effect. Raises BadKey."""
    key = exchange.header("idempotency-key")
    if key is None or exchange.method in SAFE:
        return None
    if KEY.fullmatch(key) is None:
        count("invalid")
        raise BadKey("An Idempotency-Key is 1 to 255 visible ASCII characters.")
    return key


def asked(exchange: Exchange, key: str, *, query: bytes, body: bytes) -> Asked:
    # Nobody's name is taken for an address, nor an address for a name.
    caller = f"subject {exchange.subject}" if exchange.subject else f"address {exchange.client}"
    request = sha256(b"%s %s?%s\n" % (exchange.method.encode(), exchange.path.encode(), query))
    request.update(body)
    return Asked(sha256(f"{caller}\n{key}".encode()).hexdigest(), caller, key, request.hexdigest())


# -- what is answered --------------------------------------------------------------------------------------------------


def replay(asked: Asked, stored: Stored | None) -> Answer:
    """The first answer. Raises InFlight when there is none yet, Mismatch when it answers another request."""
    if stored is None:
        count("conflict")
        raise InFlight("The first request with this Idempotency-Key is being served.")
    if stored.request != asked.request:
        count("mismatch")
        raise Mismatch("This Idempotency-Key stands for another request.")
    count("replayed")
    return Answer(stored.answer.status, [*stored.answer.headers, (REPLAYED, "true")], stored.answer.body)


def answer(status: int, headers: Iterator[tuple[str, str]], body: object) -> Answer:
    """What will be stored of a response. Raises TypeError for one that streams."""
    if not isinstance(body, bytes):
        raise TypeError("a view that is declared idempotent gives its response as a whole: this one streams it")
    return Answer(status, [(name, value) for name, value in headers if name.lower() not in NOT_STORED], body)


def as_text(headers: list[tuple[str, str]]) -> str:
    return orjson.dumps(headers).decode()


def as_stored(*, request: str, status: int, headers: str, body: bytes | memoryview) -> Stored:
    return Stored(request, Answer(status, [(name, value) for name, value in orjson.loads(headers)], bytes(body)))


def oldest(now: datetime) -> datetime:
    """Answers that were stored before are not repeated any more."""
    return now - timedelta(seconds=load(Settings).idempotency_ttl)


# -- what is said of it ------------------------------------------------------------------------------------------------


def document(policy: Policy, operation: dict[str, Any]) -> None:
    """The header, and what can go wrong with it, in the OpenAPI document."""
    if policy.idempotent:
        operation["parameters"] = [*operation.get("parameters", []), PARAMETER]
        for status in (BadKey.status, InFlight.status, Mismatch.status):
            operation["responses"].setdefault(str(status), {})


def count(outcome: str) -> None:
    _outcomes[outcome] += 1


def collect() -> Iterator["Metric"]:
    from prometheus_client.core import CounterMetricFamily  # noqa: PLC0415 - nothing to import until somebody scrapes

    family = CounterMetricFamily("idempotency", "Requests with an Idempotency-Key, by outcome.", labels=("outcome",))
    for outcome in OUTCOMES:
        family.add_metric((outcome,), _outcomes[outcome])
    yield family
