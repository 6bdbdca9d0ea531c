"""Which test files of the chassis run in which row of the pairwise array: docs/decisions/0019.

A file asks after the answers that it is rendered with, beneath what every service has: a framework, a database and a Python.
It runs in as few rows as let these meet. What asks a service as a whole runs in every row.
"""

from functools import cache
from typing import Any

import answers
import tree
from answers import Pair
from test_extensions import plan

# Each starts dozens of processes and takes as long as all the rest of a suite: tests/test_live.py has rows of their own for them.
DOZENS = {"test_events.py", "test_jobs.py", "test_job_outbox.py", "test_procrastinate_kills.py"}
# Of the service as a whole: whatever it was rendered with has a say.
WHOLE = {
    "test_errors.py",
    "test_framework.py",
    "test_guard.py",
    "test_logging.py",
    "test_metrics.py",
    "test_openapi.py",
    "test_project.py",
    "test_schema.py",
    "test_tracing.py",
}
BENEATH = ("framework", "database", "python_version")


@cache
def rows() -> list[tuple[dict[str, Any], set[str]]]:
    """Those of the array, each with its files of tests/chassis, but for DOZENS."""
    spared = {f"tests/chassis/{name}" for name in DOZENS}
    found = []
    for row in answers.pairwise():
        enabled = {name for name, at in plan(**answers.given(row))["at"].items() if at}
        paths = {source.path for source in tree.sources() if source.belongs_to(enabled)}
        found.append((row, {path for path in paths if path.startswith("tests/chassis/test_")} - spared))
    return found


@cache
def files() -> list[list[str]]:
    """What to run in each row of the array, sorted."""
    chosen: list[set[str]] = [{path for path in paths if path.rsplit("/", 1)[1] in WHOLE} for _, paths in rows()]
    for path in sorted(set().union(*(paths for _, paths in rows())) - set().union(*chosen)):
        able = [number for number, (_, paths) in enumerate(rows()) if path in paths]
        missing = set().union(*(asked(path, number) for number in able))
        while missing:
            # Of those in which as much meets, the one that has the least to do.
            best = max(able, key=lambda number: (len(asked(path, number) & missing), -len(chosen[number])))
            chosen[best].add(path)
            missing -= asked(path, best)
    return [sorted(paths) for paths in chosen]


def asked(path: str, number: int) -> set[Pair]:
    """The pairs of answers that meet in that row, and that a file may tell apart; with the newest Python none but its framework."""
    row = rows()[number][0]
    *_, newest = answers.choices()["python_version"]
    if row["python_version"] == newest:
        return {frozenset({("framework", row["framework"]), ("python_version", newest)})}
    names = {*BENEATH, *own(path)}
    wanted = {frozenset({"framework", name}) for name in names} | {frozenset({"database", name}) for name in own(path)}
    return {pair for pair in answers.pairs(row) if frozenset(name for name, _ in pair) in wanted}


@cache
def own(path: str) -> frozenset[str]:
    """The questions of which some answer renders no such file."""
    able = [row for row, paths in rows() if path in paths]
    offered = {name: {row[name] for row, _ in rows()} for name in answers.at_run_time() if name not in BENEATH}
    return frozenset(name for name, listed in offered.items() if {row[name] for row in able} != listed)
