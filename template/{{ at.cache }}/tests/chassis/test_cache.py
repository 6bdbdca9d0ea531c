"""The cache: one load however many ask, nothing that was invalidated comes back, and without it nothing fails."""

import socket
import threading
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx2
import pytest

from app.chassis import about
from app.chassis.caching.options import Settings
from app.chassis.settings import problems
from tests.chassis.collector import Collector
from tests.chassis.conftest import Start
from tests.chassis.outage import Proxy
from tests.chassis.running import Service, client, eventually
from tests.chassis.variables_cache import REDIS

REQUESTS = 200


def is_there() -> bool:
    parts = urlsplit(REDIS)
    try:
        socket.create_connection((parts.hostname or "127.0.0.1", parts.port or 6379), 1).close()
    except OSError:
        return False
    return True


needs_store = pytest.mark.skipif(
    not is_there(), reason="no Redis answers: set CACHE_URL, or start one on 127.0.0.1:6379"
)


class Folder:
    """What the probe's cached functions load, see kept.py."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.write("value", "first")

    def write(self, name: str, text: object = "") -> None:
        (self.path / name).write_text(str(text))

    def remove(self, name: str) -> None:
        (self.path / name).unlink()

    @property
    def loads(self) -> int:
        file = self.path / "loads"
        return file.read_text().count("load") if file.exists() else 0

    def get(self, service: Service, kind: str = "plain") -> httpx2.Response:
        return service.http.get(f"/probe/cached/of/{kind}", params={"folder": str(self.path)})

    def text(self, service: Service, kind: str = "plain") -> str:
        answer = self.get(service, kind)
        assert answer.status_code == 200, answer.text
        return str(answer.json()["text"])

    def post(self, service: Service, what: str, **params: Any) -> httpx2.Response:
        return service.http.post(f"/probe/cached/{what}", params={"folder": str(self.path), **params})

    def drop(self, service: Service, kind: str = "plain") -> None:
        answer = service.http.delete(f"/probe/cached/of/{kind}", params={"folder": str(self.path)})
        assert answer.status_code == 204, answer.text


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    return Folder(tmp_path)


@pytest.fixture(params=["shared", "alone"])
def any_of(request: pytest.FixtureRequest, keeping: Service) -> Service:
    """One with the Redis, and one that keeps its values by itself."""
    if request.param == "alone":
        return keeping
    if not is_there():
        pytest.skip("no Redis answers")
    found: list[Service] = request.getfixturevalue("caching")
    return found[0]


@contextmanager
def begun(folder: Folder, service: Service, kind: str = "plain") -> "Iterator[Future[httpx2.Response]]":
    """A request whose load has begun and is held."""
    before = folder.loads
    folder.write("hold")
    with ThreadPoolExecutor(1) as pool:
        asked = pool.submit(folder.get, service, kind)
        eventually(lambda: folder.loads > before)
        # It has read what it will bring.
        time.sleep(0.05)
        try:
            yield asked
        finally:
            folder.path.joinpath("hold").unlink(missing_ok=True)


# -- one load ----------------------------------------------------------------------------------------------------------


def test_what_was_loaded_is_kept(any_of: Service, folder: Folder) -> None:
    assert folder.text(any_of) == "first"
    folder.write("value", "second")
    assert folder.text(any_of) == "first"
    assert folder.loads == 1
    assert any_of.metric("cache_requests_total", group="probe_plain", result="hit") >= 1
    assert any_of.metric("cache_loads_total", group="probe_plain") >= 1


def asked_at_once(services: list[Service], folder: Folder, times: int) -> Counter[tuple[int, str]]:
    """What so many get who ask together, of one service after the other."""
    together = threading.Barrier(times)

    def ask(number: int) -> tuple[int, str]:
        with client(services[number % len(services)].port) as http:
            together.wait()
            answer = http.get("/probe/cached/of/plain", params={"folder": str(folder.path)})
            return answer.status_code, answer.json().get("text", "")

    with ThreadPoolExecutor(times) as pool:
        return Counter(pool.map(ask, range(times)))


@needs_store
def test_a_stampede_is_one_load(caching: list[Service], folder: Folder) -> None:
    """Every process has its share of the requests, all for one key, and nobody has its value yet."""
    folder.write("seconds", 0.5)
    for service in caching:
        service.ready()
    assert asked_at_once(caching, folder, REQUESTS) == {(200, "first"): REQUESTS}
    assert folder.loads == 1


def test_in_one_process_it_is_one_load_without_a_store(keeping: Service, folder: Folder) -> None:
    folder.write("seconds", 0.5)
    keeping.ready()
    assert asked_at_once([keeping], folder, 8) == {(200, "first"): 8}
    assert folder.loads == 1


@needs_store
def test_a_client_that_hangs_up_takes_the_load_from_nobody(caching: list[Service], folder: Folder) -> None:
    service = caching[0].ready()
    folder.write("hold")
    with client(service.port) as http, pytest.raises(httpx2.TimeoutException):
        http.get("/probe/cached/of/plain", params={"folder": str(folder.path)}, timeout=0.3)
    with ThreadPoolExecutor(1) as pool:
        other = pool.submit(folder.text, caching[1])
        time.sleep(0.1)
        folder.remove("hold")
        assert other.result() == "first"
    assert folder.loads == 1


# -- invalidation ------------------------------------------------------------------------------------------------------


@needs_store
def test_what_one_process_invalidates_no_process_has(caching: list[Service], folder: Folder) -> None:
    one, other, _ = caching
    assert (folder.text(one), folder.text(other)) == ("first", "first")
    folder.write("value", "second")
    folder.drop(one)
    assert (folder.text(one), folder.text(other)) == ("second", "second")
    assert folder.loads == 2


def test_an_event_invalidates_what_is_cached_on_it(any_of: Service, folder: Folder) -> None:
    folder.text(any_of)
    folder.write("value", "second")
    assert folder.post(any_of, "changed").status_code == 204
    assert folder.text(any_of) == "second"


@pytest.mark.parametrize("writer", [0, 1])
@needs_store
def test_what_was_read_before_a_change_is_not_stored_after_it(
    caching: list[Service], folder: Folder, writer: int
) -> None:
    """A reader loads the old value, a writer commits and invalidates, the reader stores: and is refused."""
    reader = caching[0].ready()
    with begun(folder, reader) as asked:
        folder.write("value", "second")
        folder.drop(caching[writer].ready())
        folder.remove("hold")
        # Nobody who asked before the change is wronged by the new value.
        assert asked.result().json()["text"] == "second"
    assert [folder.text(one) for one in caching] == ["second"] * len(caching)
    assert reader.metric("cache_refused_total", group="probe_plain", reason="overtaken") >= 1


@needs_store
def test_who_asks_after_a_change_does_not_wait_for_what_was_read_before(caching: list[Service], folder: Folder) -> None:
    service = caching[0].ready()
    with begun(folder, service) as asked:
        folder.write("value", "second")
        folder.drop(service)
        with ThreadPoolExecutor(1) as pool:
            later = pool.submit(folder.text, service)
            folder.remove("hold")
            assert later.result() == "second"
        asked.result()


def test_a_change_counts_from_its_commit_on(any_of: Service, folder: Folder) -> None:
    folder.text(any_of)
    folder.write("value", "second")
    with ThreadPoolExecutor(1) as pool:
        folder.write("hold")
        within = pool.submit(folder.post, any_of, "within")
        eventually(lambda: folder.loads == 2)
        # Not committed yet: the others have the old value, which is what is true for them.
        assert folder.text(any_of) == "first"
        folder.remove("hold")
        # And the transaction has its own.
        assert within.result().json()["text"] == "second"
    assert folder.text(any_of) == "second"


def test_a_change_that_is_taken_back_invalidates_nothing(any_of: Service, folder: Folder) -> None:
    folder.text(any_of)
    folder.write("value", "second")
    assert folder.post(any_of, "within", fails=True).status_code == 409
    assert folder.text(any_of) == "first"


def test_a_transaction_of_its_own_invalidates_when_it_commits(any_of: Service, folder: Folder) -> None:
    folder.text(any_of)
    folder.write("value", "second")
    assert folder.post(any_of, "committed").status_code == 200
    assert folder.text(any_of) == "second"


# -- stale, failing, missing -------------------------------------------------------------------------------------------


def test_a_stale_value_is_there_while_a_new_one_is_made(any_of: Service, folder: Folder) -> None:
    folder.text(any_of, "stale")
    folder.write("value", "second")
    folder.write("hold")
    eventually(lambda: folder.text(any_of, "stale") == "first" and folder.loads == 2)
    # One at a time, and nobody waits for it.
    assert folder.text(any_of, "stale") == "first"
    assert folder.loads == 2
    folder.remove("hold")
    eventually(lambda: folder.text(any_of, "stale") == "second")
    assert any_of.metric("cache_requests_total", group="probe_stale", result="stale") >= 2


def test_a_stale_value_is_better_than_an_error(any_of: Service, folder: Folder) -> None:
    folder.text(any_of, "error")
    folder.write("value", "second")
    folder.write("fails")
    eventually(lambda: folder.text(any_of, "error") == "first" and folder.loads >= 2)
    failures = any_of.metric("cache_load_failures_total", group="probe_error")
    assert failures >= 1
    folder.remove("fails")
    eventually(lambda: folder.text(any_of, "error") == "second")


def test_a_load_that_fails_is_an_error_and_is_not_kept(any_of: Service, folder: Folder) -> None:
    folder.write("fails")
    assert folder.get(any_of).status_code == 500
    folder.remove("fails")
    assert folder.text(any_of) == "first"


def test_that_there_is_nothing_is_kept_where_it_is_said(any_of: Service, folder: Folder) -> None:
    folder.remove("value")
    answers = [folder.get(any_of, kind) for kind in ("missing", "missing", "plain", "plain")]
    assert [one.status_code for one in answers] == [404] * 4
    assert len({one.json()["detail"] for one in answers}) == 1
    assert folder.loads == 3
    folder.write("value", "found")
    assert folder.get(any_of, "missing").status_code == 404
    folder.drop(any_of, "missing")
    assert folder.text(any_of, "missing") == "found"


@needs_store
@pytest.mark.beside
def test_a_load_that_never_ends_holds_up_nobody_for_longer_than_its_lease(
    caching: list[Service], tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = Folder(tmp_path_factory.mktemp("kept"))
    stuck, other, _ = (service.ready() for service in caching)
    # Before the lease of one second begins, so that a busy machine makes it longer and never shorter.
    started = time.monotonic()
    with begun(folder, stuck, "leased"), ThreadPoolExecutor(1) as pool:
        later = pool.submit(folder.get, other, "leased")
        eventually(lambda: folder.loads == 2, seconds=10)
        assert 0.9 < time.monotonic() - started < 5
        folder.remove("hold")
        assert later.result().json()["text"] == "first"


# -- whose it is -------------------------------------------------------------------------------------------------------


def test_what_is_somebodys_is_nobody_elses(any_of: Service, folder: Folder) -> None:
    for owner in ("ada", "grace"):
        params = {"folder": str(folder.path), "owner": owner}
        for _ in range(2):
            answer = any_of.http.get("/probe/cached/owned", params=params)
            # A load knows nobody but its arguments.
            assert answer.json() == {"text": owner, "subject": ""}
    assert folder.loads == 2


# -- what is no value --------------------------------------------------------------------------------------------------


@pytest.fixture
def redis() -> Iterator[Any]:
    from redis import Redis  # noqa: PLC0415 - most tests do without

    with Redis.from_url(REDIS) as made:
        yield made


def key_of(redis: Any, folder: Folder, service: Service) -> bytes:
    """The key that came when the folder's value did."""
    before = set(redis.scan_iter(match=f"{about.NAME}:cache:probe_plain:*"))
    folder.text(service)
    (key,) = set(redis.scan_iter(match=f"{about.NAME}:cache:probe_plain:*")) - before
    return bytes(key)


