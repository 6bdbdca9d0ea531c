"""`make bench`: what a rendered service costs beside the bare framework, in one table of medians, ratios and targets."""

import argparse
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import template

from figures import table
from load import CLIENT_CORE, HERE, free_port, on_core
from processes import UV, run
from service import FRAMEWORKS, Service


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--only", default="", help="part of: fastapi django copier")
    options.add_argument("--rounds", type=int, default=5, help="how often each server is loaded (default 5)")
    options.add_argument("--seconds", type=float, default=3, help="how long each time (default 3)")
    options = options.parse_args()
    with tempfile.TemporaryDirectory(prefix="slipway-bench-") as name, receiver(Path(name)) as collector:
        for framework in FRAMEWORKS:
            if options.only in framework:
                service = Service(framework, Path(name), collector)
                print(table(service.throughput(rounds=options.rounds, seconds=options.seconds)), flush=True)
                print(table(service.start()), flush=True)
        if options.only in "copier":
            print(table(template.figures(Path(name))))


@contextmanager
def receiver(folder: Path) -> Iterator[str]:
    """The URL of a live OTLP receiver; it has opentelemetry-proto in an environment of its own."""
    run(UV, "venv", "--quiet", str(folder / "receiver"))
    python = str(folder / "receiver" / "bin" / "python")
    run(UV, "pip", "install", "--quiet", "-p", python, "opentelemetry-proto")
    port = free_port()
    process = subprocess.Popen(on_core(CLIENT_CORE, [python, str(HERE / "otlp_receiver.py"), str(port)]))
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait()


if __name__ == "__main__":
    main()
