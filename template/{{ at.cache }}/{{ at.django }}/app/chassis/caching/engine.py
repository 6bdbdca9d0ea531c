"""One load for each key, however many threads and processes want its value."""

import threading
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager, suppress
from contextvars import copy_context
from secrets import token_hex
from typing import Any, Final

import structlog
from django.db import connections

from app.chassis import cache
from app.chassis.cacheable import Cacheable, Terms, nobodys
from app.chassis.caching import rules, tally
from app.chassis.caching.envelope import Packed, pack
from app.chassis.caching.memory import Memory
from app.chassis.caching.options import Settings
from app.chassis.caching.rules import Outcome, Plain
from app.chassis.caching.scripts import Away, Seen
from app.chassis.caching.store import Store
from app.chassis.exchange import current

Load = Callable[[], Any]
# Threads that make stale values anew, and how many may wait for one.
REFRESHERS: Final = 4
MOST_REFRESHING: Final = 64
log = structlog.get_logger()


class Engine:
    """`redis` is None where each process keeps its own; `memory` has a copy of what was seen, for when it is away."""

    def __init__(self, settings: Settings) -> None:
        self.redis = Store(settings) if settings.cache_url else None
        self.memory = Memory(settings.cache_memory)
        self.limit = settings.cache_value_limit
        self.lenient = settings.environment == "production"
        self.salt = ""
        self.lock = threading.Lock()
        self.flights: dict[str, Future[Outcome]] = {}
        self.refreshing = 0
        self.refreshers = ThreadPoolExecutor(REFRESHERS, "cache-refresh")

    # -- for app.chassis.cache

    def read(self, what: Cacheable, key: str, load: Load) -> Any:
        key += self.salt
        try:
            return rules.opened(what, self.flight(what, key, load))
        except ValueError:
            rules.noted_corrupt(what)
        self.drop([key])
        return rules.opened(what, self.flight(what, key, load))

    def invalidate(self, names: Iterable[tuple[str, str]]) -> None:
        keys = []
        for group, key in names:
            tally.invalidated[group] += 1
            keys.append(key + self.salt)
        if keys:
            self.drop(keys)

    def forget(self) -> None:
        self.salt = f":{token_hex(4)}"
        self.flights.clear()
        self.memory.clear()

    # -- a flight: all who want a value while somebody gets it

    def flight(self, what: Cacheable, key: str, load: Load) -> Outcome:
        while True:
            with self.lock:
                mine = key not in self.flights
                flight = self.flights.setdefault(key, Future())
            if mine:
                return self.lead(flight, what, key, load)
            with suppress(TimeoutError):
                return flight.result(what.terms.lease)
            # Whoever loads it is stuck, and so has lost the lease.
            self.leave(key, flight)

    def lead(self, flight: "Future[Outcome]", what: Cacheable, key: str, load: Load) -> Outcome:
        try:
            # A context of its own: what the load sets is gone with it.
            outcome = copy_context().run(self.fly, flight, what, key, load)
        except BaseException as error:
            self.leave(key, flight)
            flight.set_exception(error)
            raise
        self.leave(key, flight)
        flight.set_result(outcome)
        return outcome

    def leave(self, key: str, flight: "Future[Outcome]") -> None:
        with self.lock:
            if self.flights.get(key) is flight:
                del self.flights[key]

    def fly(self, flight: "Future[Outcome]", what: Cacheable, key: str, load: Load) -> Outcome:
        """Until there is a value: the one that is there, one that somebody else makes, or one that is made here."""
        current.set(nobodys(current.get()))
        token, attempts = token_hex(8), 0
        for pause in rules.pauses():
            source, seen = self.look(what, key, token)
            found = rules.known(what, seen)
            late = -seen.fresh
            if found is not None and late < 0:
                if source is self.redis:
                    self.copy(flight, what, key, found, seen.fresh)
                return Outcome(found, "hit")
            stale = found is not None and late <= source.patience(what.terms)
            if found is not None and stale and (not seen.mine or self.refresh(source, what, key, token, load, found)):
                return Outcome(found, "stale")
            if seen.mine:
                attempts += 1
                outcome, kept = self.load(
                    source, what, key, token, load, found if late <= what.terms.stale_if_error else None
                )
                if kept and source is self.redis and outcome.result == "miss":
                    self.copy(flight, what, key, outcome.found, rules.lives(what.terms, outcome.found)[0])
                if kept or attempts == rules.ATTEMPTS:
                    return outcome
            elif found is None and seen.raw is not None:
                self.drop([key], but=flight)
            else:
                time.sleep(pause)
        raise AssertionError("pauses do not end")

    def load(
        self, source: "Store | Local", what: Cacheable, key: str, token: str, load: Load, stale: Packed | None
    ) -> tuple[Outcome, bool]:
        """A value, and whether it may be kept: it may not if it was invalidated meanwhile."""
        began = time.monotonic()
        tally.loads[what.terms.group] += 1
        try:
            found = self.made(what, load)
        except BaseException as error:
            pause = rules.RETRY_SECONDS if stale is not None else 0.0
            with suppress(Away):
                source.release(key, what.version, token, pause=pause)
            if stale is None or not isinstance(error, Exception) or isinstance(error, TypeError):
                raise
            log.warning("cache.stale_if_error", group=what.terms.group, reason=repr(error))
            return Outcome(stale, "stale_if_error"), True
        raw = rules.raw(what, found, limit=self.limit)
        try:
            if raw is None:
                source.release(key, what.version, token, pause=0.0)
                return Outcome(found, "miss"), True
            fresh, life = rules.lives(what.terms, found)
            stored = source.store(key, what.version, token, raw, fresh=fresh, life=life)
        except Away:
            return Outcome(found, "miss"), True
        if not stored:
            rules.overtaken(what)
        # A load that outlived its lease was overtaken by time alone.
        return Outcome(found, "miss"), stored or time.monotonic() - began >= what.terms.lease

    def made(self, what: Cacheable, load: Load) -> Packed | Plain:
        try:
            value = load()
        except Exception as error:
            missing = rules.failed(what, error)
            if missing is None:
                raise
            return missing
        return rules.packed(what, value, lenient=self.lenient)

    def refresh(
        self, source: "Store | Local", what: Cacheable, key: str, token: str, load: Load, stale: Packed
    ) -> bool:
        """While everybody gets the stale value; False if too many wait for that already."""

        def refreshed() -> None:
            try:
                with suppress(Exception):
                    self.load(source, what, key, token, load, stale)
            finally:
                with self.lock:
                    self.refreshing -= 1
                # They belong to their thread, and it has no request whose end gives them back.
                connections.close_all()

        with self.lock:
            if self.refreshing >= MOST_REFRESHING:
                return False
            self.refreshing += 1
        self.refreshers.submit(copy_context().run, refreshed)
        return True

    # -- where values are

    def look(self, what: Cacheable, key: str, token: str) -> tuple["Store | Local", Seen]:
        if self.redis is not None:
            with suppress(Away):
                return self.redis, self.redis.read(key, what.version, token, what.terms.lease)
        local = Local(self.memory, most_seconds=None if self.redis is None else rules.AWAY_SECONDS)
        return local, local.read(key, what.version, token, what.terms.lease)

    def copy(self, flight: "Future[Outcome]", what: Cacheable, key: str, found: Packed | Plain, fresh: float) -> None:
        # Unless it was invalidated here since the store was asked.
        if isinstance(found, Plain) or self.flights.get(key) is not flight:
            return
        life = fresh + rules.kept_stale(what.terms)
        self.memory.copy(key, pack(found), fresh=min(fresh, rules.AWAY_SECONDS), life=life)

    def drop(self, keys: list[str], but: "Future[Outcome] | None" = None) -> None:
        for key in keys:
            with self.lock:
                self.memory.drop(key)
                if self.flights.get(key) is not but:
                    # Who asks from now on does not get what was read before.
                    self.flights.pop(key, None)
        if self.redis is not None:
            self.redis.drop(keys)

    def check(self, degraded: type[Exception]) -> None:
        if self.redis is None:
            return
        try:
            self.redis.ping()
        except Away:
            raise degraded("away: values are made each time, or kept by the process for seconds") from None

    def close(self) -> None:
        self.refreshers.shutdown(wait=False, cancel_futures=True)
        if self.redis is not None:
            self.redis.close()


class Local:
    """The memory, asked as the store is."""

    def __init__(self, memory: Memory, *, most_seconds: float | None) -> None:
        self.memory = memory
        self.most_seconds = most_seconds

    def patience(self, terms: Terms) -> float:
        grace = 0.0 if self.most_seconds is None else rules.GRACE_SECONDS
        return max(terms.stale_while_revalidate, grace)

    def read(self, key: str, _version: str, token: str, lease: float) -> Seen:
        return self.memory.read(key, token, lease)

    def store(self, key: str, _version: str, token: str, raw: bytes, *, fresh: float, life: float) -> bool:
        fresh = fresh if self.most_seconds is None else min(fresh, self.most_seconds)
        return self.memory.store(key, token, raw, fresh=fresh, life=life)

    def release(self, key: str, _version: str, token: str, *, pause: float) -> None:
        self.memory.release(key, token, pause=pause)


@contextmanager
def opened(settings: Settings, use: Callable[[Engine | None], None]) -> Iterator[None]:
    """Tell `use` and `app.chassis.cache` of the engine, for as long as the service runs."""
    engine = Engine(settings)
    use(engine)
    cache.use(engine)
    try:
        yield
    finally:
        cache.use(None)
        use(None)
        engine.close()
