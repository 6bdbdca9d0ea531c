"""`make demo`: a service from the template, rendered, started, talked to and stopped, in front of your eyes."""

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
ORDER = {"currency": "EUR", "lines": [{"sku": "A-1", "quantity": 2, "unit_price": 1250}]}
READY_SECONDS = 60


class Failed(Exception):
    """The text says what did not work and where to look."""


def main() -> int:
    try:
        demonstrate(Path(tempfile.mkdtemp(prefix="slipway-demo-")) / "orders")
    except Failed as failure:
        print(f"\n{failure}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    return 0


def demonstrate(service: Path) -> None:
    step("Render a service with the default answers")
    run("copier", "copy", "--quiet", "--defaults", "--vcs-ref=HEAD", str(ROOT), str(service))
    print(f"  {sum(path.is_file() for path in service.rglob('*'))} files")
    step("Install what it needs and migrate its database (SQLite)")
    run("make", "migrate", folder=service)
    step("Start it")
    with running(service) as (url, log):
        talk(url, log)
    step("Stop it: SIGTERM, and it exits with 0")
    print(f"\nIt lies in {service}. Go on with\n\n    cd {service} && make run{own('uv', ' UV={}')}\n")
    print(f"A service of your own, with your answers:\n\n    {own('copier', '{}') or 'uvx copier'} copy {ROOT} my-service\n")


def own(tool: str, form: str) -> str:
    """Where this clone has the tool, for a user whose own PATH has no uv; else nothing."""
    path = [folder for folder in os.environ["PATH"].split(os.pathsep) if folder != str(ROOT / ".venv/bin")]
    return "" if shutil.which("uv", path=os.pathsep.join(path)) else form.format(ROOT / ".venv/bin" / tool)


def talk(url: str, log: Path) -> None:
    step("Place an order:   POST /v1/orders")
    placed = show(request(f"{url}/v1/orders", ORDER))
    step("List the orders:  GET /v1/orders?limit=1")
    listed = show(request(f"{url}/v1/orders?limit=1"))
    if [order["id"] for order in listed["items"]] != [placed["id"]]:
        raise Failed("The order that was placed is not the one that is listed.")
    step("The log line of that request, with its trace id")
    print(f"  {line_of(log, 'GET', '/v1/orders')}")
    step("Is it ready:      GET /readyz")
    show(request(f"{url}/readyz"))
    step("Two of its metrics: GET /metrics")
    for line in metric_lines(request(f"{url}/metrics")):
        print(f"  {line}")


@contextmanager
def running(service: Path) -> Iterator[tuple[str, Path]]:
    """The address of the started service and its log; the process is gone afterwards, whatever happens."""
    port = free_port()
    url, log = f"http://127.0.0.1:{port}", service.parent / "orders.log"
    print(f"  PORT={port} LOG_FORMAT=json make run")
    with log.open("wb") as output:
        process = subprocess.Popen(
            ["uv", "run", "python", "-m", "app"],
            cwd=service,
            env=os.environ | {"PORT": str(port), "LOG_FORMAT": "json"},
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        wait_until_ready(url, process, log)
        yield url, log
        os.killpg(process.pid, signal.SIGTERM)
        if status := process.wait(timeout=30):
            raise Failed(f"The service stopped with exit status {status}:\n{tail(log)}")
    except subprocess.TimeoutExpired:
        raise Failed(f"The service did not stop within 30 seconds of SIGTERM:\n{tail(log)}") from None
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def wait_until_ready(url: str, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + READY_SECONDS
    while time.monotonic() < deadline:
        if process.poll() is not None:
            raise Failed(f"The service stopped by itself with exit status {process.returncode}:\n{tail(log)}")
        try:
            request(f"{url}/readyz")
        except Failed:
            time.sleep(0.1)
        else:
            return
    raise Failed(f"The service was not ready after {READY_SECONDS} seconds:\n{tail(log)}")


def request(url: str, body: dict[str, Any] | None = None) -> str:
    """What the service answers; raises Failed with the answer when that is no success."""
    data = None if body is None else json.dumps(body).encode()
    asked = urllib.request.Request(url, data=data, headers={"content-type": "application/json"})
    try:
        with urllib.request.urlopen(asked, timeout=10) as reply:
            return str(reply.read().decode())
    except urllib.error.HTTPError as error:
        raise Failed(f"{url} answered {error.code}: {error.read().decode()}") from None
    except OSError as error:
        raise Failed(f"{url} does not answer: {error}") from None


def line_of(log: Path, method: str, route: str) -> str:
    """The log line of the last such request; lines are written in batches, shortly after the answer."""
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        for line in reversed(log.read_text().splitlines()):
            if line.startswith("{") and (fields := json.loads(line)).get("method") == method and fields.get("route") == route:
                if not fields.get("trace_id"):
                    raise Failed(f"This log line has no trace id: {line}")
                return line
        time.sleep(0.1)
    raise Failed(f"No log line of {method} {route}:\n{tail(log)}")


def metric_lines(exposition: str) -> list[str]:
    """Two lines about /v1/orders: how many requests, and how long they took together."""
    about_orders = [line for line in exposition.splitlines() if 'route="/v1/orders"' in line and "_bucket" not in line]
    chosen = [next((line for line in about_orders if part in line.split("{")[0]), None) for part in ("_count", "_sum")]
    if None in chosen:
        raise Failed(f"/metrics says nothing about /v1/orders:\n{exposition[-2000:]}")
    return [line for line in chosen if line]


def show(body: str) -> Any:
    print(f"  {body.strip()}")
    return json.loads(body)


def run(*command: str, folder: Path = ROOT) -> None:
    print(f"  {' '.join(command)}")
    done = subprocess.run(
        command, cwd=folder, check=False, text=True, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    )
    if done.returncode:
        raise Failed(f"`{' '.join(command)}` in {folder} exited with {done.returncode}:\n{done.stdout[-4000:]}")


def step(text: str) -> None:
    print(f"\n{text}", flush=True)


def tail(log: Path) -> str:
    return "\n".join(log.read_text(errors="replace").splitlines()[-40:])


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


if __name__ == "__main__":
    sys.exit(main())
