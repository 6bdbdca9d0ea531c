"""Events: what is committed is told, in its order, and has its effect once, whoever dies on the way."""

import json
from typing import Any
from uuid import uuid4

import pytest

from tests.chassis import event_broker
from tests.chassis.collector import Collector
from tests.chassis.fixtures_events import Consumers, Eventful, Loops, Made, Relays, needs_broker
from tests.chassis.looping_events import BEFORE_ACK, BEFORE_DELETE, BEFORE_PUBLISH, CANNOT_BURY, FULL
from tests.chassis.running import called, eventually

pytestmark = needs_broker
Shared = tuple[Eventful, Loops]


def envelope(**said: Any) -> bytes:
    whole = {
        "specversion": "1.0",
        "id": uuid4().hex,
        "source": "/elsewhere",
        "type": "probe.noted",
        "schemaversion": 2,
        "data": {"name": "other", "number": 1},
    }
    return json.dumps(whole | said).encode()


def send(eventful: Shared, *bodies: bytes) -> None:
    """Once there is somewhere to send it to."""
    service, loops = eventful
    eventually(lambda: list(loops.samples("events_consumer_lag")), pause=0.1)
    event_broker.send(service.env, "probe.noted", *bodies)


def name() -> str:
    return uuid4().hex


# -- the usual way -----------------------------------------------------------------------------------------------------


@pytest.mark.beside("eventful")
def test_what_is_committed_has_its_effect_once_and_in_order(eventful: Shared) -> None:
    service, loops = eventful
    service.prepared()
    mine = name()
    for first in (0, 20):
        assert service.publish(mine, first=first, count=20) == 204
    assert service.wait_for(mine, 40) == list(range(40))
    assert loops.metric("events_published_total", type="probe.noted") >= 40
    assert loops.metric("events_consumed_total", type="probe.noted", outcome="handled") >= 40
    assert eventually(lambda: loops.metric("events_outbox_depth") == 0)
    assert loops.management.get("/readyz").json()["checks"]["events"] == "ok"


@pytest.mark.beside("eventful")
def test_what_is_taken_back_is_told_to_nobody(eventful: Shared) -> None:
    service, _ = eventful
    service.prepared()
    mine = name()
    assert service.publish(mine, count=3, taken_back=True) == 409
    assert service.publish(mine, first=7) == 204
    assert service.wait_for(mine, 1) == [7]


@pytest.mark.beside("eventful")
def test_the_trace_goes_on_behind_the_broker(eventful: Shared, traces: Collector) -> None:
    service, loops = eventful
    service.prepared()
    request = name()
    answer = service.web.http.post(f"/probe/events/{name()}", headers={"x-request-id": request})
    assert answer.status_code == 204
    line = eventually(lambda: loops.lines(event="event.done", request_id=request))[0]
    # Two processes send them, each when it gets to it.
    spans = eventually(
        lambda: found if {"SERVER", "CONSUMER"} <= kinds(found := traces.known(line["trace_id"])) else []
    )
    (sender,) = [one for one in spans if one.kind == "SERVER"]
    (handler,) = [one for one in spans if one.kind == "CONSUMER"]
    assert handler.span_id == line["span_id"]
    below = {one.span_id for one in spans if one.parent_id == handler.span_id}
    assert handler.parent_id == sender.span_id or handler.parent_id in {
        one.span_id for one in spans if one.parent_id == sender.span_id
    }
    # The handler's statements are below it.
    assert below


def kinds(spans: list[Any]) -> set[str]:
    return {one.kind for one in spans}


@pytest.mark.beside("eventful")
def test_an_event_over_the_limit_is_refused_where_it_is_published(eventful: Shared) -> None:
    service, _ = eventful
    service.prepared()
    assert service.publish(name(), size=262_144) == 500
    assert "EVENTS_LIMIT is 262144" in eventually(lambda: service.web.lines(event="http.error"))[-1]["exception"]


# -- what others send --------------------------------------------------------------------------------------------------


@pytest.mark.beside("eventful")
def test_what_is_delivered_again_has_its_effect_once(eventful: Shared) -> None:
    service, loops = eventful
    service.prepared()
    mine = name()
    twice = envelope(data={"name": mine, "number": 1})
    send(eventful, twice, twice, envelope(data={"name": mine, "number": 2}))
    assert sorted(service.wait_for(mine, 2)) == [1, 2]
    assert eventually(lambda: loops.metric("events_consumed_total", outcome="duplicate") >= 1)
    assert sorted(service.effects(mine)) == [1, 2]


