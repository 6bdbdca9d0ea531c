"""Checks a history of orders against what is in the database: values in, values out."""

import json
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable
from dataclasses import asdict, dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Attempt:
    """One time that a client sent an order; `name` is the order's, the same in every attempt, times are in seconds.

    `status` is None when no whole answer came; `id` is what a success said, `detail` what a failure said.
    """

    name: str
    key: str | None
    sent: float
    answered: float | None = None
    status: int | None = None
    id: str | None = None
    replayed: bool = False
    detail: str | None = None

    @property
    def acknowledged(self) -> bool:
        return self.status is not None and self.status < 300

    @property
    def refused(self) -> bool:
        """For good: to send it again would change nothing."""
        return self.status is not None and 400 <= self.status < 500 and self.status not in {408, 409, 425, 429}


@dataclass(frozen=True, slots=True)
class Effect:
    """An order that is there; `name` is None when it has no lines: half an order."""

    id: str
    name: str | None


@dataclass(frozen=True, slots=True)
class Verdict:
    """What went wrong, each with an example or more."""

    lost: tuple[str, ...]
    phantom: tuple[str, ...]
    duplicated: tuple[str, ...]

    @property
    def clean(self) -> bool:
        return not (self.lost or self.phantom or self.duplicated)

    def __str__(self) -> str:
        counts = f"{len(self.lost)} lost, {len(self.phantom)} phantom, {len(self.duplicated)} duplicated"
        examples = [*self.lost[:2], *self.phantom[:2], *self.duplicated[:2]]
        return counts + (f" ({'; '.join(examples)})" if examples else "")


def check(attempts: Iterable[Attempt], effects: Iterable[Effect]) -> Verdict:
    """Lost: acknowledged, and not there. Phantom: there, and never sent, or refused. Duplicated: sent once, there twice."""
    sent, acknowledged, refused = set[str](), defaultdict[str, set[str]](set), set[str]()
    for attempt in attempts:
        sent.add(attempt.name)
        if attempt.acknowledged:
            acknowledged[attempt.name].add(attempt.id or "an answer without an id")
        elif attempt.refused:
            refused.add(attempt.name)
    there = list(effects)
    ids = {(effect.name, effect.id) for effect in there}
    times = Counter(effect.name for effect in there)
    legitimate = sent - (refused - acknowledged.keys())
    return Verdict(
        lost=tuple(f"{name} is {one}" for name, said in acknowledged.items() for one in said if (name, one) not in ids),
        phantom=tuple(f"{effect.id} for {effect.name}" for effect in there if effect.name not in legitimate),
        duplicated=(
            *(f"{name} {count} times" for name, count in times.items() if count > 1 and name in legitimate),
            *(f"{name} has {len(said)} ids" for name, said in acknowledged.items() if len(said) > 1),
        ),
    )


def follow(written: Collection[str], effects: Iterable[str], acknowledged: Iterable[str]) -> Verdict:
    """Of writes that each are to have one effect, later and elsewhere; all three are their names.

    Lost: acknowledged and not written, or written and without an effect. Phantom: an effect of what was not written.
    """
    times = Counter(effects)
    return Verdict(
        lost=(
            *(f"{name} was acknowledged" for name in sorted(set(acknowledged) - set(written))),
            *(f"{name} has no effect" for name in written if not times[name]),
        ),
        phantom=tuple(sorted(times.keys() - set(written))),
        duplicated=tuple(f"{name} {count} times" for name, count in times.items() if count > 1),
    )


def unanswered(attempts: Iterable[Attempt]) -> set[str]:
    """Orders that never got a definite answer: a run that ends with some has shown less than it says."""
    attempts = list(attempts)
    return {one.name for one in attempts} - {one.name for one in attempts if one.acknowledged or one.refused}


def write(path: Path, attempts: Iterable[Attempt]) -> None:
    with path.open("w") as file:
        file.writelines(json.dumps(asdict(attempt)) + "\n" for attempt in attempts)


def read(path: Path) -> list[Attempt]:
    with path.open() as file:
        return [Attempt(**json.loads(line)) for line in file]
