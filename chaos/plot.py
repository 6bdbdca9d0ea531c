"""Draws overload runs as one SVG: load, goodput and p99 by class over time, without the mechanism and with it."""

from collections.abc import Callable, Iterable
from html import escape
from math import isnan, log10

from chaos import history
from chaos.history import Asked
from chaos.overload import PATIENCE, Run

WIDTH, PANEL, LEFT, TOP = 960, 400, 62, 64
RATES, DELAYS, GAP = 120, 80, 46
ROW = RATES + DELAYS + 2 * GAP
BUCKET = 0.5
COLOURS = {"load": "#9aa0a6", "critical": "#c5221f", "ordinary": "#1a73e8"}
MOST_RATE, LEAST_RATE = 3000.0, 3.0
MOST_DELAY, LEAST_DELAY = 2000.0, 5.0
Point = tuple[float, float]


def draw(pairs: list[tuple[Run, Run]]) -> str:
    """Each pair is a run without the mechanism and the same with it."""
    height = TOP + ROW * len(pairs)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" font-family="sans-serif" font-size="11">',
        f'<rect width="{WIDTH}" height="{height}" fill="#fff"/>',
        *legend(),
    ]
    for row, pair in enumerate(pairs):
        for column, run in enumerate(pair):
            parts += panels(run, LEFT + column * (PANEL + LEFT + 8), TOP + row * ROW, with_it=bool(column))
    return "\n".join([*parts, "</svg>", ""])


def legend() -> list[str]:
    texts = {"load": "load (requests/s)", "critical": "critical class", "ordinary": "ordinary class"}
    drawn = [text(LEFT, 20, "Goodput (answers/s in time) and p99 of what was served (ms); dashed: the capacity, and the client's patience")]
    for index, (name, said) in enumerate(texts.items()):
        left = LEFT + index * 150
        drawn += [f'<path d="M{left} 36h24" stroke="{COLOURS[name]}" stroke-width="2"/>', text(left + 30, 40, said)]
    return drawn


def panels(run: Run, left: float, top: float, *, with_it: bool) -> list[str]:
    end = run.shape.edges[3]
    said = f"{run.framework}, {'CPU' if run.route == 'compute' else run.route}-bound: {'with' if with_it else 'without'} load shedding"

    def across(at: float) -> float:
        return left + at / end * PANEL

    rates = scale(LEAST_RATE, MOST_RATE, top + RATES, RATES)
    delays = scale(LEAST_DELAY, MOST_DELAY, top + RATES + GAP + DELAYS, DELAYS)
    drawn = [text(left, top - 6, said), *axis(left, rates, (10, 100, 1000)), *axis(left, delays, (10, 100, 1000), unit=" ms")]
    drawn += [dashes(left, rates(run.capacity)), dashes(left, delays(PATIENCE * 1000))]
    drawn += [text(across(at), top + RATES + GAP + DELAYS + 14, f"{at:g} s", "middle") for at in run.shape.edges]
    drawn.append(line(((across(at), rates(rate)) for at, rate in offered(run)), COLOURS["load"]))
    for name in ("ordinary", "critical"):
        asked = history.of(run.history, name)
        drawn.append(line(((across(at), rates(rate)) for at, rate in useful(asked, end)), COLOURS[name]))
        drawn.append(line(((across(at), delays(delay)) for at, delay in slowest(asked, end)), COLOURS[name]))
    return drawn


def buckets(end: float) -> Iterable[float]:
    return (index * BUCKET for index in range(int(end / BUCKET)))


def offered(run: Run) -> Iterable[Point]:
    for at in buckets(run.shape.edges[3]):
        yield at, len(history.between(run.history, at, at + BUCKET)) / BUCKET


def useful(asked: list[Asked], end: float) -> Iterable[Point]:
    for at in buckets(end):
        yield at, history.goodput(asked, at, at + BUCKET)


def slowest(asked: list[Asked], end: float) -> Iterable[Point]:
    """In milliseconds; nothing where nobody was served."""
    for at in buckets(end):
        yield at, history.p99(history.between(asked, at, at + BUCKET)) * 1000


def scale(least: float, most: float, bottom: float, height: float) -> Callable[[float], float]:
    """Logarithmic: ten times the load and the answers to it fit one picture."""

    def down(value: float) -> float:
        return bottom - height * (log10(min(max(value, least), most)) - log10(least)) / (log10(most) - log10(least))

    return down


def axis(left: float, down: Callable[[float], float], ticks: Iterable[float], *, unit: str = "") -> list[str]:
    drawn = []
    for tick in ticks:
        drawn.append(f'<path d="M{left:.0f} {down(tick):.1f}h{PANEL}" stroke="#e8eaed"/>')
        drawn.append(text(left - 6, down(tick) + 4, f"{tick:g}{unit}", "end"))
    return drawn


def dashes(left: float, at: float) -> str:
    return f'<path d="M{left:.0f} {at:.1f}h{PANEL}" stroke="#5f6368" stroke-dasharray="4 3"/>'


def line(points: Iterable[Point], colour: str) -> str:
    """With gaps where there is no value."""
    path, pen = [], "M"
    for x, y in points:
        if isnan(y):
            pen = "M"
            continue
        path.append(f"{pen}{x:.1f} {y:.1f}")
        pen = "L"
    return f'<path d="{"".join(path)}" fill="none" stroke="{colour}" stroke-width="1.6"/>' if path else ""


def text(x: float, y: float, said: str, anchor: str = "start") -> str:
    return f'<text x="{x:.0f}" y="{y:.0f}" text-anchor="{anchor}" fill="#202124">{escape(said)}</text>'
