"""Load shedding: asked for several times what it can do, the service does what it can, and says no to the rest.

What holds on a machine that the other tests keep busy; how much is done, and how fast, is measured by the template.
"""

import json
import math
from dataclasses import dataclass
from statistics import median
from threading import Lock
from types import SimpleNamespace

import pytest

from app.chassis import load_shedding
from app.chassis.admission import START, Admission
from app.chassis.exchange import Exchange, Reply
from tests.chassis.conftest import Start
from tests.chassis.fixtures_load_shedding import PLACES
from tests.chassis.open_loop import Visit, arrivals, visit
from tests.chassis.running import Service, eventually

SECONDS = 0.05
CAPACITY = PLACES / SECONDS
BURST = 1.5
BURSTING = 50
# How much has to be done and refused in a burst, of CAPACITY * BURST, and how often it may be tried.
ENOUGH, TOO_MUCH = CAPACITY * BURST / 4, 2.7 * CAPACITY * BURST
BURSTS = 5
PLAIN, CRITICAL, LIVE, READY = "/probe/plain", "/probe/critical", "/livez", "/readyz"


@dataclass(frozen=True)
class History:
    """What happened, and what the service says of it."""

    visits: list[Visit]
    rejected: dict[str, float]
    limit: float

    def to(self, *paths: str) -> list[Visit]:
        return [one for one in self.visits if one.path in paths]

    def done(self) -> int:
        return sum(one.served for one in self.to(PLAIN, CRITICAL))

    def refused(self) -> int:
        return sum(is_refused(one) for one in self.to(PLAIN, CRITICAL))


_telling = Lock()
_told: list[History] = []


def history(service: Service) -> History:
    """One run for all the tests, beside the others; whoever asks first makes it happen."""
    with _telling:
        if not _told:
            _told.append(overload(service.ready()))
    return _told[0]


def overload(service: Service) -> History:
    # While a thread opens its connection, on a busy machine for longer than it serves, it serves nobody.
    visit(service.port, burst())
    for _ in range(BURSTS):
        before = rejected(service)
        visits = visit(service.port, burst())
        counts = {criticality: count - before[criticality] for criticality, count in rejected(service).items()}
        story = History(visits, counts, service.metric("admission_limit"))
        # A machine that stood still meanwhile could do nothing, and whoever waits for that long is refused; one that
        # sends the load later than it should is not overloaded.
        if story.done() > ENOUGH and story.refused() > TOO_MUCH:
            break
    return story


def burst() -> list[tuple[float, str]]:
    return [
        *arrivals(PLAIN, rate=5 * CAPACITY, begin=0, end=BURST),
        *arrivals(CRITICAL, rate=0.4 * CAPACITY, begin=0, end=BURST),
        *arrivals(LIVE, rate=5, begin=0, end=BURST),
        *arrivals(READY, rate=5, begin=0, end=BURST),
    ]


def rejected(service: Service) -> dict[str, float]:
    return {
        criticality: service.metric("admission_rejected_total", criticality=criticality)
        for criticality in ("critical_plus", "critical", "sheddable_plus", "sheddable")
    }


def is_refused(visit: Visit) -> bool:
    """By what is tested here; a database that has no connection left is another 503."""
    return visit.status == 503 and b"The service is busy" in visit.body


def share_served(visits: list[Visit]) -> float:
    return sum(one.served for one in visits) / len(visits)


@pytest.mark.beside
def test_what_can_be_done_is_done_and_nobody_is_left_without_an_answer(narrow: Service) -> None:
    story = history(narrow)
    assert story.done() > ENOUGH
    assert all(one.served or one.status == 503 for one in story.to(PLAIN, CRITICAL))


@pytest.mark.beside
def test_who_is_refused_learns_it_at_once_and_when_to_come_again(narrow: Service) -> None:
    visits = history(narrow).to(PLAIN, CRITICAL)
    refused = [one for one in visits if is_refused(one)]
    assert len(refused) > CAPACITY * BURST
    for one in refused:
        assert one.headers["content-type"] == "application/problem+json"
        assert json.loads(one.body)["status"] == 503
        assert one.headers["x-request-id"]
        assert 1 <= int(one.headers["retry-after"]) <= 5
    assert len({one.headers["retry-after"] for one in refused}) > 1
    assert median(one.seconds for one in refused) < median(one.seconds for one in visits if one.served)


@pytest.mark.beside
def test_the_most_critical_get_through(narrow: Service) -> None:
    critical, plain = (share_served(history(narrow).to(path)) for path in (CRITICAL, PLAIN))
    assert critical > 2 * plain


@pytest.mark.beside
def test_probes_are_answered_and_a_busy_service_is_ready(narrow: Service) -> None:
    assert {one.status for one in history(narrow).to(LIVE, READY)} == {200}


@pytest.mark.beside
def test_it_is_itself_again_when_the_load_is_gone(narrow: Service) -> None:
    history(narrow)
    eventually(lambda: all(narrow.http.get(PLAIN).is_success for _ in range(10)))


@pytest.mark.beside
def test_the_metrics_say_who_was_refused(narrow: Service) -> None:
    story = history(narrow)
    refused = sum(map(is_refused, story.visits))
    assert sum(story.rejected.values()) == refused
    assert story.rejected["sheddable"] > 0.9 * refused
    assert story.limit > 0


@pytest.mark.beside
def test_one_place_is_enough(single: Service) -> None:
    assert all(single.http.get(PLAIN).is_success for _ in range(5))
    visits = visit(single.port, arrivals(PLAIN, rate=5 / SECONDS, begin=0, end=0.7))
    assert any(one.served for one in visits)
    assert {one.status for one in visits if not one.served} == {503}


@pytest.mark.parametrize(("waiting", "let_in"), [(0, BURSTING), (1, START)])
def test_a_burst_finds_room_as_long_as_nobody_waits(monkeypatch: pytest.MonkeyPatch, waiting: int, let_in: int) -> None:
    monkeypatch.setattr(load_shedding, "_admission", Admission(target=0.02, ceiling=1000))
    monkeypatch.setattr(load_shedding, "_replies", (Reply(503),))
    # The thread that watches this process would say on a busy machine that all is late.
    seen = SimpleNamespace(late=math.inf, waiting=lambda _admission: waiting, turn=lambda *, busy: None)  # noqa: ARG005
    monkeypatch.setattr(load_shedding, "queues", seen)
    answers = [load_shedding.enter(Exchange("GET", "/", "198.51.100.7")) for _ in range(BURSTING)]
    assert answers.count(None) == let_in


@pytest.mark.parametrize(
    ("name", "value", "why"),
    [
        ("LOAD_SHEDDING_TARGET", "0", "greater than 0"),
        ("LOAD_SHEDDING_TARGET", "-1", "greater than 0"),
        ("LOAD_SHEDDING_TARGET", "20 ms", "valid number"),
        ("LOAD_SHEDDING_TARGET", "20", "less than or equal to 1"),
        ("LOAD_SHEDDING_CEILING", "0", "greater than or equal to 1"),
        ("LOAD_SHEDDING_CEILING", "many", "valid integer"),
    ],
)
def test_a_wrong_setting_stops_the_start(start: Start, name: str, value: str, why: str) -> None:
    service = start(**{name: value})
    assert service.exit_status() == 2
    (line,) = service.stderr.read_text().splitlines()
    assert line.startswith(f"{name}: ")
    assert why in line
