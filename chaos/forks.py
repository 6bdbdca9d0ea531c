"""Runs in a service's own interpreter: imports the service once, and forks the processes that it is told to on its input.

To import a service takes a core two seconds, to fork it nothing: else there would be no time to kill it hundreds of times.
Each line of input is a process as JSON, answered by a line with its id. When the input ends, it ends.
"""

import ctypes
import gc
import json
import os
import signal
import sys
from contextlib import suppress
from importlib import import_module
from pathlib import Path

DIE_WITH_PARENT = 1
# What its processes import themselves, sooner or later; what a service has not is not there.
MODULES = (
    "app.chassis.background", "app.chassis.server", "app.main", "app.urls", "granian.server.mp", "granian.http",
    "app.chassis.framework", "app.chassis.events.relaying", "app.chassis.events.consuming", "app.chassis.events.outbox",
    "app.chassis.jobs.worker", "app.chassis.jobs.queue", "app.chassis.jobs.api",
    "faststream.nats", "faststream.rabbit", "faststream.confluent", "redis.asyncio", "procrastinate", "procrastinate.worker",
    "celery.app", "celery.worker", "kombu.transport.redis", "kombu.transport.pyamqp", "taskiq", "app.chassis.jobs.transport",
    "uvloop", "asyncpg", "psycopg_pool", "django.core.handlers.wsgi", "django.db.backends.postgresql.base",
)  # fmt: skip


def main() -> None:
    # Instead of this folder, whose modules have names that packages have, too.
    sys.path[0] = str(Path.cwd())
    preload()
    # Children that end are nobody's to wait for.
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    print("ready", flush=True)
    for line in sys.stdin:
        asked = json.loads(line)
        pid = os.fork()
        if not pid:
            become(asked)
        print(pid, flush=True)


def preload() -> None:
    # Start-up makes objects to keep, and a child that collected would copy what it shares.
    gc.disable()
    if Path("manage.py").exists():
        os.environ.setdefault("DJANGO_SETTINGS_MODULE", "app.settings")
        import_module("django").setup(set_prefix=False)
    for module in MODULES:
        # What a package lacks to be imported it tells in its own way: kombu without redis, say.
        with suppress(ImportError, AttributeError):
            import_module(module)
    gc.freeze()
    gc.enable()


def become(asked: dict) -> None:
    """In the child: what `python -m module arguments` is, with this environment; `edits` are made to its modules before."""
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    ctypes.CDLL(None).prctl(DIE_WITH_PARENT, signal.SIGKILL)
    os.setsid()
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    output = os.open(asked["log"], os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    for number in (1, 2):
        os.dup2(output, number)
    os.environ.clear()
    os.environ.update(asked["environment"])
    import_module("app.chassis.settings").forget()
    edits: dict[str, list[tuple[str, str]]] = {}
    for module, old, new in asked["edits"]:
        edits.setdefault(module, []).append((old, new))
    for module, changes in edits.items():
        edit(module, changes)
    module, *arguments = asked["command"]
    sys.argv = [module, *arguments]
    import_module(module).main()
    sys.exit()


def edit(name: str, changes: list[tuple[str, str]]) -> None:
    """Run the module once more, with other lines in it: whoever has imported it has that one."""
    module = import_module(name)
    text = Path(module.__file__).read_text()
    for old, new in changes:
        if text.count(old) != 1:
            raise RuntimeError(f"{name} has not one {old!r}")
        text = text.replace(old, new)
    exec(compile(text, module.__file__, "exec"), vars(module))  # noqa: S102 - the service's own text


if __name__ == "__main__":
    main()
