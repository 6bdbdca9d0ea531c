"""Who asks, and whether they may: a credential is checked on the way in, a route's scope right before its view runs."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, ClassVar, Final

import structlog

from app.chassis import credentials, guard, identity, routes
from app.chassis.auth import ANONYMOUS, Principal, principal
from app.chassis.errors import Forbidden, Problem
from app.chassis.exchange import Exchange, current
from app.chassis.identity import Settings
from app.chassis.routes import ANYBODY, Policy

if TYPE_CHECKING:
    from prometheus_client import Metric

__all__ = ["Settings"]

SCHEME: Final = credentials.SCHEME
log = structlog.get_logger()


class Unauthenticated(Problem):
    """Nobody is known to ask."""

    status = 401
    headers: ClassVar[Mapping[str, str]] = {"WWW-Authenticate": SCHEME.challenge}


class InvalidCredential(Unauthenticated):
    """A credential was sent in vain."""

    headers: ClassVar[Mapping[str, str]] = {"WWW-Authenticate": SCHEME.challenge + SCHEME.invalid}


class InsufficientScope(Forbidden):
    def __init__(self, scope: str) -> None:
        super().__init__(f"This needs the scope {scope}.")
        # Of this one alone: which scope is missing.
        self.headers = {"WWW-Authenticate": SCHEME.challenge + SCHEME.insufficient.format(scope=scope)}  # type: ignore[misc]


_denied: Counter[str] = Counter()


# -- who asks ----------------------------------------------------------------------------------------------------------


def enter(exchange: Exchange) -> Any:
    """Nothing for who sends no credential: whether one is needed is known when the route is."""
    return credentials.identify(exchange)


# -- whether they may --------------------------------------------------------------------------------------------------


def sign_in(subject: str, scopes: Iterable[str] | None = None) -> Any:
    """For tests: headers that make a request somebody's, who may do this, or all there is (FastAPI: awaitable)."""
    return credentials.grant(subject, frozenset(every_scope() if scopes is None else scopes))


def every_scope() -> set[str]:
    return {policy.scope for policy in routes.policies() if policy.scope} - {ANYBODY}


def wrap(policy: Policy, call: Any) -> Any:
    return call if policy.scope is None else guard.guarded(policy.scope, call)


def require(scope: str) -> Principal:
    """The caller, who has this scope. Raises Unauthenticated or InsufficientScope, or why nobody can tell now.

    Called for every route that declares a scope. What cannot declare one, a WebSocket or a mount, declares to be public
    and calls this.
    """
    who = principal()
    if who is ANONYMOUS:
        raise refusal()
    if scope == ANYBODY:
        return who
    if not who.may(scope):
        _denied[scope] += 1
        log.warning("auth.denied", subject=who.subject, scope=scope)
        raise InsufficientScope(scope)
    return who


def refusal() -> Problem:
    exchange = current.get()
    if exchange is not None and exchange.refusal is not None:
        return exchange.refusal
    if exchange is not None and exchange.rejected:
        # Not which reason: whoever guesses must not learn how close it was.
        return InvalidCredential("The credential is not valid.")
    return Unauthenticated("Say who you are: send a credential.")


def check_routes() -> None:
    """Called when the routes are known. Raises ValueError for those that say nothing, or what nobody would enforce."""
    silent, loose = set(), set()
    for method, template, view, wrapped in routes.known():
        policy = routes.declared(view)
        if policy.scope is not None and not wrapped:
            loose.add(f"{method} {template}")
        elif policy.scope is None and not policy.public and not guard.is_exempt(view):
            silent.add(f"{method} {template}")
    if silent:
        raise ValueError(
            f"nobody has said who may use {', '.join(sorted(silent))}: "
            'put @declare(scope="...") or @declare(public=True) from app.chassis.routes right above the view'
        )
    if loose:
        raise ValueError(
            f"a scope cannot be enforced for {', '.join(sorted(loose))}: "
            "declare it right above the view's def; what has no view of its own declares itself public and calls "
            "app.chassis.authentication.require"
        )


# -- what is said of it ------------------------------------------------------------------------------------------------


def schemes() -> dict[str, Any]:
    """For the OpenAPI document."""
    return {SCHEME.name: SCHEME.document}


def document(policy: Policy, operation: dict[str, Any]) -> None:
    if policy.scope is not None:
        operation["security"] = [{SCHEME.name: [] if policy.scope == ANYBODY else [policy.scope]}]
        for status in (Unauthenticated.status, Forbidden.status, *credentials.FAILURES):
            operation["responses"].setdefault(str(status), {})


def collect() -> Iterator["Metric"]:
    from prometheus_client.core import CounterMetricFamily  # noqa: PLC0415 - nothing to import until somebody scrapes

    counted = CounterMetricFamily("auth_credentials", "Credentials, by what came of them.", labels=("outcome",))
    for outcome in (identity.ACCEPTED, *identity.REASONS):
        counted.add_metric((outcome,), identity.outcomes[outcome])
    yield counted
    denied = CounterMetricFamily("auth_denied", "Requests of callers without the scope.", labels=("scope",))
    for scope in sorted(every_scope()):
        denied.add_metric((scope,), _denied[scope])
    yield denied
