"""What it costs to say no: CPU time of the process tree for one rejected request, when clients come back at once."""

from pathlib import Path

from load import Server, asked, serving

from chaos import overload
from chaos.rendered import POOL, Service

CONNECTIONS, SECONDS = 64, 4
PATH = "/chaos/wait"
BARE = Path(__file__).parent / "bare.py"


def cost(service: Service) -> float:
    """Microseconds, everything included: the server's own work, the log line, the metrics; not what is served meanwhile."""
    with service.running(pinned=True) as server:
        overload.warm(server, PATH.rpartition("/")[2])
        # As many as find a connection: nobody is refused.
        calm, served, refused = spent(server, PATH, POOL)
        if refused:
            raise RuntimeError(f"{refused:.0f} of {served + refused:.0f} requests failed before there was any overload: see {service.log}")
        # The limit takes a moment to be found.
        spent(server, PATH, CONNECTIONS)
        seconds, also_served, rejected = spent(server, PATH, CONNECTIONS)
        return (seconds - also_served * calm / served) / rejected * 1e6


def floor(service: Service) -> float:
    """Microseconds for the smallest application that says no on the same server: what no service can do without."""
    interface = ["--interface", "asgi"] if service.framework == "fastapi" else ["--interface", "wsgi", "--blocking-threads", "8"]
    command = [service.python, "-m", "granian", *interface, "--http", "1", "--no-ws", "--log-level", "warning", "--port", "{port}"]
    target = f"bare:{'asgi' if service.framework == 'fastapi' else 'wsgi'}"
    with serving([*command, target], env={}, cwd=BARE.parent, log=service.log) as server:
        server.until_200("/livez")
        seconds, _, rejected = spent(server, "/", CONNECTIONS)
        return seconds / rejected * 1e6


def spent(server: Server, path: str, connections: int) -> tuple[float, float, float]:
    """Seconds of CPU time, and how many were served and rejected for it."""
    before = server.cpu_seconds()
    report = asked(f"http://127.0.0.1:{server.port}{path}", seconds=SECONDS, connections=connections)
    return server.cpu_seconds() - before, report["requests"] - report["errors"], report["errors"]
