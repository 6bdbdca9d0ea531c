"""`make bench-overload`: every figure of overload with load shedding and without it; draws docs/overload.svg."""

import argparse
import re
from pathlib import Path

import template as slipway

from chaos import overload, plot, rejection, rendered
from chaos.figures import Figure, table
from chaos.overload import Run
from chaos.rendered import FRAMEWORKS, Service

DOCS = slipway.ROOT / "docs"
LATE = 0.02
FIGURES = 9
BOUND = {"wait": "wait-bound", "compute": "CPU-bound"}


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--framework", choices=FRAMEWORKS, action="append", help="one of them alone; then nothing is drawn")
    options.add_argument("--short", action="store_true", help="a quarter of the time; then nothing is drawn")
    options = options.parse_args()
    figures: list[Figure] = []
    pairs: list[tuple[Run, Run]] = []
    with rendered.fleet("bench") as fleet:
        for framework in options.framework or FRAMEWORKS:
            plain, shedding = fleet.service(framework), fleet.service(framework, "load_shedding")
            for route in BOUND:
                pair = compared(plain, shedding, route, overload.SHORT if options.short else overload.FULL)
                pairs.append(pair)
                figures += of_overload(*pair)
                print(table(figures[-FIGURES:]), flush=True)
            figures += of_rejection(shedding)
            print(table(figures[-1:]), flush=True)
    if not options.framework and not options.short:
        (DOCS / "overload.svg").write_text(plot.draw(pairs))
        put_into(DOCS / "overload.md", table(figures))


def compared(plain: Service, shedding: Service, route: str, shape: overload.Shape) -> tuple[Run, Run]:
    capacity = overload.capacity(plain, route, pinned=True)
    without, with_it = (overload.run(service, route, capacity, shape, pinned=True) for service in (plain, shedding))
    return without, with_it


def of_overload(without: Run, with_it: Run) -> list[Figure]:
    name = f"{with_it.framework}, {BOUND[with_it.route]}"
    slow = 2000 * with_it.unloaded_p99 if with_it.route == "wait" else 250.0
    note = f"generator late by {with_it.lateness * 1000:.0f} ms at p99" if with_it.lateness > LATE else ""
    times = f"{with_it.shape.times:g}x"

    def figure(said: str, of: str, unit: str, factor: float = 1.0, **target: float) -> Figure:
        return Figure(f"{name}: {said}", getattr(with_it, of) * factor, getattr(without, of) * factor, unit, **target)

    return [
        Figure(f"{name}: capacity, answers/s", with_it.capacity),
        figure(f"goodput / capacity at {times}", "goodput", "%", 100, at_least=95),
        figure("p99 unloaded", "unloaded_p99", "ms", 1000),
        figure(f"p99 of admitted at {times}", "p99", "ms", 1000, at_most=slow),
        figure("the same, from the third second on", "settled_p99", "ms", 1000, at_most=slow),
        figure("success of the critical class (40 % of capacity)", "critical_success", "%", 100, at_least=95),
        figure(f"client timeouts at {times}", "timeouts", "%", 100, at_most=1),
        Figure(f"{name}: false sheds at 0.5x", with_it.false_sheds, at_most=0, note=note),
        figure("back to 99 % success after", "recovery", "s", at_most=5),
    ]


def of_rejection(service: Service) -> list[Figure]:
    all_of_it, bare = rejection.cost(service), rejection.floor(service)
    note = f"{bare:.0f} us of it for a bare application that says no on the same server"
    return [Figure(f"{service.framework}: CPU of one rejection", all_of_it, None, "us", at_most=30, note=note)]


def put_into(page: Path, figures: str) -> None:
    """The page shows what the last run printed."""
    text, count = re.subn(r"(?s)```text\n.*?```", lambda _: f"```text\n{figures}\n```", page.read_text(), count=1)
    if not count:
        raise RuntimeError(f"{page} has no block to put the figures into")
    page.write_text(text)


if __name__ == "__main__":
    main()
