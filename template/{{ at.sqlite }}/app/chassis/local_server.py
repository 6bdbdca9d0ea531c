"""`make services`: SQLite needs no server. For the tests: where their database is, made and removed."""

import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


def main() -> None:
    sys.stdout.write("SQLite needs no server: nothing to start.\n")


@contextmanager
def test_database(name: str) -> Iterator[str]:
    """The URL of an empty database; removed afterwards."""
    with tempfile.TemporaryDirectory(prefix=f"{name}-") as folder:
        yield f"sqlite:///{Path(folder) / 'test.db'}"


if __name__ == "__main__":
    main()
