"""`django.core.cache` is the service's Redis: under its limits, without pickle, and empty while it is away."""

from typing import Any
from uuid import uuid4

import pytest
from django.core.cache import caches
from django.core.cache.backends.locmem import LocMemCache

from app.chassis import about
from app.chassis.caching.backend import Cache, Json
from tests.chassis.outage import Proxy
from tests.chassis.running import Service, eventually
from tests.chassis.test_cache import needs_store
from tests.chassis.variables_cache import REDIS


@pytest.fixture
def backend() -> Cache:
    return Cache(REDIS, {"KEY_PREFIX": f"{about.NAME}:django"})


def redis_of(backend: Any) -> Any:
    return backend._cache.store.client


@needs_store
def test_it_keeps_plain_values(backend: Cache) -> None:
    key = uuid4().hex
    for value in (7, "text", {"a": [1, None, True]}, None, "7"):
        backend.set(key, value, 60)
        assert backend.get(key, "nothing") == value
    assert not backend.add(key, 1, 60)
    backend.set(key, 1)
    assert backend.incr(key, 2) == 3
    assert backend.get_many([key]) == {key: 3}
    backend.delete(key)
    assert backend.get(key) is None
    with pytest.raises(ValueError, match="not found"):
        backend.incr(key)


def test_what_is_no_plain_value_is_refused_with_a_cure() -> None:
    with pytest.raises(TypeError, match="keep its id or its fields"):
        Json().dumps(object())


@needs_store
def test_what_is_not_its_own_is_a_miss(backend: Cache) -> None:
    key = uuid4().hex
    client = redis_of(backend)
    client.set(backend.make_key(key), b"cos\nsystem\n(S'exit'\ntR.", ex=60)
    assert backend.get(key, "nothing") == "nothing"
    client.delete(backend.make_key(key))
    client.rpush(backend.make_key(key), 1)
    assert backend.get(key, "nothing") == "nothing"
    backend.delete(key)


@needs_store
def test_to_clear_it_takes_its_own_keys_and_no_others(backend: Cache) -> None:
    client = redis_of(backend)
    other, key = f"somebody:{uuid4().hex}", uuid4().hex
    client.set(other, 1, ex=60)
    backend.set(key, 1, 60)
    backend.clear()
    assert backend.get(key) is None
    assert client.get(other) == b"1"


def test_without_a_redis_it_is_the_memory_of_the_process() -> None:
    assert isinstance(caches["default"], LocMemCache | Cache)


@needs_store
@pytest.mark.beside("losing")
def test_one_that_is_away_is_empty_and_no_error(losing: list[Service], lost_store: Proxy) -> None:
    service, key = losing[0], uuid4().hex
    path = f"/probe/django_cache/{key}"
    assert service.http.post(path, params={"value": 7}).json() == {"value": 7, "many": 2, "there": True}
    lost_store.begin()
    assert service.http.get(path).json() == {"value": None, "many": 0, "there": False}
    # What is set meanwhile is not kept, and what was there before does not come back.
    assert service.http.post(path, params={"value": 8}).json() == {"value": None, "many": 0, "there": False}
    assert service.http.delete(path).status_code == 204
    lost_store.end()
    eventually(lambda: service.http.get(path).status_code == 200 and service.metric("cache_store_away") == 0)
    assert service.http.get(path).json()["value"] is None
