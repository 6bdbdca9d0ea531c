"""The figures of docs/decisions/0004-server.md: servers compared on a bare framework, round by round."""

import argparse
import statistics
import sys
import tempfile
from pathlib import Path

from load import HERE, serving

PYTHON = sys.executable
GRANIAN = [PYTHON, "-m", "granian", "--port", "{port}", "--no-ws", "--log-level", "warning"]
SERVERS = {
    "fastapi": {
        "granian uvloop": [*GRANIAN, "--interface", "asgi", "--http", "1", "--loop", "uvloop", "bare_fastapi:app"],
        "granian rust tasks": [
            *GRANIAN,
            "--interface",
            "asgi",
            "--http",
            "1",
            "--loop",
            "uvloop",
            "--task-impl",
            "rust",
            "bare_fastapi:app",
        ],
        "granian asyncio loop": [*GRANIAN, "--interface", "asgi", "--http", "1", "--loop", "asyncio", "bare_fastapi:app"],
        "granian http auto": [*GRANIAN, "--interface", "asgi", "bare_fastapi:app"],
        "uvicorn": [
            PYTHON,
            "-m",
            "uvicorn",
            "--port",
            "{port}",
            "--loop",
            "uvloop",
            "--http",
            "httptools",
            "--no-access-log",
            "--log-level",
            "warning",
            "bare_fastapi:app",
        ],
    },
    "django": {
        **{
            f"granian {n} threads": [*GRANIAN, "--interface", "wsgi", "--http", "1", "--blocking-threads", str(n), "bare_django:app"]
            for n in (1, 2, 4, 8, 32)
        },
        "gunicorn gthread 8": [PYTHON, "-m", "gunicorn", "-b", "127.0.0.1:{port}", "-k", "gthread", "--threads", "8", "bare_django:app"],
        "gunicorn sync": [PYTHON, "-m", "gunicorn", "-b", "127.0.0.1:{port}", "-k", "sync", "bare_django:app"],
    },
}


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--only", help="part of the name of the servers to run")
    options.add_argument("--rounds", type=int, default=5)
    options.add_argument("--seconds", type=float, default=3)
    options = options.parse_args()
    for framework, servers in SERVERS.items():
        chosen = {name: command for name, command in servers.items() if (options.only or "") in f"{framework} {name}"}
        rounds = [{name: measure(command, options.seconds) for name, command in chosen.items()} for _ in range(options.rounds)]
        print(f"\n{framework:<24}{'requests/s':>24}{'CPU us/request':>16}{'p99 ms':>9}{'first 200 ms':>14}{'MiB':>7}")
        for name in chosen:
            columns = [statistics.median(column) for column in zip(*(one[name] for one in rounds), strict=True)]
            speeds = [one[name][0] for one in rounds]
            spread = f"{columns[0]:.0f} ({min(speeds):.0f}..{max(speeds):.0f})"
            print(f"{name:<24}{spread:>24}{columns[1]:>16.0f}{columns[2]:>9.1f}{columns[3] * 1e3:>14.0f}{columns[4]:>7.0f}")


def measure(command: list[str], seconds: float) -> tuple[float, ...]:
    with (
        tempfile.TemporaryDirectory() as folder,
        serving(
            command, env={"BENCH_MIDDLEWARE": "django.middleware.common.CommonMiddleware"}, cwd=HERE, log=Path(folder, "log")
        ) as server,
    ):
        start = server.until_200("/bench")
        server.answer("/bench", seconds=1)
        memory = server.memory()
        answered = server.answer("/bench", seconds=seconds)
        return answered.per_second, answered.cpu_us, answered.p99_ms, start, memory


if __name__ == "__main__":
    main()
