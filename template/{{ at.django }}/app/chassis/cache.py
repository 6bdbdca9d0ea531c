"""Functions whose results are kept: `cached`, and `invalidate` for whoever changes what they were made of.

In a service without a cache they are called each time.
"""

from collections.abc import Callable, Iterable
from functools import partial, update_wrapper
from typing import Any, Generic, ParamSpec, Protocol, TypeVar

from django.db import connection, transaction

from app.chassis.cacheable import Cacheable, Terms, claim

Given = ParamSpec("Given")
Result = TypeVar("Result")
# Pairs of a group and a key.
Names = Iterable[tuple[str, str]]


class Engine(Protocol):
    def read(self, what: Cacheable, key: str, load: Callable[[], Any]) -> Any: ...

    def invalidate(self, names: Names) -> None: ...

    def forget(self) -> None: ...


_engine: Engine | None = None
_by_event: dict[str, list["Cached[Any, Any]"]] = {}


def use(engine: Engine | None) -> None:
    """For the part that has one."""
    global _engine
    _engine = engine


class Cached(Generic[Given, Result]):
    """The function; in a transaction it is called each time, because what it sees there nobody else may."""

    def __init__(self, function: Callable[Given, Result], terms: Terms) -> None:
        self.what = Cacheable(function, terms, first=0)
        self.function = function
        update_wrapper(self, function)

    def __call__(self, *args: Given.args, **kwargs: Given.kwargs) -> Result:
        if _engine is None or connection.in_atomic_block:
            return self.function(*args, **kwargs)
        found: Result = _engine.read(self.what, self.what.key(kwargs), partial(self.function, *args, **kwargs))
        return found


def cached(  # noqa: PLR0913 - each has a default, and its name is said
    group: str,
    ttl: float,
    *,
    stale_while_revalidate: float = 0.0,
    stale_if_error: float = 0.0,
    missing: float = 0.0,
    lease: float = 5.0,
    shared: bool = False,
    version: int = 1,
    on: Iterable[str] = (),
) -> Callable[[Callable[Given, Result]], Cached[Given, Result]]:
    """Keep what the function returns for `ttl` seconds, for each set of its arguments; see `cacheable.Terms`.

    A value that is somebody's has the parameter `owner`; one that is not says `shared=True`. `on` are events, see
    `changed`. What the function returns is stored as JSON by its annotation.
    """
    terms = Terms(
        group=group,
        ttl=ttl,
        stale_while_revalidate=stale_while_revalidate,
        stale_if_error=stale_if_error,
        missing=missing,
        lease=lease,
        shared=shared,
        version=version,
    )

    def keep(function: Callable[Given, Result]) -> Cached[Given, Result]:
        claim(group, function)
        made = Cached(function, terms)
        for event in on:
            _by_event.setdefault(event, []).append(made)
        return made

    return keep


def invalidate(function: Cached[Given, Result], *args: Given.args, **kwargs: Given.kwargs) -> None:
    """Whatever the function has returned for these arguments is wrong from now on; in a transaction: once it commits.

    A load that has begun before is not stored, whoever runs it.
    """
    del args
    _drop([(function.what.terms.group, function.what.key(kwargs))])


def changed(event: str, **arguments: Any) -> None:
    """Invalidate every function that is cached `on` this event, for those of the arguments that it has."""
    found = [one.what for one in _by_event.get(event, ())]
    _drop([(one.terms.group, one.key({name: arguments[name] for name in one.names})) for one in found])


def _drop(names: list[tuple[str, str]]) -> None:
    if _engine is not None:
        # At once where there is no transaction.
        transaction.on_commit(partial(_engine.invalidate, names))


def forget() -> None:
    """For tests: nothing that is cached is known any more."""
    if _engine is not None:
        _engine.forget()