@pytest.mark.beside("eventful")
def test_what_comes_out_of_order_and_again_has_its_effect_once(eventful: Shared) -> None:
    service, loops = eventful
    service.prepared()
    mine = name()
    late, first, second = (
        envelope(data={"name": mine, "number": number}, partitionkey=mine, sequence=f"{number:020}", time=time)
        for number, time in ((3, "2038-01-19T03:14:07Z"), (1, "1970-01-01T00:00:00Z"), (2, "no time"))
    )
    before = loops.metric("events_consumed_total", outcome="dead_letter")
    send(eventful, late, first, late, second, first)
    assert service.wait_for(mine, 3) == [3, 1, 2]
    # The handler is given them as they come: which is the later one, it knows of what is there.
    service.publish(mine, first=4)
    assert service.wait_for(mine, 4) == [3, 1, 2, 4]
    assert loops.metric("events_consumed_total", outcome="dead_letter") == before


@pytest.mark.beside("eventful")
def test_an_old_version_is_brought_to_the_present_one(eventful: Shared) -> None:
    service, _ = eventful
    service.prepared()
    mine = name()
    old = envelope(schemaversion=1, data={"title": mine, "number": 9})
    send(eventful, old)
    assert service.wait_for(mine, 1) == [9]


@pytest.mark.beside("eventful")
def test_what_cannot_be_handled_is_a_dead_letter_and_the_rest_flows_on(eventful: Shared) -> None:
    service, loops = eventful
    service.prepared()
    mine, poisoned, later = name(), name(), name()
    service.publish(poisoned, trouble="fail")
    # It lets a cancellation out, or takes its transaction back and says nothing.
    for trouble in ("cancel", "take back"):
        service.publish(poisoned, trouble=trouble)
    send(
        eventful,
        b"\xff\x00 no event",
        b"[1]",
        envelope(schemaversion=3, data={"name": later, "number": 3}),
        envelope(type="probe.unheard-of"),
        envelope(data={"name": later, "number": "many"}),
        envelope(id=""),
    )
    service.publish(mine)
    assert service.wait_for(mine, 1) == [0]
    eventually(lambda: loops.metric("events_consumed_total", outcome="dead_letter") >= 8)
    assert loops.metric("events_consumed_total", outcome="ignored") >= 1
    listed = letters(service)
    assert "told to fail" in "".join(listed)
    assert "has version 3, this service knows 2" in "".join(listed)
    assert "no JSON" in "".join(listed)
    assert service.effects(poisoned) == service.effects(later) == []
    replay(service, listed, "told to fail")
    assert service.effects(poisoned) == [0]
    replay(service, listed, "told to fail", fails=True)
    assert service.effects(poisoned) == [0]


def letters(service: Eventful) -> list[str]:
    return called("app.chassis.events.dead_letters", "list", **service.env).splitlines()


def replay(service: Eventful, listed: list[str], text: str, *, fails: bool = False) -> None:
    (number,) = [line.split("\t")[0] for line in listed if text in line]
    try:
        called("tests.chassis.replaying", "replay", number, **service.env, HEALED="1")
    except AssertionError:
        assert fails
    else:
        assert not fails


# -- deaths and outages ------------------------------------------------------------------------------------------------


@pytest.mark.beside("deaths")
@pytest.mark.parametrize("mark", [BEFORE_PUBLISH, BEFORE_DELETE, BEFORE_ACK], ids=str)
def test_who_dies_in_the_middle_leaves_one_effect(with_events: Made, mark: Any) -> None:
    with with_events(**event_broker.IMPATIENT) as made:
        service = made.prepared()
        loops = service.run()
        loops.ready()
        mine = name()
        (loops.folder / mark).touch()
        service.publish(mine, count=3)
        loops.exit_status()
        loops.again()
        assert service.wait_for(mine, 3) == [0, 1, 2]
        service.publish(mine, first=3)
        assert service.wait_for(mine, 4) == [0, 1, 2, 3]
        # Duplicates were there, and are over before this.
        assert mark is not BEFORE_ACK or eventually(lambda: loops.metric("events_consumed_total", outcome="duplicate"))
        assert service.effects(mine) == [0, 1, 2, 3]


