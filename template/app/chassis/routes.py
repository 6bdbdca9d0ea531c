"""What a route says of itself, for the parts that decide before the framework has found it."""

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from enum import IntEnum
from itertools import starmap
from types import ModuleType
from typing import Any, Final, NamedTuple, TypeVar

from app.chassis.exchange import Exchange

View = TypeVar("View", bound=Callable[..., Any])
DECLARED = "__route_policy__"
SCOPE: Final = re.compile(r"[\x21\x23-\x5b\x5d-\x7e]+")
"""What OAuth takes for the name of a scope, RFC 6749 section 3.3."""
ANYBODY: Final = "*"
"""The scope of a route for everybody who has said who that is, whatever else they may do."""
DIRECTIVE: Final = re.compile(
    r"private|public|no-cache|no-store|no-transform|must-revalidate|proxy-revalidate|must-understand|immutable"
    r"|(?:max-age|s-maxage|stale-while-revalidate|stale-if-error)=\d{1,9}",
    re.IGNORECASE | re.ASCII,
)
"""What a reply may say of caches, RFC 9111 section 5.2.2, RFC 5861 and RFC 8246."""


class Criticality(IntEnum):
    """Who goes first when not all can be served; the classes of the Google SRE book, "Handling Overload"."""

    CRITICAL_PLUS = 0
    CRITICAL = 1
    SHEDDABLE_PLUS = 2
    SHEDDABLE = 3


@dataclass(frozen=True, slots=True)
class Policy:
    """What `declare` says; a capability that the service has not got does not look at its field."""

    criticality: Criticality = Criticality.CRITICAL
    rate_class: str = "default"
    seconds: float | None = None
    idempotent: bool = False
    scope: str | None = None
    public: bool = False
    replica: bool = False
    cache: str = ""


class Known(NamedTuple):
    """A route; `wrapped` is whether the parts can put something around its view."""

    method: str
    template: str
    view: Any
    wrapped: bool = True


DEFAULT = Policy()


def declare(  # noqa: PLR0913 - each is a word that a route may say of itself
    *,
    criticality: Criticality = Criticality.CRITICAL,
    rate_class: str = "default",
    seconds: float | None = None,
    idempotent: bool = False,
    scope: str | None = None,
    public: bool = False,
    replica: bool = False,
    cache: str = "",
) -> Callable[[View], View]:
    """Say it of a view, right above its `def`:

    `criticality`: whether it is shed first or last (load_shedding). `rate_class`: which of RATE_LIMITS counts its
    requests (rate_limiting). `seconds`: its time budget instead of REQUEST_TIMEOUT (deadlines). `idempotent`: a request
    that is repeated with its Idempotency-Key has one effect (idempotency). `scope`: what whoever asks must be allowed
    to do, such as "orders:read"; `public`: anybody may ask (auth, where each route says one or the other). `replica`:
    it reads, and what is a little old will do (DATABASE_REPLICA_URL). `cache`: the Cache-Control of its replies, like
    "private, max-age=30", which then have an ETag, too (cache).
    """
    if seconds is not None and not seconds > 0:
        raise ValueError(f"a route with a budget of {seconds} seconds could not be served: give more than 0, or none")

    if scope is not None and public:
        raise ValueError(f"a route that asks for the scope {scope} is not public: say one of them")
    if scope is not None and SCOPE.fullmatch(scope) is None:
        raise ValueError(f"{scope!r} is no scope: use visible ASCII characters without quotes, like orders:read")

    if cache and not all(DIRECTIVE.fullmatch(one.strip()) for one in cache.split(",")):
        raise ValueError(f"{cache!r} is no Cache-Control of a reply: use directives such as private, max-age=30")
    if scope is not None and "public" in cache.lower():
        raise ValueError(f"a route that asks for the scope {scope} has replies for one caller: not public, say private")

    def mark(view: View) -> View:
        setattr(view, DECLARED, Policy(criticality, rate_class, seconds, idempotent, scope, public, replica, cache))
        return view

    return mark


def declared(view: Any) -> Policy:
    """What a view says of itself."""
    policy: Policy = getattr(view, DECLARED, DEFAULT)
    return policy


_known: list[Known] = []
_exact: dict[tuple[str, str], Policy] = {}
_patterns: dict[str, list[tuple[re.Pattern[str], Policy]]] = {}
_PARAMETER = re.compile(r"\{([^}:]+)(:path|:\w+)?\}")


def learn(routes: Iterable[tuple[Any, ...]]) -> None:
    """Remember the routes, as `Known`: method, path template such as `/v1/orders/{order_id}`, view."""
    _known[:] = starmap(Known, routes)
    _exact.clear()
    _patterns.clear()
    for method, template, view, _ in _known:
        policy = declared(view)
        if policy == DEFAULT:
            continue
        _exact[method, _PARAMETER.sub(r"{\1}", template)] = policy
        if "{" in template:
            _patterns.setdefault(method, []).append((_pattern(template), policy))


def _pattern(template: str) -> re.Pattern[str]:
    pieces, end = [], 0
    for parameter in _PARAMETER.finditer(template):
        pieces += [re.escape(template[end : parameter.start()]), ".+" if parameter[2] == ":path" else "[^/]+"]
        end = parameter.end()
    return re.compile("".join([*pieces, re.escape(template[end:])]))


def check(parts: Iterable[ModuleType]) -> None:
    """Once they are known: a part that cannot do what some route declares raises, and the service does not start."""
    for part in parts:
        if hasattr(part, "check_routes"):
            part.check_routes()


def known() -> list[Known]:
    return _known


def policies() -> set[Policy]:
    """Every policy that some route declares, and the one of all the others."""
    return {DEFAULT, *_exact.values()}


def policy_at(method: str, template: str) -> Policy:
    """What the route with this path template says; the default where there is none."""
    return _exact.get((method, template), DEFAULT)


def policy_of(exchange: Exchange) -> Policy:
    """What the route says that this request will meet; the default where none says anything, or there is none."""
    policy = exchange.policy
    if policy is None:
        policy = exchange.policy = _look_up("GET" if exchange.method == "HEAD" else exchange.method, exchange.path)
    return policy


def _look_up(method: str, path: str) -> Policy:
    found = _exact.get((method, path))
    if found is not None:
        return found
    for pattern, policy in _patterns.get(method, ()):
        if pattern.fullmatch(path):
            return policy
    return DEFAULT
