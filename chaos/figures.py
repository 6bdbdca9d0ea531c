"""The rows of the tables: what was reached with the mechanism and without it, and what must be reached."""

from collections.abc import Iterable
from dataclasses import dataclass
from math import isnan


@dataclass(frozen=True)
class Figure:
    """`without` is the negative control: the same run with the mechanism removed; None where there is nothing to remove."""

    name: str
    value: float
    without: float | None = None
    unit: str = ""
    at_least: float | None = None
    at_most: float | None = None
    note: str = ""

    @property
    def met(self) -> bool:
        return self.reached(self.value)

    @property
    def proven(self) -> bool:
        """A figure that is reached without the mechanism as well does not show the mechanism."""
        return self.without is None or not self.reached(self.without)

    def reached(self, value: float) -> bool:
        if isnan(value):
            return False
        return (self.at_least is None or value >= self.at_least) and (self.at_most is None or value <= self.at_most)

    @property
    def target(self) -> str:
        if self.at_least is not None:
            return f">= {self.at_least:.3g}"
        return "" if self.at_most is None else f"<= {self.at_most:.3g}"

    def row(self) -> str:
        without = "" if self.without is None else shown(self.without, self.unit)
        said = "" if not self.target else "met" if self.met else "MISSED"
        return f"{self.name:<66}{shown(self.value, self.unit):>12}{without:>12}  {self.target:<9}{said:<8}{self.note}".rstrip()


def shown(value: float, unit: str) -> str:
    if unit == "%":
        return f"{value:.1f} %"
    digits = 0 if unit in {"", "ms", "us"} else 2
    return f"{value:.{digits}f} {unit}".rstrip()


def table(figures: Iterable[Figure]) -> str:
    return "\n".join([f"{'':<66}{'with':>12}{'without':>12}  must be", *(figure.row() for figure in figures)])