@pytest.mark.beside("clocks")
@pytest.mark.parametrize("ahead", [-86_400, 86_400])
def test_a_clock_that_is_wrong_takes_no_effect_away_and_adds_none(with_events: Made, ahead: int) -> None:
    with with_events(**event_broker.IMPATIENT) as made:
        service = made.prepared()
        loops = service.run(CLOCK_ERROR=str(ahead))
        loops.ready()
        mine = name()
        (loops.folder / BEFORE_ACK).touch()
        service.publish(mine, count=5)
        loops.exit_status()
        # Who comes instead has the right time.
        service.run().ready()
        loops.again().ready()
        service.publish(mine, first=5, count=5)
        assert sorted(service.wait_for(mine, 10)) == list(range(10))
        # No event is younger than now.
        eventually(lambda: list(loops.samples("events_outbox_age_seconds")))
        assert loops.metric("events_outbox_age_seconds") >= 0
        assert loops.probe("/readyz") == 200
        assert sorted(service.effects(mine)) == list(range(10))


@pytest.mark.beside("clocks")
def test_what_was_handled_long_ago_is_forgotten(with_events: Made) -> None:
    with with_events(EVENTS_INBOX_TTL="60") as made:
        service, mine, marks = made.prepared(), name(), [name() for _ in range(2)]
        consumer = service.run(Consumers)
        shared = (service, consumer)
        old = envelope(data={"name": mine, "number": 1})
        send(shared, old, old, envelope(data={"name": marks[0], "number": 1}))
        assert service.wait_for(marks[0], 1) == service.wait_for(mine, 1) == [1]
        consumer.terminate()
        consumer.exit_status()
        # An hour later.
        later = (service, service.run(Consumers, CLOCK_ERROR="3600"))
        eventually(lambda: service.effects(mine) if again(later, old, mine) else None, pause=1)
        assert service.effects(mine) == [1, 1]


def again(shared: Shared, body: bytes, mine: str) -> bool:
    """Whether it had its effect once more."""
    send(shared, body)
    return len(shared[0].effects(mine)) > 1


@pytest.mark.beside("deaths")
def test_a_relay_that_cannot_write_any_more_sends_again_and_effects_stay_once(with_events: Made) -> None:
    with with_events(**event_broker.IMPATIENT) as made:
        service = made.prepared()
        relay = service.run(Relays)
        service.run(Consumers)
        mine = name()
        relay.ready()
        (relay.folder / FULL).touch()
        service.publish(mine, count=3)
        assert service.wait_for(mine, 3) == [0, 1, 2]
        assert "cannot publish (OSError)" in eventually(lambda: found if "degr" in (found := readiness(relay)) else "")
        assert relay.probe("/readyz") == 200
        eventually(lambda: relay.metric("events_failures_total", loop="relay") >= 2)
        (relay.folder / FULL).unlink()
        service.publish(mine, first=3)
        assert service.wait_for(mine, 4) == [0, 1, 2, 3]
        assert eventually(lambda: relay.metric("events_outbox_depth") == 0)
        assert service.effects(mine) == [0, 1, 2, 3]


@pytest.mark.beside("deaths")
def test_an_event_that_kills_its_process_is_a_dead_letter_in_the_end(with_events: Made) -> None:
    with with_events(EVENTS_TRIES="2", **event_broker.IMPATIENT) as made:
        service = made.prepared()
        service.run(Relays)
        consumer = service.run(Consumers)
        mine = name()
        service.publish(name(), trouble="kill")
        for _ in range(2):
            consumer.exit_status()
            consumer.again()
        service.publish(mine)
        assert service.wait_for(mine, 1) == [0]
        assert eventually(lambda: any("the process ended each time" in line for line in letters(service)), pause=0.5)


@pytest.mark.beside("deaths")
def test_what_could_not_be_ended_is_tried_again_and_what_follows_goes_on(with_events: Made) -> None:
    with with_events(EVENTS_TRIES="1") as made:
        service = made.prepared()
        loops = service.run()
        loops.ready()
        (loops.folder / CANNOT_BURY).touch()
        mine = name()
        service.publish(mine, trouble="fail")
        service.publish(mine, first=1)
        assert service.wait_for(mine, 1) == [1]
        assert len(letters(service)) == 1
        assert loops.metric("events_failures_total", loop="consumer") == 1
        assert loops.lines(event="events.consumer_failed")


