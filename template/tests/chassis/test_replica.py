"""The replica serves what may be a little old, nobody misses what they wrote, and without it nothing fails."""

import time
from typing import Final

import pytest

from app.chassis import dialect
from app.chassis.database import Settings
from app.chassis.exchange import Exchange, current
from app.chassis.replica import NAME, mark, note
from tests.chassis.conftest import Start
from tests.chassis.fixtures_replica import LAG, Replicated
from tests.chassis.running import Service, client, eventually

SYSTEM: Final[str] = dialect.SYSTEM
networked = pytest.mark.skipif(SYSTEM == "sqlite", reason="SQLite has no replicas")


def read(service: Service, path: str = "", headers: dict[str, str] | None = None, **params: str) -> object:
    """As somebody who has no cookies."""
    with client(service.ready().port) as http:
        answer = http.get(f"/probe/place{path}", params=params, headers=headers)
    assert answer.status_code == 200, answer.text
    return answer.json()


@networked
def test_declared_reads_go_to_the_replica_and_nothing_else_does(replicated: Replicated) -> None:
    service = replicated.service
    before = service.metric("database_replica_requests_total", outcome="replica")
    assert read(service) == "replica"
    assert service.metric("database_replica_requests_total", outcome="replica") == before + 1
    assert read(service, "/undeclared") == "primary"
    assert read(service, "/locked") == "primary"
    assert service.metric("db_client_connection_max", pool="replica") > 0
    assert service.metric("db_client_connection_max", pool="primary") > 0


@networked
def test_after_a_write_a_request_reads_where_it_wrote(replicated: Replicated) -> None:
    assert read(replicated.service, "/then-written", name="primary") == ["replica", "primary"]


@networked
def test_a_transaction_reads_what_it_will_write_over(replicated: Replicated) -> None:
    assert read(replicated.service, "/within", name="primary") == ["replica", "primary"]


@networked
@pytest.mark.parametrize("path", ["/probe/place", "/probe/place/transaction"])
def test_whoever_has_written_reads_it_for_a_while(replicated: Replicated, path: str) -> None:
    """By a cookie, or by the header for who has none; anybody else still reads from the replica."""
    service = replicated.service
    with client(service.ready().port) as http:
        answer = http.post(path, params={"name": "primary"})
        assert answer.status_code == 200, answer.text
        cookie = answer.headers["set-cookie"]
        assert cookie.startswith(f"{NAME}=")
        assert "HttpOnly" in cookie
        # The cookie is for https, which this is not.
        kept = {"cookie": cookie.partition(";")[0]}
        sent_back = {NAME: answer.headers[NAME]}
    started = time.monotonic()
    for headers in (kept, sent_back):
        assert read(service, headers=headers) == "primary"
        assert read(service) == "replica"
    eventually(lambda: read(service, headers=kept) == "replica", pause=0.1)
    assert time.monotonic() - started > LAG - 0.5
    assert service.metric("database_replica_requests_total", outcome="recent_write") >= 2


@networked
def test_a_read_gets_no_cookie(replicated: Replicated) -> None:
    assert NAME not in replicated.service.http.get("/probe/place").headers
    assert NAME not in replicated.service.http.get("/probe/place/undeclared").headers


@networked
def test_without_the_replica_the_primary_answers(replicated: Replicated) -> None:
    service = replicated.service
    assert read(service) == "replica"
    replicated.network.begin()
    try:
        eventually(lambda: service.http.get("/probe/place").json() == "primary")
        assert [read(service) for _ in range(5)] == ["primary"] * 5
        assert service.metric("database_replica_requests_total", outcome="away") >= 5
        assert service.line(event="database.replica_away")
        ready = eventually(lambda: said(service, "replica is away"))
        assert ready == 200
    finally:
        replicated.network.end()
    eventually(lambda: read(service) == "replica", pause=0.1)
    assert eventually(lambda: said(service, "ok")) == 200


def said(service: Service, text: str) -> int:
    """The status of /readyz when it says this of the database."""
    answer = service.management.get("/readyz")
    return answer.status_code if text in answer.json()["checks"]["database"] else 0


@networked
def test_one_setting_makes_every_get_a_read(eager: Service) -> None:
    assert read(eager, "/undeclared") == "replica"
    assert read(eager, "/locked") == "primary"


@pytest.mark.beside
@pytest.mark.skipif(SYSTEM != "sqlite", reason="others have them")
def test_sqlite_refuses_a_replica(start: Start) -> None:
    service = start(DATABASE_REPLICA_URL="sqlite:///copy.db")
    assert service.exit_status() == 2
    assert service.stderr.read_text().startswith("DATABASE_REPLICA_URL: is for databases that have replicas")


def test_the_replica_s_url_is_checked_like_the_other() -> None:
    with pytest.raises(ValueError, match="replica"):
        Settings(database_replica_url="redis://localhost/0")


# -- what a caller may send


class Asked(Exchange):
    def __init__(self, **headers: str) -> None:
        super().__init__("GET", "/", "127.0.0.1")
        self.sent = headers

    def header(self, name: str) -> str | None:
        return self.sent.get(name)


@pytest.mark.parametrize("sent", ["", "x", "-1", "1" * 12, "1.", "1.0/", "1.'/1", "1.0/FFFFFFFFF", "1.0/1;", "\uff11"])
def test_a_mark_that_is_none_is_not_one(sent: str) -> None:
    assert mark(Asked(**{NAME: sent})) is None


def test_a_mark_of_the_future_is_one_of_now() -> None:
    found = mark(Asked(cookie=f"a=b; {NAME}=99999999999.0/16B3748; c=d"))
    assert found is not None
    assert (found.second <= time.time(), found.position) == (True, "0/16B3748")


@pytest.mark.parametrize(
    ("statement", "writes"),
    [
        ("SELECT 1", False),
        ("  select updated FROM t", False),
        ("SET TRANSACTION READ ONLY", False),
        ("WITH a AS (SELECT 1) SELECT * FROM a", False),
        ("WITH a AS (DELETE FROM t RETURNING id) SELECT * FROM a", True),
        ("INSERT INTO t VALUES (1)", True),
        ("update t SET a = 1", True),
        ("CALL it()", True),
        ('UPDATE "chassis_keys" SET used_at = now()', False),
    ],
)
def test_what_writes_is_told_apart(statement: str, writes: bool) -> None:
    exchange = Asked()
    token = current.set(exchange)
    try:
        note(statement)
    finally:
        current.reset(token)
    assert exchange.wrote == writes
