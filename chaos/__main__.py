"""`make chaos`: overload, kills, outages and deadlines against rendered services; exit status 1 when a figure is missed."""

import argparse
import sys

from chaos import checks, rendered
from chaos.figures import Figure, table
from chaos.rendered import FRAMEWORKS


def main() -> int:
    options = argparse.ArgumentParser(prog="make chaos", description=__doc__)
    options.add_argument("--only", choices=checks.CHECKS, action="append", help="one check; may be given again")
    options.add_argument("--framework", choices=FRAMEWORKS, action="append")
    options.add_argument("--by", action="append", help="of events and jobs: one broker or engine, such as nats; may be given again")
    options.add_argument("--short", action="store_true", help="as within `make test`")
    options = options.parse_args()
    form = (checks.SHORT if options.short else checks.FULL).limited(options.by)
    figures: list[Figure] = []
    with rendered.fleet("run") as fleet:
        for framework in options.framework or FRAMEWORKS:
            for name in options.only or checks.CHECKS:
                found = checks.CHECKS[name](fleet, framework, form)
                print(table(found), flush=True)
                figures += found
    return complain(figures)


def complain(figures: list[Figure]) -> int:
    for figure in figures:
        if not figure.met:
            print(f"MISSED: {figure.row()}")
        if not figure.proven:
            print(f"NOT PROVEN, reached without the mechanism too: {figure.row()}")
    return int(any(not figure.met or not figure.proven for figure in figures))


if __name__ == "__main__":
    sys.exit(main())
