"""`make audit`: known vulnerabilities in what is locked by every render of the pairwise array, each with its own `make audit`.

Exit status 1: something has one. 2: the database did not answer, and nobody knows. UV_HTTP_RETRIES=0 makes that fast.
"""

import argparse
import os
import subprocess
import sys
import tempfile
from collections import Counter
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / "tests"))

import answers  # noqa: E402 - the tests know which answers meet in which render
import servers  # noqa: E402
import template as slipway  # noqa: E402

FOUND, UNKNOWN = 1, 2


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--service-url", help="another database that speaks as osv.dev does")
    parser.add_argument("--first", type=int, help="only so many renders")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="slipway-audit-") as folder:
        return audit(Path(folder), answers.pairwise()[: given.first], f"--service-url {given.service_url}" if given.service_url else "")


def audit(folder: Path, rows: list[dict[str, Any]], arguments: str) -> int:
    template = slipway.clone(folder / "slipway")
    counted = Counter[str]()
    for number, row in enumerate(rows):
        service = slipway.render(template, folder / f"service{number}", row)
        result, printed = audited(service, arguments, surroundings(row["python_version"]))
        counted[result] += 1
        print(f"{result}: {answers.label(row)}", printed, sep="\n" if printed else "", flush=True)
        if result == "unanswered":
            print(f"The database does not answer. Nothing was audited of {len(rows) - number} of {len(rows)} renders.")
            return UNKNOWN
    print(f"{len(rows)} renders: {', '.join(f'{count} {result}' for result, count in counted.items())}")
    return FOUND if counted["vulnerable"] else UNKNOWN if counted["not locked"] else 0


def audited(service: Path, arguments: str, env: dict[str, str]) -> tuple[str, str]:
    """What came of it, and what there is to say. Asks uv itself: make has one exit status for everything that fails."""
    locked = run(["uv", "lock", "--quiet"], service, env)
    if locked.returncode:
        return "not locked", locked.stdout
    done = run([*words(service), *arguments.split()], service, env)
    result = {0: "clean", FOUND: "vulnerable"}.get(done.returncode, "unanswered")
    return result, "" if result == "clean" else done.stdout


def run(command: list[str], service: Path, env: dict[str, str]) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(command, cwd=service, env=env, check=False, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)


def surroundings(python: str) -> dict[str, str]:
    """With an interpreter of this machine, if there is one: uv would fetch it."""
    try:
        return os.environ | {"UV_PYTHON": servers.interpreter(python)}
    except servers.Missing:
        return dict(os.environ)


def words(service: Path) -> list[str]:
    """The command that `make audit` runs there."""
    done = subprocess.run(["make", "--dry-run", "audit"], cwd=service, check=True, text=True, stdout=subprocess.PIPE)
    return next(line for line in done.stdout.splitlines() if " audit " in line).split()


if __name__ == "__main__":
    sys.exit(main())
