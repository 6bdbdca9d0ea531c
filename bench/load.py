"""Runs a server on one core and a load client on the other: how much was answered, and at what cost."""

import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).parent
TICKS = os.sysconf("SC_CLK_TCK")
CORES = sorted(os.sched_getaffinity(0))
SERVER_CORE, CLIENT_CORE = CORES[0], CORES[-1]
CONNECTIONS = 32


@dataclass
class Answered:
    """What one round of load got: requests a second, and the server's CPU time for each in microseconds."""

    per_second: float
    cpu_us: float
    requests: int
    p99_ms: float


class Server:
    """A process tree that listens on `port`; `header` is sent with what it is loaded with."""

    header = ""

    def __init__(self, process: subprocess.Popen, port: int, started: float) -> None:
        self.process, self.port, self.started = process, port, started

    def until_200(self, path: str, *, timeout: float = 30) -> float:
        """Seconds from the start of the process to the first 200 on `path`."""
        while time.perf_counter() < self.started + timeout:
            if status(self.port, path) == 200:
                return time.perf_counter() - self.started
            if self.process.poll() is not None:
                break
            time.sleep(0.001)
        raise RuntimeError(f"no 200 on {path}: {self.process.args}")

    def tree(self) -> list[int]:
        pids = [self.process.pid]
        for pid in pids:
            for children in Path(f"/proc/{pid}/task").glob("*/children"):
                pids += map(int, children.read_text().split())
        return pids

    def cpu_seconds(self) -> float:
        fields = [Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split() for pid in self.tree()]
        return sum(int(field[11]) + int(field[12]) for field in fields) / TICKS

    def memory(self) -> float:
        """MiB of the whole tree, shared pages split among those that share them (PSS)."""
        rollups = [Path(f"/proc/{pid}/smaps_rollup").read_text() for pid in self.tree()]
        return sum(int(re.search(r"^Pss: +(\d+)", text, re.M)[1]) for text in rollups) / 1024

    def answer(self, path: str, *, seconds: float, connections: int = CONNECTIONS) -> Answered:
        before = self.cpu_seconds()
        report = load(f"http://127.0.0.1:{self.port}{path}", seconds=seconds, connections=connections, header=self.header)
        requests = report["requests"]
        return Answered(
            requests / report["seconds"], (self.cpu_seconds() - before) / max(requests, 1) * 1e6, requests, report["p99_us"] / 1e3
        )


@contextmanager
def serving(command: list[str], *, env: dict[str, str], cwd: Path, log: Path, pinned: bool = True) -> Iterator[Server]:
    """Runs `command` ("{port}" in it and in `env` is replaced), on one core when `pinned`, and stops it."""
    port = free_port()
    command = [part.replace("{port}", str(port)) for part in command]
    env = os.environ | {name: value.replace("{port}", str(port)) for name, value in env.items()}
    with log.open("ab") as out:
        started = time.perf_counter()
        process = subprocess.Popen(on_core(SERVER_CORE, command) if pinned else command, cwd=cwd, env=env, stdout=out, stderr=out)
        try:
            yield Server(process, port, started)
        finally:
            process.send_signal(signal.SIGTERM)
            try:
                process.wait(30)
            except subprocess.TimeoutExpired:
                process.kill()
                raise


def load(url: str, *, seconds: float, connections: int, header: str = "") -> dict[str, float]:
    """Requests answered, the seconds it took, the 99th percentile. Raises RuntimeError when some failed."""
    report = asked(url, seconds=seconds, connections=connections, header=header)
    if report["errors"]:
        raise RuntimeError(f"{report['errors']} of {report['requests']} requests to {url} failed")
    return report


def asked(url: str, *, seconds: float, connections: int, header: str = "") -> dict[str, float]:
    """The same, whatever was answered: `errors` counts what was no success; wrk if it is there, else the client beside this file."""
    if shutil.which("wrk"):
        sent = ["-H", header] if header else []
        command = ["wrk", "-t1", f"-c{connections}", f"-d{seconds:.0f}s", "--latency", "-s", str(HERE / "report.lua"), *sent, url]
    else:
        command = [sys.executable, str(HERE / "client.py"), url, str(connections), str(seconds), header]
    run = subprocess.run(on_core(CLIENT_CORE, command), capture_output=True, text=True, check=True)
    return json.loads(run.stdout.splitlines()[-1])


def on_core(core: int, command: list[str]) -> list[str]:
    return ["taskset", "-c", str(core), *command] if shutil.which("taskset") else command


def status(port: int, path: str, *, timeout: float = 5) -> int | None:
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=timeout) as connection:
            connection.sendall(f"GET {path} HTTP/1.1\r\nhost: 127.0.0.1\r\nconnection: close\r\n\r\n".encode())
            return int(connection.recv(64).split(b" ", 2)[1])
    except (OSError, IndexError):
        return None


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return listener.getsockname()[1]
