"""One load for each key, however many tasks and processes want its value; who gives up takes it from nobody else."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import asynccontextmanager, suppress
from functools import partial
from secrets import token_hex
from typing import Any

import structlog
from sqlalchemy import event
from sqlalchemy.orm import Session
from sqlalchemy.util import await_only

from app.chassis import cache
from app.chassis.cacheable import Cacheable, Terms, nobodys
from app.chassis.caching import rules, tally
from app.chassis.caching.envelope import Packed, pack
from app.chassis.caching.memory import Memory
from app.chassis.caching.options import Settings
from app.chassis.caching.rules import Outcome, Plain
from app.chassis.caching.scripts import Away, Seen
from app.chassis.caching.store import Store
from app.chassis.errors import Unavailable
from app.chassis.exchange import current

Load = Callable[[], Awaitable[Any]]
log = structlog.get_logger()


class Engine:
    """`redis` is None where each process keeps its own; `memory` has a copy of what was seen, for when it is away."""

    def __init__(self, settings: Settings) -> None:
        self.redis = Store(settings) if settings.cache_url else None
        self.memory = Memory(settings.cache_memory)
        self.limit = settings.cache_value_limit
        self.lenient = settings.environment == "production"
        self.salt = ""
        self.flights: dict[str, asyncio.Task[Outcome]] = {}
        self.refreshing: set[asyncio.Task[Outcome]] = set()

    # -- for app.chassis.cache

    async def read(self, what: Cacheable, key: str, load: Load) -> Any:
        key += self.salt
        try:
            return rules.opened(what, await asyncio.shield(self.flight(what, key, load)))
        except ValueError:
            rules.noted_corrupt(what)
        await self.drop([key])
        return rules.opened(what, await asyncio.shield(self.flight(what, key, load)))

    async def invalidate(self, names: Iterable[tuple[str, str]]) -> None:
        keys = []
        for group, key in names:
            tally.invalidated[group] += 1
            keys.append(key + self.salt)
        if keys:
            await self.drop(keys)

    def forget(self) -> None:
        self.salt = f":{token_hex(4)}"
        self.flights.clear()
        self.memory.clear()

    # -- a flight: all who want a value while somebody gets it

    def flight(self, what: Cacheable, key: str, load: Load) -> "asyncio.Task[Outcome]":
        task = self.flights.get(key)
        if task is None:
            # A task of its own: nobody who stops waiting stops it for the others.
            task = self.flights[key] = asyncio.create_task(self.fly(what, key, load))
            task.add_done_callback(partial(self.landed, key))
        return task

    def landed(self, key: str, task: "asyncio.Task[Outcome]") -> None:
        if self.flights.get(key) is task:
            del self.flights[key]
        if not task.cancelled():
            # Said to those who wait, if there are any.
            task.exception()

    async def fly(self, what: Cacheable, key: str, load: Load) -> Outcome:
        """Until there is a value: the one that is there, one that somebody else makes, or one that is made here."""
        current.set(nobodys(current.get()))
        token, attempts = token_hex(8), 0
        for pause in rules.pauses():
            source, seen = await self.look(what, key, token)
            found = rules.known(what, seen)
            late = -seen.fresh
            if found is not None and late < 0:
                if source is self.redis:
                    self.copy(what, key, found, seen.fresh)
                return Outcome(found, "hit")
            if found is not None and late <= source.patience(what.terms):
                if seen.mine:
                    self.refresh(source, what, key, token, load, found)
                return Outcome(found, "stale")
            if seen.mine:
                attempts += 1
                stale = found if late <= what.terms.stale_if_error else None
                outcome, kept = await self.load(source, what, key, token, load, stale)
                if kept and source is self.redis and outcome.result == "miss":
                    self.copy(what, key, outcome.found, rules.lives(what.terms, outcome.found)[0])
                if kept or attempts == rules.ATTEMPTS:
                    return outcome
            elif found is None and seen.raw is not None:
                await self.drop([key], but=asyncio.current_task())
            else:
                await asyncio.sleep(pause)
        raise AssertionError("pauses do not end")

    async def load(
        self, source: "Store | Local", what: Cacheable, key: str, token: str, load: Load, stale: Packed | None
    ) -> tuple[Outcome, bool]:
        """A value, and whether it may be kept: it may not if it was invalidated meanwhile."""
        began = time.monotonic()
        tally.loads[what.terms.group] += 1
        try:
            found = await self.made(what, load)
        except BaseException as error:
            pause = rules.RETRY_SECONDS if stale is not None else 0.0
            with suppress(Away):
                await asyncio.shield(source.release(key, what.version, token, pause=pause))
            if stale is None or not isinstance(error, Exception) or isinstance(error, TypeError):
                raise
            log.warning("cache.stale_if_error", group=what.terms.group, reason=repr(error))
            return Outcome(stale, "stale_if_error"), True
        raw = rules.raw(what, found, limit=self.limit)
        try:
            if raw is None:
                await source.release(key, what.version, token, pause=0.0)
                return Outcome(found, "miss"), True
            fresh, life = rules.lives(what.terms, found)
            stored = await source.store(key, what.version, token, raw, fresh=fresh, life=life)
        except Away:
            return Outcome(found, "miss"), True
        if not stored:
            rules.overtaken(what)
        # A load that outlived its lease was overtaken by time alone.
        return Outcome(found, "miss"), stored or time.monotonic() - began >= what.terms.lease

    async def made(self, what: Cacheable, load: Load) -> Packed | Plain:
        try:
            async with asyncio.timeout(what.terms.lease):
                value = await load()
        except TimeoutError as error:
            rules.failed(what, error)
            raise Unavailable("This takes longer than it may; try again.") from error
        except Exception as error:
            missing = rules.failed(what, error)
            if missing is None:
                raise
            return missing
        return rules.packed(what, value, lenient=self.lenient)

    def refresh(
        self, source: "Store | Local", what: Cacheable, key: str, token: str, load: Load, stale: Packed
    ) -> None:
        """While everybody gets the stale value."""

        async def refreshed() -> Outcome:
            outcome, _ = await self.load(source, what, key, token, load, stale)
            return outcome

        task = asyncio.create_task(refreshed())
        self.refreshing.add(task)
        task.add_done_callback(self.refreshing.discard)
        task.add_done_callback(lambda done: None if done.cancelled() else done.exception() and None)

    # -- where values are

    async def look(self, what: Cacheable, key: str, token: str) -> tuple["Store | Local", Seen]:
        if self.redis is not None:
            with suppress(Away):
                return self.redis, await self.redis.read(key, what.version, token, what.terms.lease)
        local = Local(self.memory, most_seconds=None if self.redis is None else rules.AWAY_SECONDS)
        return local, await local.read(key, what.version, token, what.terms.lease)

    def copy(self, what: Cacheable, key: str, found: Packed | Plain, fresh: float) -> None:
        # Unless it was invalidated here since the store was asked.
        if isinstance(found, Plain) or self.flights.get(key) is not asyncio.current_task():
            return
        life = fresh + rules.kept_stale(what.terms)
        self.memory.copy(key, pack(found), fresh=min(fresh, rules.AWAY_SECONDS), life=life)

    async def drop(self, keys: list[str], but: "asyncio.Task[Any] | None" = None) -> None:
        for key in keys:
            self.memory.drop(key)
            if self.flights.get(key) is not but:
                # Who asks from now on does not get what was read before.
                self.flights.pop(key, None)
        if self.redis is not None:
            await self.redis.drop(keys)

    async def check(self, degraded: type[Exception]) -> None:
        if self.redis is None:
            return
        try:
            await self.redis.ping()
        except Away:
            raise degraded("away: values are made each time, or kept by the process for seconds") from None

    async def close(self) -> None:
        tasks = [*self.flights.values(), *self.refreshing]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        if self.redis is not None:
            await self.redis.close()


class Local:
    """The memory, asked as the store is."""

    def __init__(self, memory: Memory, *, most_seconds: float | None) -> None:
        self.memory = memory
        self.most_seconds = most_seconds

    def patience(self, terms: Terms) -> float:
        grace = 0.0 if self.most_seconds is None else rules.GRACE_SECONDS
        return max(terms.stale_while_revalidate, grace)

    async def read(self, key: str, _version: str, token: str, lease: float) -> Seen:
        return self.memory.read(key, token, lease)

    async def store(self, key: str, _version: str, token: str, raw: bytes, *, fresh: float, life: float) -> bool:
        fresh = fresh if self.most_seconds is None else min(fresh, self.most_seconds)
        return self.memory.store(key, token, raw, fresh=fresh, life=life)

    async def release(self, key: str, _version: str, token: str, *, pause: float) -> None:
        self.memory.release(key, token, pause=pause)


@asynccontextmanager
async def opened(settings: Settings, use: Callable[[Engine | None], None]) -> AsyncIterator[None]:
    """Tell `use` and `app.chassis.cache` of the engine, for as long as the service runs."""
    engine = Engine(settings)
    event.listen(Session, "after_commit", after_commit)
    use(engine)
    cache.use(engine)
    try:
        yield
    finally:
        cache.use(None)
        use(None)
        event.remove(Session, "after_commit", after_commit)
        await engine.close()


def after_commit(session: Session) -> None:
    """What was changed is invalid before anybody hears that it was; a savepoint's end is no commit."""
    if session.in_nested_transaction():
        return
    names = session.info.pop(cache.PENDING, None)
    if names:
        await_only(cache.committed(names))
