"""Processes that begin with the service already imported: to import it takes most of a second, to fork it nothing."""

import multiprocessing
import multiprocessing.forkserver
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from importlib import import_module
from pathlib import Path
from threading import Lock
from typing import Any

from app.chassis import about

FORKS = multiprocessing.get_context("forkserver")
# What the processes import themselves, and nothing that reads its environment while it is imported.
MORE = {"fastapi": "app.chassis.migrate", "django": "django.core.handlers.wsgi"}[about.FRAMEWORK]
FORKS.set_forkserver_preload(["tests.chassis.probe", MORE])
# Whoever starts a process also asks after all the others, and an exit status is told only once.
ONE_AT_A_TIME = Lock()


def prepare() -> None:
    """Begin to import in the process that others will be forked from; nobody waits for it here."""
    multiprocessing.forkserver.ensure_running()


class Forked:
    """As much of `subprocess.Popen` as the tests need."""

    def __init__(self, target: Callable[..., None], *args: Any) -> None:
        self.process = FORKS.Process(target=target, args=args)
        with ONE_AT_A_TIME:
            self.process.start()
        self.pid = self.process.pid or 0

    def poll(self) -> int | None:
        with ONE_AT_A_TIME:
            return self.process.exitcode


def become(folder: Path, env: Mapping[str, str]) -> None:
    """In the process: one of its own, in this folder and with this environment."""
    os.setsid()
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(env)
    for number, name in ((1, "stdout"), (2, "stderr")):
        # A process that is started again goes on where the one before has ended.
        os.dup2(os.open(name, os.O_WRONLY | os.O_CREAT | os.O_APPEND), number)


def call(folder: Path, env: Mapping[str, str], module: str, arguments: Sequence[str]) -> None:
    """In the process: what `python -m module arguments` is."""
    become(folder, env)
    sys.argv = [module, *arguments]
    import_module(module).main()


def serve(folder: Path, env: Mapping[str, str]) -> None:
    """In the process: what `python -m tests.chassis.probe` is."""
    become(folder, env)

    from app.chassis.server import run  # noqa: PLC0415 - whoever starts the process needs no server

    run("tests.chassis.probe:application")
