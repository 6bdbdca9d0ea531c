"""What happened to each request of a load, as the client saw it: written as JSON lines, read back and measured."""

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from math import ceil, inf
from pathlib import Path

TIMEOUT, BROKEN, UNSENT = "timeout", "broken", "unsent"
"""Why there is no status: the client stopped waiting; the connection broke; there was no connection to be had."""


@dataclass(slots=True)
class Asked:
    """One request; times are seconds since the load began. `due` was fixed in advance, `sent` is what became of it."""

    id: int
    stream: str
    due: float
    sent: float | None = None
    answered: float | None = None
    status: int | None = None
    error: str | None = None

    @property
    def ok(self) -> bool:
        return self.status is not None and self.status < 300

    @property
    def shed(self) -> bool:
        return self.status == 503

    @property
    def seconds(self) -> float:
        """From when it was due: what the generator was late by is waiting too, and is reported beside it."""
        return inf if self.answered is None else self.answered - self.due


def write(path: Path, history: Iterable[Asked]) -> None:
    with path.open("w") as file:
        file.writelines(json.dumps(asdict(asked)) + "\n" for asked in history)


def read(path: Path) -> list[Asked]:
    with path.open() as file:
        return [Asked(**json.loads(line)) for line in file]


def between(history: Iterable[Asked], start: float, end: float) -> list[Asked]:
    return [asked for asked in history if start <= asked.due < end]


def of(history: Iterable[Asked], stream: str) -> list[Asked]:
    return [asked for asked in history if asked.stream == stream]


def share(history: list[Asked], true: Iterable[bool]) -> float:
    """1 of nothing: nobody was disappointed."""
    return sum(true) / len(history) if history else 1.0


def success(history: list[Asked]) -> float:
    return share(history, (asked.ok for asked in history))


def timeouts(history: list[Asked]) -> float:
    return share(history, (asked.error == TIMEOUT for asked in history)) if history else 0.0


def sheds(history: list[Asked]) -> int:
    return sum(asked.shed for asked in history)


def goodput(history: Iterable[Asked], start: float, end: float) -> float:
    """Useful answers a second, by when they came."""
    return sum(asked.ok and start <= (asked.answered or inf) < end for asked in history) / (end - start)


def percentile(values: Iterable[float], q: float) -> float:
    """The smallest value that a share of `q` does not exceed; nan when there are none."""
    ordered = sorted(values)
    return ordered[max(0, ceil(q * len(ordered)) - 1)] if ordered else float("nan")


def p99(history: Iterable[Asked]) -> float:
    """Of the requests that were served, in seconds."""
    return percentile((asked.seconds for asked in history if asked.ok), 0.99)


def lateness(history: Iterable[Asked], q: float = 0.99) -> float:
    """Seconds that requests were sent after they were due: the generator's own fault."""
    return percentile((asked.sent - asked.due for asked in history if asked.sent is not None), q)


def recovery(history: list[Asked], ended: float, *, window: float = 1.0, enough: float = 0.99) -> float:
    """Seconds after `ended` from which on every window of requests had `enough` success; inf if that never came."""
    after = sorted((asked for asked in history if asked.due >= ended), key=lambda asked: asked.due)
    if not after:
        return inf
    recovered = inf
    last = after[-1].due
    start = last - window
    while start >= ended - 1e-9:
        if success(between(after, start, start + window)) < enough:
            break
        recovered = max(0.0, start - ended)
        start -= window / 10
    return recovered
