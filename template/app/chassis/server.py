"""How the service listens: granian with one worker process, and a stop that loses no request."""

import gc
import multiprocessing
import os
import select
import signal
import socket
import sys
import threading
from collections.abc import Iterable
from contextlib import suppress
from functools import partial
from importlib import import_module
from ipaddress import ip_address
from pathlib import Path
from typing import Any

from pydantic import Field, field_validator

from app.chassis import about, logging, readiness
from app.chassis.settings import BaseSettings, SettingsError, load, problems
from app.chassis.settings import Settings as ChassisSettings

# Also how long an idle connection is kept: longer than the usual 60 s of load balancers, who would otherwise send a
# request into a connection that is just being closed.
IDLE_SECONDS = 75
HEADER_BYTES = 65_536
# Granian counts idle connections here too; at its default of 1024 silent clients would lock everybody out.
CONNECTIONS = 8192
BAD_SETTINGS = 2
WSGI = about.FRAMEWORK == "django"


class Settings(BaseSettings):
    host: str = Field("127.0.0.1", description="Address to listen on; 0.0.0.0 is all of them.", examples=["0.0.0.0"])  # noqa: S104
    port: int = Field(8000, ge=1, le=65535, description="Port of the service.", examples=["8000"])
    threads: int = Field(
        8 if WSGI else 40, ge=1, le=512, description="Threads that run synchronous code.", examples=["16"]
    )
    drain_seconds: float = Field(
        0.0, ge=0, description="On SIGTERM: seconds to serve on while not ready, before it stops.", examples=["5"]
    )
    shutdown_timeout: int = Field(
        30, gt=0, description="Seconds that requests in flight get to finish.", examples=["30"]
    )
    tls_cert: Path | None = Field(
        None, description="File with the certificate, and those between it and its CA.", examples=["/etc/tls/tls.crt"]
    )
    tls_key: Path | None = Field(None, description="File with the key of TLS_CERT.", examples=["/etc/tls/tls.key"])
    tls_client_ca: Path | None = Field(
        None, description="File with the CAs whose clients, and no others, are served.", examples=["/etc/tls/ca.crt"]
    )

    @field_validator("host")
    @classmethod
    def check_host(cls, value: str) -> str:
        try:
            return str(ip_address(value))
        except ValueError:
            # A name can stand for several addresses, and granian takes none.
            raise ValueError("is no IP address; for localhost it is 127.0.0.1") from None


def main() -> None:
    """`python -m app`"""
    run("app.wsgi:application" if WSGI else "app.asgi:application")


def run(target: str) -> None:
    """Serve `target` ("module:name") until SIGTERM or SIGINT; exit status 2 when settings or ports are wrong."""
    # Start-up makes objects to keep: collecting them finds nothing and takes a tenth of the time.
    gc.disable()
    refuse(settings_problems())
    settings = load(Settings)
    refuse([*taken_ports(settings.host), *unusable_files(settings)])
    logging.configure()
    if sys.platform == "linux":
        # The worker starts with what is already imported; 3.14 would import it all again.
        multiprocessing.set_start_method("fork", force=True)
    # A worker whose collector looked at what it shares with its parent would copy it.
    gc.freeze()
    granian(settings).serve(target_loader=partial(load_application, target), wrap_loader=False)
    for number in (signal.SIGINT, signal.SIGTERM):
        # One that comes late must not turn an orderly end into a failure.
        signal.signal(number, signal.SIG_IGN)


def load_application(target: str) -> Any:
    """In the worker: what granian calls for each request. It answers /livez before its framework is loaded."""
    logging.configure()
    signal.signal(signal.SIGUSR1, drain)
    module, _, name = target.partition(":")
    application = getattr(import_module(module), name)
    application.start()
    return application


def settings_problems() -> list[str]:
    """What is wrong with the variables of every part and of the service itself, in one go."""
    from app.chassis.parts import PARTS  # noqa: PLC0415 - the parts import this module

    kinds = [ChassisSettings, Settings, *(part.Settings for part in PARTS if hasattr(part, "Settings"))]
    try:
        service = import_module("app.settings")
    except SettingsError:
        # Django's settings module loads what it needs while it is imported: the same lines come from below.
        return problems(kinds)
    return problems([*kinds, service.Settings] if hasattr(service, "Settings") else kinds)