@needs_store
@pytest.mark.parametrize("how", ["bytes", "damaged", "pickle", "another kind", "another shape"])
def test_what_is_no_value_is_a_miss(caching: list[Service], folder: Folder, redis: Any, how: str) -> None:
    from app.chassis.caching.envelope import VALUE, Packed, pack  # noqa: PLC0415 - where the answer is there

    service = caching[0].ready()
    key = key_of(redis, folder, service)
    (field,) = [name for name in redis.hkeys(key) if name.startswith(b"v")]
    good = redis.hget(key, field)
    bad = {
        "bytes": b"\x00\xff",
        "damaged": good[:-1] + b"!",
        "pickle": b"cos\nsystem\n(S'exit'\ntR.",
        "another shape": pack(Packed(VALUE, b'{"colour":"red"}')),
    }
    corrupt = service.metric("cache_corrupt_total", group="probe_plain")
    if how == "another kind":
        redis.delete(key)
        redis.rpush(key, "somebody's")
    else:
        redis.hset(key, field, bad[how])
    folder.write("value", "second")
    assert folder.text(service) == "second"
    assert folder.text(service) == "second"
    assert folder.loads == 2
    assert service.metric("cache_corrupt_total", group="probe_plain") == corrupt + 1


@needs_store
def test_a_value_over_the_limit_is_not_kept(caching: list[Service], folder: Folder) -> None:
    folder.write("value", "x" * 2000)
    for _ in range(2):
        assert len(folder.text(caching[0])) == 2000
    assert folder.loads == 2
    assert caching[0].metric("cache_refused_total", group="probe_plain", reason="too_large") == 2
    eventually(lambda: len(caching[0].lines(event="cache.too_large", limit=1000)) == 2)


