"""Django's own cache framework on the service's Redis: one that is away is empty, and never an exception."""

from collections.abc import Callable, Iterable, Mapping
from functools import cached_property, partial
from typing import Any, Final, TypeVar

import orjson
from django.core.cache.backends.redis import RedisCache, RedisCacheClient
from redis.exceptions import ResponseError

from app.chassis import about, caching
from app.chassis.caching import tally
from app.chassis.caching.options import Settings
from app.chassis.caching.scripts import Away
from app.chassis.caching.store import Store
from app.chassis.settings import load

GROUP: Final = "django"
PREFIX: Final = f"{about.NAME}:django"

Answer = TypeVar("Answer")
Other = TypeVar("Other")


class Foreign(Exception):
    """What is under the key was not put there by this backend."""


class Json:
    """Never pickle: it would run what it reads."""

    def dumps(self, value: Any) -> int | bytes:
        # Redis counts with those that it can read.
        if type(value) is int:
            return value
        try:
            return orjson.dumps(value)
        except TypeError as error:
            raise TypeError(
                f"django.core.cache keeps plain values here, and a {type(value).__name__} is none: keep its id or its "
                f"fields, or give what takes long to make to app.chassis.cache.cached ({error})"
            ) from error

    def loads(self, data: bytes) -> Any:
        try:
            return orjson.loads(data)
        except orjson.JSONDecodeError as error:
            raise Foreign from error


# Django's own annotations know no serializer but pickle's.
SERIALIZER: Final[Any] = Json


class Client(RedisCacheClient):
    """Django's, which asks through the service's pool, limits and breaker."""

    def __init__(self, servers: list[str], **options: Any) -> None:
        super().__init__(servers, serializer=SERIALIZER, **options)
        self.url = servers[0]

    @cached_property
    def store(self) -> Store:
        """The service's; a command that runs without the service has one of its own."""
        return caching.opened_store() or Store(load(Settings).model_copy(update={"cache_url": self.url}))

    def get_client(self, _key: Any = None, *, write: bool = False) -> Any:  # noqa: ARG002 - Django's signature
        return self.store.client

    def ask(self, ask: Callable[[], Answer], otherwise: Other) -> Answer | Other:
        def asked() -> Answer | Other:
            try:
                return ask()
            except ResponseError as error:
                if not str(error).startswith("WRONGTYPE"):
                    raise
                raise Foreign from error

        try:
            return self.store.asked("django", asked)
        except Away:
            return otherwise
        except Foreign:
            tally.corrupt[GROUP] += 1
            return otherwise

    def get(self, key: Any, default: Any) -> Any:
        found = self.ask(partial(super().get, key, MISS), MISS)
        tally.requests[GROUP, "miss" if found is MISS else "hit"] += 1
        return default if found is MISS else found

    def get_many(self, keys: Iterable[Any]) -> dict[Any, Any]:
        return self.ask(partial(super().get_many, list(keys)), {})

    def has_key(self, key: Any) -> bool:
        return self.ask(partial(super().has_key, key), otherwise=False)

    def add(self, key: Any, value: Any, timeout: Any) -> bool:
        return self.ask(partial(super().add, key, value, timeout), otherwise=False)

    def set(self, key: Any, value: Any, timeout: Any) -> None:
        # Else the value from before would be there again when the store is.
        if self.ask(partial(super().set, key, value, timeout), Away) is Away:
            self.store.drop([key])

    def set_many(self, data: Mapping[Any, Any], timeout: Any) -> None:
        if self.ask(partial(super().set_many, data, timeout), Away) is Away:
            self.store.drop(list(data))

    def touch(self, key: Any, timeout: Any) -> bool:
        return self.ask(partial(super().touch, key, timeout), otherwise=False)

    def delete(self, key: Any) -> bool:
        deleted = self.ask(partial(super().delete, key), None)
        if deleted is None:
            self.store.drop([key])
        return bool(deleted)

    def delete_many(self, keys: Iterable[Any]) -> None:
        self.store.drop(list(keys))

    def incr(self, key: Any, delta: int) -> int:
        """Raises ValueError for a key that is not there, as Django says, and so while nothing is."""
        found = self.ask(partial(super().incr, key, delta), None)
        if found is None:
            raise ValueError(f"Key '{key}' not found.")
        return int(found)

    def clear(self) -> bool:
        """This backend's keys: the database may have others' in it."""

        def cleared() -> bool:
            for key in self.store.client.scan_iter(match=f"{PREFIX}:*", count=1000):
                self.store.client.unlink(key)
            return True

        return self.ask(cleared, otherwise=False)


MISS: Final = object()


class Cache(RedisCache):
    def __init__(self, server: str, params: dict[str, Any]) -> None:
        super().__init__(server, params)
        # Django parts servers by commas, which an address may have in its password.
        self._servers = [server]
        self._class = Client
