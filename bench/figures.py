"""The rows of the table."""

from dataclasses import dataclass, field
from statistics import median


@dataclass
class Figure:
    """A row of the table: what each round gave, and what must be reached."""

    name: str
    values: list[float] = field(default_factory=list)
    unit: str = "x"
    at_least: float | None = None
    at_most: float | None = None
    note: str = ""

    def row(self) -> str:
        digits = 1 if self.unit in {"us", "MiB"} else 2
        value = f"{median(self.values):.{digits}f} {self.unit}"
        spread = f"{min(self.values):.{digits}f}..{max(self.values):.{digits}f}"
        return f"{self.name:<66}{value:>10}{spread:>16}  {self.verdict():<24}{self.note}"

    def verdict(self) -> str:
        target = self.at_least or self.at_most
        if target is None:
            return ""
        reached = median(self.values) >= target if self.at_least else median(self.values) <= target
        return f"{'>=' if self.at_least else '<='} {target:g} {'met' if reached else 'MISSED'}"


def table(figures: list[Figure]) -> str:
    return "\n".join(figure.row() for figure in figures)
