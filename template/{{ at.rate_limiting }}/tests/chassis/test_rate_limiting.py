"""Rate limits: each client has its own, the store may vanish, nobody gets around them by a header."""

import socket
import threading
from collections import Counter
from urllib.parse import urlsplit
from uuid import uuid4

import pytest

from app.chassis import rate_limiting, routes
from app.chassis.gcra import Limit
from app.chassis.settings import problems
from tests.chassis.fixtures_rate_limiting import REDIS
from tests.chassis.outage import Proxy
from tests.chassis.running import Service, eventually


def asked(service: Service, times: int, path: str = "/probe/ok", *, client: str | None = None) -> list[int]:
    headers = {"x-forwarded-for": client} if client else {}
    service.ready()
    return [service.http.get(path, headers=headers).status_code for _ in range(times)]


@pytest.mark.beside("limited")
def test_one_too_many_is_refused_and_told_when_to_come_back(limited: Service) -> None:
    asked(limited, 5, client="203.0.113.1")
    reply = limited.http.get("/probe/ok", headers={"x-forwarded-for": "203.0.113.1"})
    assert reply.status_code == 429
    assert reply.headers["content-type"] == "application/problem+json"
    assert 1 <= int(reply.headers["retry-after"]) <= 720
    assert reply.headers["ratelimit-policy"] == '"default";q=5;w=3600'
    assert reply.headers["ratelimit"].startswith('"default";r=0;t=')
    assert reply.headers["x-content-type-options"] == "nosniff"
    assert limited.metric("rate_limited_total", **{"class": "default"}) >= 1


@pytest.mark.beside("limited")
def test_every_reply_says_what_is_left(limited: Service) -> None:
    limited.ready()
    replies = [limited.http.get("/probe/ok", headers={"x-forwarded-for": "203.0.113.2"}) for _ in range(3)]
    assert [reply.headers["ratelimit"].partition(";t=")[0] for reply in replies] == [
        f'"default";r={left}' for left in (4, 3, 2)
    ]


@pytest.mark.beside("limited")
def test_each_client_has_its_own(limited: Service) -> None:
    assert asked(limited, 6, client="203.0.113.3")[-1] == 429
    assert asked(limited, 1, client="203.0.113.4") == [200]


@pytest.mark.beside("limited")
def test_who_has_a_network_is_one_client(limited: Service) -> None:
    statuses = [asked(limited, 1, client=f"2001:db8:0:7::{number}")[0] for number in range(1, 7)]
    assert statuses == [200] * 5 + [429]
    assert asked(limited, 1, client="2001:db8:0:8::1") == [200]


def test_an_invented_address_changes_nothing(unproxied: Service) -> None:
    statuses = [asked(unproxied, 1, client=f"203.0.113.{number}")[0] for number in range(6)]
    assert statuses == [200] * 5 + [429]


@pytest.mark.beside("limited")
def test_a_route_counts_in_its_own_class(limited: Service) -> None:
    assert asked(limited, 20, "/probe/often", client="203.0.113.5") == [200] * 20
    assert asked(limited, 5, client="203.0.113.5") == [200] * 5


@pytest.mark.beside
def test_after_the_wait_it_goes_on(limited: Service) -> None:
    eventually(lambda: asked(limited, 3, "/probe/seldom", client="203.0.113.6")[-1] == 429)
    eventually(lambda: asked(limited, 1, "/probe/seldom", client="203.0.113.6") == [200])


@pytest.mark.beside("limited")
def test_what_is_not_found_counts_too(limited: Service) -> None:
    assert asked(limited, 6, "/nowhere", client="203.0.113.7") == [404] * 5 + [429]


@pytest.mark.beside("limited")
def test_probes_are_never_refused(limited: Service) -> None:
    assert asked(limited, 20, "/livez", client="203.0.113.8") == [200] * 20
    assert "ratelimit" not in limited.http.get("/livez").headers


@pytest.mark.beside("limited")
def test_many_at_once_get_no_more(limited: Service) -> None:
    statuses: list[int] = []
    threads = [
        threading.Thread(target=lambda: statuses.extend(asked(limited, 2, client="203.0.113.9"))) for _ in range(10)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert Counter(statuses) == {200: 5, 429: 15}


# -- the store ---------------------------------------------------------------------------------------------------------


def is_there() -> bool:
    parts = urlsplit(REDIS)
    try:
        socket.create_connection((parts.hostname or "127.0.0.1", parts.port or 6379), 1).close()
    except OSError:
        return False
    return True


needs_store = pytest.mark.skipif(
    not is_there(), reason="no Redis answers: set RATE_LIMIT_URL, or start one on 127.0.0.1:6379"
)


def someone() -> str:
    """An address that nobody has had before, in an earlier run neither: the store has not forgotten."""
    return f"2001:db8:{uuid4().hex[:4]}:{uuid4().hex[:4]}::1"


@needs_store
def test_replicas_count_together(replicas: tuple[Service, Service]) -> None:
    one, other = replicas

    def counted() -> str:
        """Who got five from both. Where the store is late, as on a busy machine, a request counts for nothing."""
        client = someone()
        statuses = asked(one, 3, client=client) + asked(other, 3, client=client)
        return client if statuses == [200] * 5 + [429] else ""

    client = eventually(counted)
    reply = other.http.get("/probe/ok", headers={"x-forwarded-for": client})
    assert 1 <= int(reply.headers["retry-after"]) <= 720
    assert reply.headers["ratelimit"].startswith('"default";r=0;t=')


@needs_store
@pytest.mark.beside
def test_a_store_that_vanishes_refuses_nobody(forsaken: Service, store: Proxy) -> None:
    service = forsaken
    client = someone()
    eventually(lambda: asked(service, 6, client=client)[-1] == 429)
    store.begin()
    assert asked(service, 10, client=client) == [200] * 10
    assert service.metric("rate_limit_store_failures_total") >= 10
    assert service.http.get("/readyz").status_code == 200
    store.end()
    eventually(lambda: asked(service, 1, client=client) == [429])


# -- settings ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "value",
    [
        "5",
        "default=5",
        "default=5/0",
        "default=0/60",
        "default=-1/60",
        "default=x/60",
        "default=1/inf",
        "default=5/nan",
        "default=99999999999/60",
        "default=5/60,we ird=1/1",
        "writes=5/60",
    ],
)
def test_limits_that_are_none_stop_the_start(monkeypatch: pytest.MonkeyPatch, value: str) -> None:
    monkeypatch.setenv("RATE_LIMITS", value)
    (line,) = problems([rate_limiting.Settings])
    assert line.startswith("RATE_LIMITS: ")
    assert "(example: RATE_LIMITS=default=6000/60" in line


def test_a_store_that_is_no_redis_stops_the_start(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RATE_LIMIT_URL", "memcached://user:hunter2@cache:11211")
    (line,) = problems([rate_limiting.Settings])
    assert line.startswith("RATE_LIMIT_URL: is for no Redis")
    assert "hunter2" not in line


def test_a_class_without_a_limit_stops_the_start(monkeypatch: pytest.MonkeyPatch) -> None:
    @routes.declare(rate_class="forgotten")
    def view() -> None: ...

    monkeypatch.setattr(routes, "_exact", {})
    monkeypatch.setattr(routes, "_patterns", {})
    monkeypatch.setattr(rate_limiting, "_limits", {"default": Limit(1, 1.0)})
    routes.learn([("GET", "/x", view)])
    with pytest.raises(ValueError, match="RATE_LIMITS has no limit for forgotten"):
        routes.check([rate_limiting])