def test_a_value_that_cannot_be_stored_is_an_error_in_development_that_says_what_to_do(keeping: Service) -> None:
    assert keeping.http.get("/probe/cached/unstorable").status_code == 500
    eventually(lambda: "cannot be stored" in keeping.output())
    said = keeping.output()
    assert "unstorable is cached and returned a object" in said
    assert "return plain values or a Pydantic model" in said


def test_in_production_it_is_served_all_the_same(production: Service) -> None:
    assert production.http.get("/probe/cached/unstorable").status_code == 200
    assert production.metric("cache_refused_total", group="probe_unstorable", reason="not_serialisable") == 1


# -- the store is away -------------------------------------------------------------------------------------------------


@needs_store
@pytest.mark.beside("losing")
def test_a_store_that_vanishes_fails_nothing(
    losing: list[Service], lost_store: Proxy, tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder, (service, other) = Folder(tmp_path_factory.mktemp("kept")), losing
    assert (folder.text(service), folder.text(other)) == ("first", "first")
    lost_store.begin()
    # The process has it still.
    assert [folder.text(service) for _ in range(3)] == ["first"] * 3
    assert folder.loads == 1
    # And knows what it has changed itself.
    folder.write("value", "second")
    folder.drop(service)
    assert [folder.text(service) for _ in range(3)] == ["second"] * 3
    assert folder.loads == 2
    ready = service.http.get("/readyz")
    assert ready.status_code == 200
    assert eventually(lambda: "away" in service.http.get("/readyz").json()["checks"]["caching"])
    assert service.metric("cache_store_away") == 1
    assert service.metric("cache_store_failures_total") >= 1
    # What it could not say is said when the store is back, before anything is read there.
    lost_store.end()
    eventually(lambda: folder.text(service) == "second" and service.metric("cache_store_away") == 0)
    eventually(lambda: folder.text(other) == "second")


def test_the_state_of_the_store_is_shown(keeping: Service) -> None:
    assert keeping.http.get("/readyz").json()["checks"]["caching"] == "ok"


@needs_store
def test_a_store_that_hangs_costs_little_and_fails_nothing(start: Start, tmp_path: Path) -> None:
    """It takes connections and never answers: known after two time limits, and asked once a second from then on."""
    with socket.create_server(("127.0.0.1", 0)) as hanging:
        service = start(CACHE_URL=f"redis://127.0.0.1:{hanging.getsockname()[1]}/0", CACHE_TIMEOUT="0.1").ready()
        folder = Folder(tmp_path)
        took = []
        for _ in range(50):
            began = time.monotonic()
            assert folder.text(service) == "first"
            took.append(time.monotonic() - began)
        assert folder.loads == 1
        assert max(took) < 2
        # All but those that asked the store.
        assert sorted(took)[-10] < 0.1
        service.stop()


@needs_store
def test_questions_to_the_store_are_spans(production: Service, traces: Collector, folder: Folder) -> None:
    trace = "5bf92f3577b34da6a3ce929d0e0e47aa"
    production.http.get(
        "/probe/cached/of/plain",
        params={"folder": str(folder.path)},
        headers={"traceparent": f"00-{trace}-00f067aa0ba902b7-01"},
    )
    spans = {span.name: span for span in traces.trace(trace, count=3)}
    assert {"READ", "STORE"} < spans.keys()
    assert spans["READ"].kind == "CLIENT"
    assert spans["READ"].attributes["db.system.name"] == "redis"


# -- replies that clients keep -----------------------------------------------------------------------------------------


def tagged(service: Service, value: str = "", if_none_match: str | None = None, **params: Any) -> httpx2.Response:
    headers = {} if if_none_match is None else {"if-none-match": if_none_match}
    return service.http.get("/probe/cached/tagged/private", params={"value": value, **params}, headers=headers)


def test_who_has_a_reply_is_told_so(production: Service) -> None:
    reply = tagged(production)
    assert reply.headers["cache-control"] == "private, max-age=30"
    assert "authorization" in reply.headers["vary"].lower()
    etag = reply.headers["etag"]
    again = tagged(production, if_none_match=etag)
    assert (again.status_code, again.content) == (304, b"")
    assert {name: again.headers[name] for name in ("etag", "cache-control")} == {
        "etag": etag,
        "cache-control": "private, max-age=30",
    }
    assert "authorization" in again.headers["vary"].lower()
    assert "content-type" not in again.headers
    assert again.headers["x-request-id"]


@pytest.mark.parametrize(
    ("asked", "status"),
    [
        ("{}", 304),
        ("W/{}", 304),
        ('"other", {}', 304),
        ('W/"a,b" ,W/{}', 304),
        ("*", 304),
        ('"other"', 200),
        ("", 200),
        ("nonsense", 200),
        ('"', 200),
    ],
)
def test_entity_tags_are_compared_weakly(production: Service, asked: str, status: int) -> None:
    etag = tagged(production).headers["etag"]
    assert tagged(production, if_none_match=asked.format(etag)).status_code == status


def test_another_reply_has_another_tag(production: Service) -> None:
    old = tagged(production, "one").headers["etag"]
    assert tagged(production, "two", if_none_match=old).status_code == 200


@pytest.mark.parametrize("status", [404, 500, 201])
def test_no_other_reply_has_a_tag(production: Service, status: int) -> None:
    reply = tagged(production, status=status, if_none_match="*")
    assert reply.status_code in {status, 409}
    assert "etag" not in reply.headers


def test_what_is_declared_public_is_so_for_nobody_in_particular(production: Service) -> None:
    reply = production.http.get("/probe/cached/tagged/public")
    assert reply.headers["cache-control"] == "public, max-age=30, s-maxage=60"


# -- settings ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("url", "why"),
    [
        ("memcached://user:hunter2@cache:11211", "is for no Redis"),
        ("redis://", "names no host"),
        ("redis://:hunter2@cache:6379/first", "names a database that is no number"),
        ("redis://user:hunter2@cache:port/0", "is no URL"),
    ],
)
def test_an_address_that_is_none_stops_the_start(monkeypatch: pytest.MonkeyPatch, url: str, why: str) -> None:
    monkeypatch.setenv("CACHE_URL", url)
    (line,) = problems([Settings])
    assert line.startswith(f"CACHE_URL: {why}")
    assert "(example: CACHE_URL=redis://localhost:6379/0" in line
    assert "hunter2" not in line


def test_in_production_a_cache_is_required(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ENVIRONMENT", "production")
    monkeypatch.delenv("CACHE_URL", raising=False)
    (line,) = problems([Settings])
    assert line.startswith("CACHE_URL: is missing")
