"""`python -m app.chassis.seed`: rows to develop with, from every feature that has a `seed.py`."""

import argparse
import sys
from collections.abc import Callable, Mapping
from importlib import import_module
from pathlib import Path
from typing import Any, Final

from app.chassis import planting
from app.chassis.parts import PARTS
from app.chassis.settings import BaseSettings, load

FEATURES: Final = Path(__file__).parents[1] / "features"
DEVELOPER: Final = "developer"
MOST_OWNER: Final = 255
REFUSED: Final = 2


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m app.chassis.seed", description=__doc__)
    add_arguments(parser)
    arguments = parser.parse_args()
    planting.run(lambda: sow(count=arguments.count, owner=arguments.owner, production=arguments.production))


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--count", type=number, default=20, help="how many of each there shall be; 20 by default")
    parser.add_argument("--owner", type=owner, default=usual_owner(), help="whose they are: the subject of a principal")
    parser.add_argument("--production", action="store_true", help="do it in production, too")


def number(text: str) -> int:
    if not text.isdecimal():
        raise argparse.ArgumentTypeError(f"{text!r} is no number")
    return int(text)


def owner(text: str) -> str:
    if len(text) > MOST_OWNER or not all("!" <= one <= "~" for one in text):
        raise argparse.ArgumentTypeError(f"an owner has at most {MOST_OWNER} visible ASCII characters")
    return text


def usual_owner() -> str:
    """Without authentication everything belongs to nobody, and everybody sees it."""
    return DEVELOPER if any(part.__name__ == "app.chassis.authentication" for part in PARTS) else ""


def sow(*, count: int, owner: str, production: bool) -> None:
    """All of it in one transaction. Says what it made: less, or nothing, where it was before."""
    if load(BaseSettings).environment == "production" and not production:
        sys.stderr.write("ENVIRONMENT=production: these rows are to develop with; --production insists.\n")
        sys.exit(REFUSED)
    found = seeds()
    if not found:
        print("No feature has a seed.py: docs/seeding.md shows one.")  # noqa: T201 - it is what the command is for
        return
    for name, made in planting.plant(found, count=count, owner=owner).items():
        print(f"{name}: {made} made")  # noqa: T201 - as above
    if owner:
        print(f"They belong to {owner}: docs/seeding.md says how to be that.")  # noqa: T201 - as above


def seeds() -> Mapping[str, Callable[..., Any]]:
    """`seed` of every app/features/NAME/seed.py, by name."""
    names = sorted(path.parent.name for path in FEATURES.glob("*/seed.py"))
    return {name: import_module(f"app.features.{name}.seed").seed for name in names}


if __name__ == "__main__":
    main()
