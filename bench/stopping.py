"""How servers stop: SIGTERM while requests are being served and connections are kept alive."""

import signal
import socket
import sys
import tempfile
import threading
import time
from collections import Counter
from pathlib import Path

from load import HERE, Server, serving

PYTHON = sys.executable
SERVERS = {
    "granian, ASGI": [PYTHON, "-m", "granian", "--interface", "asgi", "--http", "1", "--no-ws", "--port", "{port}", "slow:asgi"],
    "granian, WSGI": [
        PYTHON,
        "-m",
        "granian",
        "--interface",
        "wsgi",
        "--http",
        "1",
        "--blocking-threads",
        "8",
        "--port",
        "{port}",
        "slow:wsgi",
    ],
    "uvicorn": [PYTHON, "-m", "uvicorn", "--no-access-log", "--port", "{port}", "slow:asgi"],
    "gunicorn gthread": [PYTHON, "-m", "gunicorn", "-b", "127.0.0.1:{port}", "-k", "gthread", "--threads", "8", "slow:wsgi"],
}
REQUEST = b"GET / HTTP/1.1\r\nhost: localhost\r\n\r\n"
CLIENTS, LOAD_SECONDS = 8, 1


def main() -> None:
    for name, command in SERVERS.items():
        with tempfile.TemporaryDirectory() as folder, serving(command, env={}, cwd=HERE, log=Path(folder, "log")) as server:
            server.until_200("/")
            print(f"{name:<18} {stop_under_load(server)}")


def stop_under_load(server: Server) -> str:
    seen: Counter[str] = Counter()
    clients = [threading.Thread(target=ask, args=(server.port, seen)) for _ in range(CLIENTS)]
    for client in clients:
        client.start()
    time.sleep(LOAD_SECONDS)
    server.process.send_signal(signal.SIGTERM)
    started = time.perf_counter()
    status = server.process.wait(30)
    seconds = time.perf_counter() - started
    for client in clients:
        client.join()
    return f"exit status {status} after {seconds:.2f} s; {dict(seen)}"


def ask(port: int, seen: Counter[str]) -> None:
    """Keep asking on one connection until the server says no more, or breaks a request."""
    with socket.create_connection(("127.0.0.1", port), timeout=10) as connection:
        while True:
            try:
                connection.sendall(REQUEST)
                reply = connection.recv(4096)
            except OSError:
                reply = b""
            if not reply:
                seen["lost"] += 1
                return
            seen["answered"] += 1
            if b"connection: close" in reply.lower():
                seen["told to close"] += 1
                return


if __name__ == "__main__":
    main()
