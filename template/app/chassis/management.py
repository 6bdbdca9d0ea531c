"""The management listener: probes and metrics on a port and a thread of their own, whatever the public port does."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from app.chassis import health, lifecycle, metrics, readiness
from app.chassis.exchange import Reply
from app.chassis.server import Settings as ServerSettings
from app.chassis.server import family
from app.chassis.settings import load

IDLE_SECONDS = 10.0


@contextmanager
def resources() -> Iterator[None]:
    port = load(readiness.Settings).management_port
    if port is None:
        yield
        return
    # http.server is not light, and most processes (tests, commands) never listen.
    from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer  # noqa: PLC0415

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        timeout = IDLE_SECONDS
        server_version, sys_version = "management", ""

        def do_GET(self) -> None:
            reply = answer(self.path.partition("?")[0])
            self.send_response(reply.status)
            self.send_header("Content-Type", reply.content_type.decode())
            self.send_header("Content-Length", str(len(reply.body)))
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(reply.body)

        do_HEAD = do_GET  # noqa: N815 - the name that http.server looks for

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002
            """A probe every second is no news."""

    host = load(ServerSettings).host

    class Server(ThreadingHTTPServer):
        address_family = family(host)

    with Server((host, port), Handler) as server:
        server.daemon_threads = True
        thread = threading.Thread(target=server.serve_forever, name="management", daemon=True)
        thread.start()
        try:
            yield
        finally:
            server.shutdown()


def answer(path: str) -> Reply:
    match path:
        case "/livez":
            return health.live()
        case "/readyz":
            return lifecycle.ready_from_thread()
        case "/metrics":
            return Reply(200, metrics.exposition(), metrics.CONTENT_TYPE)
        case _:
            return Reply(404, b"/livez /readyz /metrics\n", b"text/plain")
