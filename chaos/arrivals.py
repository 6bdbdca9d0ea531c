"""When requests arrive: fixed before the first is sent, so that a slow service cannot slow its load down."""

import random
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise


@dataclass(frozen=True, slots=True)
class Phase:
    """`rate` is in requests a second, from `start` to `end` in seconds."""

    start: float
    end: float
    rate: float


def steps(*rates: tuple[float, float]) -> list[Phase]:
    """Phases one after the other, each given by its length in seconds and its rate."""
    edges = [sum(length for length, _ in rates[:index]) for index in range(len(rates) + 1)]
    return [Phase(start, end, rate) for (start, end), (_, rate) in zip(pairwise(edges), rates, strict=True)]


def poisson(phases: list[Phase], dice: random.Random) -> Iterator[float]:
    """Many users who know nothing of each other: the gaps are exponential."""
    for phase in phases:
        at = phase.start
        while phase.rate and (at := at + dice.expovariate(phase.rate)) < phase.end:
            yield at


def uniform(phases: list[Phase], _dice: random.Random) -> Iterator[float]:
    """One every 1/rate seconds."""
    for phase in phases:
        for index in range(round((phase.end - phase.start) * phase.rate)):
            yield phase.start + index / phase.rate


KINDS = {"poisson": poisson, "uniform": uniform}
