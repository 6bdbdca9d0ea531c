"""The Redis or Valkey, asked by the thread that wants to know, and only while it answers."""

from collections.abc import Callable
from contextlib import nullcontext
from typing import Any, Final, TypeVar

from redis import BlockingConnectionPool, Redis
from redis.exceptions import ConnectionError as Cut
from redis.exceptions import RedisError
from redis.exceptions import TimeoutError as TooSlow

from app.chassis import about, tracing
from app.chassis.cacheable import Terms
from app.chassis.caching import scripts
from app.chassis.caching.breaker import Breaker
from app.chassis.caching.options import Settings
from app.chassis.caching.scripts import Away, Seen, milliseconds

Answer = TypeVar("Answer")
# More than so many are not remembered one by one: everything goes.
MOST_OWED: Final = 10_000
BROKEN: Final = (Cut, TooSlow, OSError)


class Store:
    def __init__(self, settings: Settings) -> None:
        self.breaker = Breaker()
        # Invalidations that it has not heard of: they come first when it is back.
        self.owed: dict[str, object] = {}
        self.owes_all = False
        pool = BlockingConnectionPool.from_url(
            settings.cache_url,
            max_connections=settings.cache_pool_size,
            timeout=settings.cache_timeout,
            socket_timeout=settings.cache_timeout,
            socket_connect_timeout=settings.cache_timeout,
            retry=None,
            retry_on_error=[],
        )
        self.client: Any = Redis(connection_pool=pool)
        self.scripts = {name: self.client.register_script(text) for name, text in scripts.ALL.items()}
        if tracing.enabled():
            from app.chassis.caching.spans import asking  # noqa: PLC0415 - the SDK, where it is wanted

            self.span: Callable[[str], Any] = asking
        else:
            self.span = nullcontext

    def patience(self, terms: Terms) -> float:
        """Seconds for which a value that is not fresh any more is answered while a new one is made."""
        return terms.stale_while_revalidate

    def read(self, key: str, version: str, token: str, lease: float) -> Seen:
        return scripts.seen(self.run("READ", key, version, token, milliseconds(lease)))

    def store(self, key: str, version: str, token: str, raw: bytes, *, fresh: float, life: float) -> bool:
        return bool(self.run("STORE", key, version, token, raw, milliseconds(fresh), milliseconds(life)))

    def release(self, key: str, version: str, token: str, *, pause: float) -> None:
        self.run("RELEASE", key, version, token, round(pause * 1000))

    def drop(self, keys: list[str]) -> None:
        """Now, or when it is back."""
        try:
            self.asked("UNLINK", lambda: self.client.unlink(*keys))
        except Away:
            if len(self.owed) + len(keys) > MOST_OWED:
                self.owes_all = True
                self.owed.clear()
            else:
                self.owed.update({key: object() for key in keys})

    def ping(self) -> None:
        self.asked("PING", self.client.ping)

    def close(self) -> None:
        self.client.close()
        self.client.connection_pool.disconnect()

    def run(self, name: str, key: str, *arguments: str | bytes | int) -> Any:
        return self.asked(name, lambda: self.scripts[name]([key], arguments))

    def asked(self, operation: str, ask: Callable[[], Answer]) -> Answer:
        """Raises Away, at once while it is known to be."""
        if not self.breaker.allows():
            raise Away
        try:
            with self.span(operation):
                answer = self.again(ask)
        except (RedisError, OSError) as error:
            self.breaker.failed(error)
            raise Away from error
        self.breaker.succeeded()
        return answer

    def again(self, ask: Callable[[], Answer]) -> Answer:
        """Twice at most: a connection that has long been idle may be gone, and one late answer is no outage."""
        try:
            self.settle()
            return ask()
        except BROKEN:
            self.settle()
            return ask()

    def settle(self) -> None:
        if self.owes_all:
            # What is owed from here on is remembered by itself again.
            self.owes_all = False
            try:
                for key in self.client.scan_iter(match=f"{about.NAME}:cache:*", count=1000):
                    self.client.unlink(key)
            except BaseException:
                self.owes_all = True
                raise
        owed = dict(self.owed)
        if owed:
            self.client.unlink(*owed)
            for key, mark in owed.items():
                # Unless it came again meanwhile.
                if self.owed.get(key) is mark:
                    self.owed.pop(key, None)
