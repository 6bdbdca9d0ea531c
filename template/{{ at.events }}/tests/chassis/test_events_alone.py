"""Events without a broker: in development the service is its own, in production it does not start."""

import asyncio
import os
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

import pytest
from cloudevents.core.formats.json import JSONFormat
from pydantic import BaseModel

from app.chassis import local_server
from app.chassis.events import envelope, publishing, registry
from app.chassis.events.envelope import Malformed
from app.chassis.events.memory import Connection, Memory
from app.chassis.events.registry import Unusable
from app.chassis.events.rows import Claim, Sample, Waiting, inbox_id, plain
from app.chassis.events.variables import Settings
from app.chassis.settings import problems
from tests.chassis.conftest import Start
from tests.chassis.event_broker import VARIABLE
from tests.chassis.running import eventually, migrate

NOW = datetime(2026, 1, 31, 12, tzinfo=UTC)


class Tried(BaseModel):
    note: str


@pytest.fixture(scope="module", autouse=True)
def _declared() -> None:
    registry.event("tests.tried", version=3)(Tried)


@pytest.mark.beside
def test_in_development_the_web_process_does_it_all(start: Start) -> None:
    with local_server.test_database(f"test_alone_{os.getpid()}") as url:
        migrate(url)
        unset = dict.fromkeys(("ENVIRONMENT", "SECRET_KEY", "ALLOWED_HOSTS", "BACKGROUND", VARIABLE))
        web = start(DATABASE_URL=url, **unset)
        web.http.put("/probe/events")
        mine = uuid4().hex
        assert web.http.post(f"/probe/events/{mine}", params={"count": 5}).status_code == 204
        assert eventually(lambda: web.http.get(f"/probe/events/{mine}").json() == [0, 1, 2, 3, 4], pause=0.05)
        web.terminate()
        assert web.exit_status() == 0


def test_production_without_a_broker_is_told_what_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ENVIRONMENT", "production")
    monkeypatch.delenv(VARIABLE, raising=False)
    (line,) = problems([Settings])
    assert line.startswith(f"{VARIABLE}: is missing")
    monkeypatch.setenv(VARIABLE, "http://127.0.0.1")
    (line,) = problems([Settings])
    assert line.startswith(f"{VARIABLE}: is for no ")


def test_a_number_that_events_cannot_share_a_transaction_by_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EVENTS_TOGETHER", "12")
    assert "EVENTS_TOGETHER: is no power of two, such as 16, 32 or 64" in "".join(problems([Settings]))


def test_a_relay_waits_longer_and_longer_only_while_nothing_comes(monkeypatch: pytest.MonkeyPatch) -> None:
    from app.chassis.events import relaying, store  # noqa: PLC0415 - the framework is set up by now

    row = Waiting(1, "", "tests.tried", "7", b"")
    claims = [Claim([])] * 6 + [Claim([row], more=True), Claim([])]
    pauses, stop = [], asyncio.Event()

    async def batch(*_: Any) -> Claim:
        return claims.pop(0)

    async def wait(_: Any, seconds: float) -> None:
        pauses.append(seconds)
        if not claims:
            stop.set()

    async def sample() -> Sample:
        return Sample(0, None)

    monkeypatch.setattr(relaying, "batch", batch)
    monkeypatch.setattr(relaying, "wait", wait)
    monkeypatch.setattr(store, "sample", sample)
    asyncio.run(relaying.relay(Connection(Memory()), stop))
    assert pauses == [0.04, 0.08, 0.16, 0.25, 0.25, 0.25, 0.04]


# -- the envelope ------------------------------------------------------------------------------------------------------


def test_what_is_published_is_a_cloudevent() -> None:
    row = publishing.composed(Tried(note="ä"), key="7", now=NOW)
    body = envelope.numbered(row["body"], 12)
    said = JSONFormat().read(None, body)
    assert said.get_id() == row["message_id"]
    assert (said.get_type(), said.get_subject(), said.get_time()) == ("tests.tried", "7", NOW)
    assert said.get_data() == {"note": "ä"}
    assert said.get_extension("schemaversion") == 3
    assert said.get_extension("sequence") == "00000000000000000012"
    assert all(name.isalnum() and name.islower() and len(name) <= 20 for name in said.get_attributes())
    read = envelope.parse(body)
    assert (read.id, read.version, read.key, read.data) == (row["message_id"], 3, "7", {"note": "ä"})


@pytest.mark.parametrize("key", ["", "x" * 256, "a\0b"])
def test_a_key_that_no_database_takes_is_refused(key: str) -> None:
    with pytest.raises(ValueError, match="the key of an event"):
        publishing.composed(Tried(note=""), key=key, now=NOW)


def test_what_is_no_event_is_refused() -> None:
    class Other(BaseModel):
        pass

    with pytest.raises(TypeError, match="Other is no event: put @event"):
        publishing.composed(Other(), key="7", now=NOW)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"null",
        b"{",
        b'{"specversion": "0.3"}',
        b'{"specversion": "1.0", "id": 7, "source": "/", "type": "a.b"}',
        b'{"specversion": "1.0", "id": "7", "source": "/", "type": "a.b", "schemaversion": 0}',
        b'{"specversion": "1.0", "id": "7", "source": "/", "type": "a.b", "schemaversion": "1"}',
        b'{"specversion": "1.0", "id": "7", "source": "/", "type": "a.b", "schemaversion": true}',
        b'{"specversion": "1.0", "id": "%s", "source": "/", "type": "a.b"}' % (b"x" * 513),
    ],
)
def test_what_is_no_cloudevent_is_said_to_be_none(body: bytes) -> None:
    with pytest.raises(Malformed):
        envelope.parse(body)


def test_two_handlers_and_two_sources_are_told_apart() -> None:
    def ident(**changes: Any) -> str:
        said: dict[str, Any] = {"id": "1", "source": "/a", "type": "a.b", "version": 1, "key": "", "time": ""}
        handler = changes.pop("handler", "one")
        return inbox_id(envelope.Envelope(**{"data": None, **said, **changes}), handler)

    assert len({ident(), ident(source="/b"), ident(id="2"), ident(handler="two")}) == 4
    assert ident() == ident(version=2, data="other")
    assert len(ident(id="x" * 512)) <= 64
    assert ident(id="\0").isalnum()


def test_any_text_can_be_stored() -> None:
    assert plain("a\0b\ud800c", 3) == "ab?"


# -- the registry ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["placed", "Orders.placed", "orders.placed.", "orders placed", "a." + "b" * 100])
def test_a_type_that_no_broker_takes_is_refused(kind: str) -> None:
    with pytest.raises(ValueError, match="no type of an event"):
        registry.event(kind, version=1)


def test_two_classes_for_one_type_are_refused() -> None:
    class Again(BaseModel):
        pass

    with pytest.raises(ValueError, match=r"tests\.tried is Tried already"):
        registry.event("tests.tried", version=1)(Again)


def test_a_version_is_read_as_far_as_somebody_knows_how() -> None:
    event = registry.of(Tried)
    registry.upcast(Tried, from_version=2)(lambda data: {"note": data["text"]})
    assert registry.read(event, 2, {"text": "old"}) == Tried(note="old")
    for version in (1, 4):
        with pytest.raises(Unusable, match=f"tests.tried has version {version}"):
            registry.read(event, version, {"note": "x"})
    with pytest.raises(Unusable, match="note: ") as raised:
        registry.read(event, 3, {"note": ["hunter2"]})
    assert "hunter2" not in str(raised.value)
