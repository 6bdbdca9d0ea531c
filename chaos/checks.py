"""The checks of `make chaos`: each runs a service that has the mechanism and one that has not, and says what came out."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from math import inf
from typing import Self

from chaos import budgets, caching, deliveries, herd, kills, outage, overload, redis
from chaos.deliveries import EVENTS, JOBS, Kind, Outcome
from chaos.figures import Figure
from chaos.overload import Run
from chaos.rendered import FRAMEWORKS, Fleet, Service


@dataclass(frozen=True)
class Form:
    """How much of everything: in full by itself, in short within `make test`, where the machine is not ours alone.

    `alone`: services have one mechanism, else all of them. `tries`: how often a noisy machine may spoil a load.
    `events` and `jobs`: for each framework, the answers of the services whose events or jobs are under kills.
    """

    shape: overload.Shape
    kills: kills.Amount
    deliveries: deliveries.Amount
    unguarded: deliveries.Amount
    cache: caching.Amount
    bounds: dict[str, float]
    events: dict[str, list[dict[str, str]]]
    jobs: dict[str, list[dict[str, str]]]
    alone: bool
    tries: int
    patience: float

    def limited(self, by: list[str] | None) -> Self:
        """Events and jobs by these brokers and engines alone."""

        def chosen(answers: dict[str, list[dict[str, str]]]) -> dict[str, list[dict[str, str]]]:
            return {name: [one for one in listed if set(one.values()) & set(by or one.values())] for name, listed in answers.items()}

        return replace(self, events=chosen(self.events), jobs=chosen(self.jobs))

    def service(self, fleet: Fleet, framework: str, mechanism: str) -> Service:
        return fleet.service(framework, *((mechanism,) if self.alone else MECHANISMS))


Check = Callable[[Fleet, str, Form], list[Figure]]
# Seconds of overload.
LONG = 10
MECHANISMS = ("deadlines", "idempotency", "load_shedding")
BROKERS = ("nats", "rabbitmq", "redis")
ENGINES = [
    {"jobs": "procrastinate"},
    *({"jobs": "taskiq", "jobs_broker": broker} for broker in ("redis", "rabbitmq", "nats")),
    *({"jobs": "celery", "jobs_broker": broker} for broker in ("redis", "rabbitmq")),
]
# One service for both is soon made.
SOON = {name: [{"events": broker, "jobs": "procrastinate"}] for name, broker in (("fastapi", "nats"), ("django", "rabbitmq"))}
FULL = Form(
    overload.FULL,
    kills.FULL,
    deliveries.FULL,
    deliveries.UNGUARDED,
    caching.Amount(processes=4, requests=200, rate=150, seconds=12),
    {"goodput": 95, "critical": 95, "timeouts": 1, "recovery": 5, "slower": 2, "sheds": 0, "away": 2},
    events={name: [{"events": broker} for broker in BROKERS] for name in FRAMEWORKS},
    jobs=dict.fromkeys(FRAMEWORKS, ENGINES),
    alone=True,
    tries=1,
    patience=6,
)
SHORT = Form(
    overload.SHORT,
    kills.SHORT,
    deliveries.SHORT,
    deliveries.SHORT_UNGUARDED,
    caching.Amount(processes=2, requests=50, rate=60, seconds=4),
    {"goodput": 70, "critical": 60, "timeouts": 10, "recovery": 5, "slower": 5, "sheds": 5, "away": 5},
    events=SOON,
    jobs=SOON,
    alone=False,
    tries=4,
    patience=2,
)


def again(check: Check) -> Check:
    """What is told in seconds may be spoilt by whoever else is on the machine."""

    def tried(fleet: Fleet, framework: str, form: Form) -> list[Figure]:
        for _ in range(form.tries):
            figures = check(fleet, framework, form)
            if all(figure.met for figure in figures):
                break
        return figures

    return tried


def overloads(fleet: Fleet, framework: str, form: Form) -> list[Figure]:
    """Ten times the load on a route that waits for the database."""
    plain, shedding = fleet.service(framework), form.service(fleet, framework, "load_shedding")
    # What it is by the arithmetic of its pool does for the generous bounds of the short form.
    capacity = overload.capacity(plain, "wait", pinned=False) if form.alone else overload.NOMINAL["wait"]
    control = form.shape if form.alone else overload.CONTROL
    without = overload.run(plain, "wait", capacity, control, pinned=False)
    for _ in range(form.tries):
        figures = of_runs(without, overload.run(shedding, "wait", capacity, form.shape, pinned=False), form.bounds)
        if all(figure.met for figure in figures):
            break
    return figures


def of_runs(without: Run, with_it: Run, bounds: dict[str, float]) -> list[Figure]:
    name = f"{with_it.framework}, overload"
    late = f"the generator was late by {with_it.lateness * 1000:.0f} ms at p99"

    def figure(said: str, of: str, unit: str, factor: float = 1.0, **target: float) -> Figure:
        return Figure(f"{name}: {said}", getattr(with_it, of) * factor, getattr(without, of) * factor, unit, **target)

    return [
        figure("goodput / capacity", "goodput", "%", 100, at_least=bounds["goodput"]),
        Figure(
            f"{name}: p99 of admitted, once it steers",
            with_it.settled_p99 * 1000,
            # A queue that grows for two seconds only is not yet so long that those who are served show it.
            without.settled_p99 * 1000 if without.shape.over > LONG else None,
            "ms",
            at_most=bounds["slower"] * 1000 * with_it.unloaded_p99,
            note=late,
        ),
        figure("success of the critical class", "critical_success", "%", 100, at_least=bounds["critical"]),
        figure("client timeouts", "timeouts", "%", 100, at_most=bounds["timeouts"]),
        figure("back to 99 % success after", "recovery", "s", at_most=bounds["recovery"]),
        Figure(f"{name}: false sheds at 0.5x", with_it.false_sheds, at_most=bounds["sheds"]),
    ]


def killed(fleet: Fleet, framework: str, form: Form) -> list[Figure]:
    """Orders with a key have one effect, whatever dies; without keys, or in a service that does not look at them, some have two."""
    service, plain = form.service(fleet, framework, "idempotency"), fleet.service(framework)
    outcome = kills.run(service, form.kills)
    keyless, ignored = kills.run(service, kills.CONTROL, keys=False), kills.run(plain, kills.CONTROL)
    lost = lost_without_durability(plain) if form.alone else None
    name = f"{framework}, kills"
    verdict = outcome.verdict
    duplicated = f"{name}: effects duplicated"
    return [
        Figure(f"{name}: kills and resets", outcome.events.total(), at_least=form.kills.total, note=str(outcome)),
        Figure(f"{name}: PostgreSQL backends among them", outcome.backends, at_least=form.kills.backends),
        Figure(f"{name}: orders without a definite answer", len(outcome.unanswered), at_most=0),
        Figure(f"{name}: effects lost", len(verdict.lost), lost, at_most=0, note="without: synchronous_commit=off" if lost else ""),
        Figure(f"{name}: phantom effects", len(verdict.phantom), at_most=0),
        Figure(duplicated, len(verdict.duplicated), len(keyless.verdict.duplicated), at_most=0, note="without: retries without a key"),
        Figure(duplicated, len(verdict.duplicated), len(ignored.verdict.duplicated), at_most=0, note="without: resilience=[]"),
        Figure(f"{name}: answers that were replayed", outcome.replayed, ignored.replayed, at_least=1),
    ]


def lost_without_durability(service: Service) -> int:
    """That the check finds what is lost is shown by a database which loses it."""
    with service.careless():
        return len(kills.run(service, kills.CRASHES).verdict.lost)


def outages(fleet: Fleet, framework: str, form: Form) -> list[Figure]:
    """PostgreSQL is killed with SIGKILL, all of it, and started again."""
    service = fleet.service(framework)
    name = f"{framework}, database killed: first 2xx, without a restart of the service, after"
    return [Figure(name, outage.run(service), outage.run(service, comes_back=False, patience=form.patience), "s", at_most=5)]


def expired(fleet: Fleet, framework: str, form: Form) -> list[Figure]:
    """Half a second for a statement of ten."""
    with_it, without = budgets.run(form.service(fleet, framework, "deadlines")), budgets.run(fleet.service(framework))
    name = f"{framework}, deadlines"
    answered = [sum(answer == 504 for answer in outcome.answers) / len(outcome.answers) * 100 for outcome in (with_it, without)]
    return [
        Figure(f"{name}: answers of 504", answered[0], answered[1], "%", at_least=100),
        Figure(f"{name}: the last of them after", with_it.seconds, inf if without.running else without.seconds, "s", at_most=1),
        Figure(f"{name}: statements that run on a second later", with_it.running, without.running, at_most=0),
        Figure(f"{name}: requests served afterwards", with_it.healthy * 100, without.healthy * 100, "%", at_least=100),
    ]


def cached(fleet: Fleet, framework: str, form: Form) -> list[Figure]:
    """Many ask for one key at once; the Redis is killed with SIGKILL under load, and started again."""
    service, plain = fleet.service(framework, cache="redis"), fleet.service(framework)
    with redis.running() as server:
        herd, uncached = caching.stampede(service, form.cache, server), caching.stampede(plain, caching.CONTROL, server)
        before, away, after = caching.killed(service, form.cache, server)
    without = caching.plain(plain, form.cache)
    name = f"{framework}, cache"
    asked = form.cache.processes * form.cache.requests
    return [
        Figure(f"{name}: of {asked} requests at once for one key, answered", herd.answered, at_least=asked),
        Figure(f"{name}: loads of that key", herd.made, uncached.made, at_most=1),
        Figure(f"{name}: failed requests before Redis is killed", before.failed, at_most=0),
        Figure(f"{name}: failed requests while it is away", away.failed, at_most=0),
        Figure(f"{name}: failed requests when it is back, empty", after.failed, at_most=0),
        Figure(
            f"{name}: p99 while it is away / before",
            away.p99 / before.p99,
            without.p99 / before.p99,
            at_most=form.bounds["away"],
            unit="x",
            note=f"{before.p99 * 1000:.1f} ms, {away.p99 * 1000:.1f} ms, back {after.p99 * 1000:.1f} ms; without: cache=none",
        ),
    ]


def delivered(fleet: Fleet, framework: str, form: Form, kind: Kind, answers: dict[str, str]) -> list[Figure]:
    """What follows a write has its effect once, whatever dies; by another way some have none or are of nothing, unguarded some have two."""
    service = fleet.service(framework, **answers)
    by = " on ".join(value for question, value in answers.items() if question.startswith(kind.name))
    name = f"{framework}, {kind.name} by {by}"
    controls = Controls()
    with herd.of(service, kind.loops) as processes:
        for seed in range(form.tries):
            outcome = deliveries.run(processes, kind, form.deliveries, seed=seed)
            controls.count(kind, outcome)
            # An attempt that is overtaken takes a worker that sleeps in the middle of one: too rare for a few kills.
            if form.alone or kind is not JOBS:
                controls.unguarded(kind, deliveries.run(processes, kind, form.unguarded, guarded=False, seed=seed))
            figures = of_deliveries(name, kind, form, outcome, controls)
            # A few kills on a busy machine may miss every moment that the controls are vulnerable in; what is wrong is wrong at once.
            if not all(figure.met for figure in figures) or all(figure.proven for figure in figures):
                break
    return figures


@dataclass
class Controls:
    """What was found without the mechanisms, in all runs together."""

    lost: int = 0
    phantom: int = 0
    duplicated: int | None = None
    note: str = ""

    def count(self, kind: Kind, outcome: Outcome) -> None:
        _, after, before = (outcome.verdicts[door] for door in kind.doors)
        self.lost += len(after.lost)
        self.phantom += len(before.phantom)

    def unguarded(self, kind: Kind, outcome: Outcome) -> None:
        self.duplicated = (self.duplicated or 0) + len(outcome.verdicts[kind.doors[0]].duplicated)
        self.note = f"without: {kind.without}; {outcome}"


def of_deliveries(name: str, kind: Kind, form: Form, outcome: Outcome, without: Controls) -> list[Figure]:
    own = outcome.verdicts[kind.doors[0]]
    return [
        Figure(f"{name}: kills", outcome.kills, at_least=form.deliveries.total, note=str(outcome)),
        Figure(f"{name}: under way in the end", outcome.waiting, at_most=0),
        Figure(f"{name}: effects lost", len(own.lost), without.lost, at_most=0, note=f"without: {kind.ways}, after the commit"),
        Figure(f"{name}: phantom effects", len(own.phantom), without.phantom, at_most=0, note=f"without: {kind.ways}, before it"),
        Figure(f"{name}: effects duplicated", len(own.duplicated), without.duplicated, at_most=0, note=without.note),
    ]


def told(fleet: Fleet, framework: str, form: Form) -> list[Figure]:
    """Events, by each broker."""
    return [figure for answers in form.events[framework] for figure in delivered(fleet, framework, form, EVENTS, answers)]


def done(fleet: Fleet, framework: str, form: Form) -> list[Figure]:
    """Jobs, by each engine."""
    return [figure for answers in form.jobs[framework] for figure in delivered(fleet, framework, form, JOBS, answers)]


CHECKS: dict[str, Check] = {
    "deadlines": again(expired),
    "outage": again(outages),
    "overload": overloads,
    "kills": killed,
    "cache": again(cached),
    "events": told,
    "jobs": done,
}
