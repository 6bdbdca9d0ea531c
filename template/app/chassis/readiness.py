"""Whether this process should get requests: starting, open, draining; and what the parts' checks last said."""

import time
from collections.abc import Mapping
from enum import Enum, auto
from types import ModuleType
from typing import Any

import orjson
import structlog
from pydantic import Field

from app.chassis.exchange import Reply
from app.chassis.settings import BaseSettings, load

CACHED_SECONDS = 1.0
log = structlog.get_logger()


class Settings(BaseSettings):
    management_port: int | None = Field(
        None, ge=1, le=65535, description="Probes and metrics on a port of their own.", examples=["9000"]
    )
    readiness_timeout: float = Field(
        2.0, gt=0, description="Seconds that a part's readiness check may take.", examples=["2"]
    )


class NotReady(Exception):
    """Raised by a part's `check()`; the text is shown by /readyz: no secrets."""


class Degraded(Exception):
    """Raised by a part's `check()` that can do without what is away: shown by /readyz, which stays green."""


class Phase(Enum):
    STARTING = auto()
    OPEN = auto()
    DRAINING = auto()


_phase = Phase.STARTING
_remembered: tuple[float, Reply] | None = None
_failing: frozenset[str] = frozenset()
_beside: dict[str, Any] = {}


def open_up() -> None:
    """Everything is loaded; unless a stop was asked for meanwhile, requests may come."""
    global _phase, _remembered
    if _phase is not Phase.DRAINING:
        _phase = Phase.OPEN
    _remembered = None


def drain() -> None:
    """From now on not ready: whoever balances load sends new requests elsewhere."""
    global _phase
    _phase = Phase.DRAINING


def opened() -> bool:
    """Whether everything is loaded."""
    return _phase is not Phase.STARTING


def draining() -> bool:
    return _phase is Phase.DRAINING


def known_answer() -> Reply | None:
    """What needs no check: draining, still starting, or answered less than a second ago."""
    if _phase is not Phase.OPEN:
        return as_json(503, {"status": _phase.name.lower()})
    if _remembered is not None and time.monotonic() - _remembered[0] < CACHED_SECONDS:
        return _remembered[1]
    return None


def checks(parts: tuple[ModuleType, ...]) -> dict[str, Any]:
    """The parts' checks by the name of their part, and those of what runs here beside requests."""
    return {part.__name__.rpartition(".")[2]: part.check for part in parts if hasattr(part, "check")} | _beside


def watch(name: str, check: Any) -> None:
    """Let this process be ready only while `check` raises nothing: for a loop, which runs in some processes alone."""
    _beside[name] = check


def verdict(results: Mapping[str, BaseException | None]) -> Reply:
    """The reply for one round of checks: which parts are fine, and what fails."""
    global _remembered, _failing
    failed = {name: error for name, error in results.items() if not isinstance(error, Degraded | None)}
    if failed.keys() != _failing:
        log.warning("readiness.changed", failing={name: repr(error) for name, error in failed.items()})
        _failing = frozenset(failed)
    body = {
        "status": "not ready" if failed else "ready",
        "checks": {name: "ok" if error is None else _say(error) for name, error in results.items()},
    }
    reply = as_json(503 if failed else 200, body)
    _remembered = (time.monotonic(), reply)
    return reply


def _say(error: BaseException) -> str:
    if isinstance(error, NotReady | Degraded):
        return str(error)
    if isinstance(error, TimeoutError):
        return f"no answer within {load(Settings).readiness_timeout:g} s"
    # A driver's own text may carry addresses and statements: the log has it, the reply has its kind.
    return f"unavailable ({type(error).__name__})"


def as_json(status: int, body: Mapping[str, Any]) -> Reply:
    return Reply(status, orjson.dumps(body), b"application/json", [(b"cache-control", b"no-store")])