@pytest.mark.beside("deaths")
def test_what_waits_beside_an_event_that_kills_its_process_is_none(with_events: Made) -> None:
    with with_events(EVENTS_TRIES="2", EVENTS_CONCURRENCY="1", **event_broker.IMPATIENT) as made:
        service, mine = made.prepared(), [name() for _ in range(10)]
        relay = service.run(Relays)
        service.publish(name(), trouble="kill")
        assert eventually(lambda: relay.metric("events_published_total") == 1)
        for one in mine:
            service.publish(one)
        consumer = service.run(Consumers)
        for _ in range(2):
            consumer.exit_status()
            consumer.again()
        for one in mine:
            assert service.wait_for(one, 1) == [0]
        assert len(letters(service)) == 1


@pytest.mark.beside("deaths")
def test_what_waits_in_a_consumer_does_not_come_again(with_events: Made) -> None:
    with with_events(EVENTS_CONCURRENCY="1", **event_broker.IMPATIENT) as made:
        service, mine = made.prepared(), [name() for _ in range(20)]
        consumers = [service.run(Consumers) for _ in range(2)]
        for one in consumers:
            one.ready()
        service.run(Relays)
        for one in mine:
            service.publish(one, trouble="slow")
        for one in mine:
            assert service.wait_for(one, 1) == [0]
        assert sum(one.metric("events_consumed_total", outcome="duplicate") for one in consumers) == 0


@pytest.mark.beside("outages")
def test_events_that_share_a_transaction_have_their_effects_whatever_becomes_of_others(with_events: Made) -> None:
    with with_events(EVENTS_TRIES="2", TOGETHER="1", **event_broker.IMPATIENT) as made:
        service, mine, troubles = made.prepared(), [name() for _ in range(90)], ("fail", "cancel", "take back")
        relay = service.run(Relays)
        # A trouble where many would share, and as the last one.
        for number, trouble in enumerate(troubles):
            for one in mine[number * 30 : number * 30 + 30]:
                service.publish(one)
            service.publish(name(), trouble=trouble)
        assert eventually(lambda: relay.metric("events_published_total") == 93)
        twice = name()
        copies = [envelope(id="twice", partitionkey=key, data={"name": twice, "number": 0}) for key in "abcdefgh"]
        event_broker.send(service.env, "probe.noted", *copies)
        consumer = service.run(Consumers)
        for one in (*mine, twice):
            assert service.wait_for(one, 1) == [0]
        assert eventually(lambda: consumer.metric("events_consumed_total", outcome="duplicate") == 7)
        buried = eventually(lambda: found if len(found := letters(service)) == 3 else [], pause=0.5)
        assert all("tries=2" in one for one in buried)
        assert consumer.metric("events_consumed_total", outcome="failed") == 6
        assert consumer.metric("events_shared_total", type="probe.noted") > 1
        assert [service.effects(one) for one in (*mine, twice)] == [[0]] * 91


@pytest.mark.beside("outages")
def test_two_relays_keep_the_order_of_each_key(with_events: Made) -> None:
    with with_events() as made:
        service = made.prepared()
        relays = [service.run(Relays) for _ in range(2)]
        service.run(Consumers)
        mine = [name() for _ in range(6)]
        for first in range(0, 60, 15):
            for one in mine:
                service.publish(one, first=first, count=15)
        for one in mine:
            assert service.wait_for(one, 60) == list(range(60))
        assert sum(relay.metric("events_published_total") for relay in relays) == 360


@pytest.mark.beside("outages")
def test_while_the_broker_is_away_events_wait(with_events: Made) -> None:
    proxy = event_broker.Proxy()
    with with_events(**{event_broker.VARIABLE: proxy.url}) as made:
        service = made.prepared()
        loops = service.run()
        mine = name()
        assert service.publish(mine, count=5) == 204
        said = eventually(lambda: text if "degraded" in (text := readiness(loops)) else "", pause=0.1)
        assert "cannot publish" in said
        assert "5 events wait in the outbox" in eventually(lambda: text if "wait" in (text := readiness(loops)) else "")
        assert loops.probe("/readyz") == 200
        proxy.end()
        assert service.wait_for(mine, 5) == [0, 1, 2, 3, 4]
        proxy.begin()
        service.publish(mine, first=5, count=5)
        eventually(lambda: loops.metric("events_failures_total", loop="relay") >= 2)
        assert service.effects(mine) == [0, 1, 2, 3, 4]
        proxy.end()
        assert service.wait_for(mine, 10) == list(range(10))
        assert eventually(lambda: readiness(loops) == "ok", pause=0.1)
        proxy.begin()


def readiness(loops: Loops) -> str:
    loops.ready()
    return str(loops.management.get("/readyz").json()["checks"]["events"])