def taken_ports(host: str) -> Iterable[str]:
    """Granian shares a port that another process listens on: two services would answer in turn."""
    ports = {"PORT": load(Settings).port, "MANAGEMENT_PORT": load(readiness.Settings).management_port}
    if ports["PORT"] == ports["MANAGEMENT_PORT"]:
        yield f"MANAGEMENT_PORT: is PORT too (example: MANAGEMENT_PORT={load(Settings).port + 1})"
        return
    for name, port in ports.items():
        if port is not None:
            try:
                with socket.socket(family(host)) as probe:
                    probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                    probe.bind((host, port))
            except OSError as error:
                yield f"{name}: cannot listen on {host}:{port}, {error.strerror} (example: {name}={port + 1})"


def unusable_files(settings: Settings) -> Iterable[str]:
    """Looked at by the server alone: a command such as migrate has the same variables, and perhaps not the files."""
    files = (settings.tls_cert, settings.tls_key, settings.tls_client_ca)
    if any(files):
        from app.chassis import tls  # noqa: PLC0415 - for most services a proxy does this

        yield from tls.problems(*files)


def threads() -> int:
    """How many there are under WSGI: those that serve, and what parts want beside them."""
    from app.chassis.parts import PARTS  # noqa: PLC0415 - the parts import this module

    return load(Settings).threads + sum(getattr(part, "SPARE_THREADS", 0) for part in PARTS)


def family(host: str) -> socket.AddressFamily:
    return socket.AF_INET6 if ":" in host else socket.AF_INET


def refuse(lines: Iterable[str]) -> None:
    text = "\n".join(lines)
    if text:
        sys.stderr.write(text + "\n")
        raise SystemExit(BAD_SETTINGS)


def drain(_number: int, _frame: object) -> None:
    """The worker's part of a stop: not ready any more, and no line waits that a kill could lose."""
    readiness.drain()
    logging.unbuffer()


def granian(settings: Settings) -> Any:
    # Imported here: nobody needs a server to be told that a setting is wrong.
    from granian.constants import HTTPModes, Interfaces, SSLProtocols  # noqa: PLC0415
    from granian.http import HTTP1Settings  # noqa: PLC0415
    from granian.log import LogLevels  # noqa: PLC0415
    from granian.server.mp import MPServer  # noqa: PLC0415

    asked, ask = os.pipe()

    class Supervisor(MPServer):
        """Lets the load balancer notice before it stops; a second signal stops at once."""

        def signal_handler_interrupt(self, *_signal: Any) -> None:
            # Ctrl-C and systemd tell the worker too: that it ends by itself is no failure then.
            for worker in self.wrks:
                worker.interrupt_by_parent = True
            # All else that a handler may do: what it interrupts may hold the very lock that granian's would take.
            os.write(ask, b"!")

        def signal_handler_reload(self, *_signal: Any) -> None:
            """SIGHUP is nothing: settings are read once, and a worker replaced halfway would lose requests."""

        def _spawn_workers(self, *args: Any) -> None:
            super()._spawn_workers(*args)  # type: ignore[no-untyped-call]
            # Not before: a fork takes no thread along, but the locks that it holds.
            threading.Thread(target=self.stop_when_asked, name="stop", daemon=True).start()

        def stop_when_asked(self) -> None:
            os.read(asked, 1)
            workers = [worker.inner for worker in self.wrks]
            for worker in workers:
                with suppress(ProcessLookupError):
                    os.kill(worker.pid, signal.SIGUSR1)
            select.select([asked, *(worker.sentinel for worker in workers)], [], [], settings.drain_seconds)
            super().signal_handler_interrupt()  # type: ignore[no-untyped-call]

    return Supervisor(
        about.NAME,
        address=settings.host,
        port=settings.port,
        interface=Interfaces.WSGI if WSGI else Interfaces.ASGI,
        blocking_threads=threads() if WSGI else 1,
        http=HTTPModes.http1,
        http1_settings=HTTP1Settings(header_read_timeout=IDLE_SECONDS * 1000, max_buffer_size=HEADER_BYTES),
        backpressure=CONNECTIONS,
        websockets=not WSGI,
        workers_kill_timeout=settings.shutdown_timeout,
        ssl_cert=settings.tls_cert,
        ssl_key=settings.tls_key,
        ssl_ca=settings.tls_client_ca,
        ssl_client_verify=settings.tls_client_ca is not None,
        # Some load balancers speak 1.2 to what is behind them; what is weak in it rustls does not know.
        ssl_protocol_min=SSLProtocols.tls12,
        # Its own handlers would write beside ours.
        log_dictconfig={"version": 1, "disable_existing_loggers": False, "loggers": {}},
        log_level=LogLevels(load(logging.Settings).log_level.lower()),
    )
