"""Functions whose results are kept: `cached`, and `invalidate` for whoever changes what they were made of.

In a service without a cache they are called each time.
"""

from collections.abc import Awaitable, Callable, Iterable
from functools import partial, update_wrapper
from typing import Any, Concatenate, Generic, ParamSpec, Protocol, TypeVar

from sqlalchemy.ext.asyncio import AsyncSession

from app.chassis import database
from app.chassis.cacheable import Cacheable, Terms, claim

Given = ParamSpec("Given")
Result = TypeVar("Result")
Loader = Callable[Concatenate[AsyncSession, Given], Awaitable[Result]]
# Pairs of a group and a key.
Names = Iterable[tuple[str, str]]
PENDING = "cache"


class Engine(Protocol):
    async def read(self, what: Cacheable, key: str, load: Callable[[], Awaitable[Any]]) -> Any: ...

    async def invalidate(self, names: Names) -> None: ...

    def forget(self) -> None: ...


_engine: Engine | None = None
_by_event: dict[str, list["Cached[Any, Any]"]] = {}


def use(engine: Engine | None) -> None:
    """For the part that has one."""
    global _engine
    _engine = engine


class Cached(Generic[Given, Result]):
    """The function, called without the session: each load has one of its own, which sees what is committed."""

    def __init__(self, function: Loader[Given, Result], terms: Terms) -> None:
        self.what = Cacheable(function, terms, first=1)
        self.function = function
        update_wrapper(self, function)

    async def __call__(self, *args: Given.args, **kwargs: Given.kwargs) -> Result:
        if _engine is None:
            return await self.within(*args, **kwargs)
        key = self.what.key(kwargs)
        if (self.what.terms.group, key) in pending():
            # The running transaction has changed it: only there is it to be seen, and nobody else may.
            return await self.within(*args, **kwargs)
        found: Result = await _engine.read(self.what, key, partial(self.load, *args, **kwargs))
        return found

    async def within(self, *args: Given.args, **kwargs: Given.kwargs) -> Result:
        """As part of the running transaction, if there is one."""
        outer = database.outer()
        return await (self.load(*args, **kwargs) if outer is None else self.function(outer, *args, **kwargs))

    async def load(self, *args: Given.args, **kwargs: Given.kwargs) -> Result:
        async with database.opened().sessions() as session:
            return await self.function(session, *args, **kwargs)


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
) -> Callable[[Loader[Given, Result]], Cached[Given, Result]]:
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

    def keep(function: Loader[Given, Result]) -> Cached[Given, Result]:
        claim(group, function)
        made = Cached(function, terms)
        for event in on:
            _by_event.setdefault(event, []).append(made)
        return made

    return keep


async def invalidate(function: Cached[Given, Result], *args: Given.args, **kwargs: Given.kwargs) -> None:
    """Whatever the function has returned for these arguments is wrong from now on; in a transaction: once it commits.

    A load that has begun before is not stored, whoever runs it.
    """
    del args
    await _drop([(function.what.terms.group, function.what.key(kwargs))])


async def changed(event: str, **arguments: Any) -> None:
    """Invalidate every function that is cached `on` this event, for those of the arguments that it has."""
    found = [one.what for one in _by_event.get(event, ())]
    await _drop([(one.terms.group, one.key({name: arguments[name] for name in one.names})) for one in found])


async def _drop(names: list[tuple[str, str]]) -> None:
    if _engine is None:
        return
    session = database.inner()
    if session is None:
        await _engine.invalidate(names)
    else:
        session.info.setdefault(PENDING, {}).update(dict.fromkeys(names))


def pending() -> Iterable[tuple[str, str]]:
    """What the running transaction has changed."""
    session = database.inner()
    return () if session is None else session.info.get(PENDING, ())


async def committed(names: Names) -> None:
    """Called by the database between a commit and the answer to it."""
    if _engine is not None:
        await _engine.invalidate(names)


def forget() -> None:
    """For tests: nothing that is cached is known any more."""
    if _engine is not None:
        _engine.forget()
