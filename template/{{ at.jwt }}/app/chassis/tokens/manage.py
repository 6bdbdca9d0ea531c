"""`python -m app.chassis.tokens.manage FOLDER`: make a key that signs tokens, in this folder."""

import argparse
import os
import sys
from datetime import UTC, datetime
from pathlib import Path

from app.chassis.tokens import signing


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m app.chassis.tokens.manage", description=__doc__)
    parser.add_argument("folder", type=Path)
    try:
        print(make_key(parser.parse_args().folder, datetime.now(UTC)))  # noqa: T201 - it is what the command is for
    except (ValueError, OSError) as error:
        sys.exit(f"{error}")


def make_key(folder: Path, now: datetime) -> Path:
    """Readable for its owner alone; its name comes after those of the keys before, so it is the one that signs."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{now:%Y%m%dT%H%M%S%f}.pem"
    last = max((one.name for one in folder.glob("*.pem")), default="")
    if last >= path.name:
        raise ValueError(f"{folder / last} would go on signing: rename it so that it comes before {path.name}")
    made = signing.new().as_pem(private=True)
    # Nobody may read half of it: the folder of a service that runs is looked at every second.
    begun = path.with_suffix(".new")
    with open(os.open(begun, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:  # noqa: PTH123 - a descriptor
        file.write(made)
    begun.replace(path)
    return path


if __name__ == "__main__":
    main()
