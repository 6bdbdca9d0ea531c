"""A service with a database of its own, and workers beside it."""

import os
import signal
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from app.chassis import local_server
from tests.chassis import discovered
from tests.chassis.forked import Forked, call
from tests.chassis.outage import free_port
from tests.chassis.running import Service, called, eventually, has, migrate, own

EARLY = ("trial",)
Start = Callable[..., Service]


class Worker(Service):
    module = "tests.chassis.trial_worker"

    def started(self) -> Forked:
        return Forked(call, self.folder, self.env, self.module, ())

    def kill(self) -> None:
        os.kill(self.process.pid, signal.SIGKILL)
        self.exit_status()


class Trial:
    """`notes` are the effects: each job that is done leaves one."""

    def __init__(self, service: Service, url: str, folders: Callable[[], Path], stack: ExitStack) -> None:
        self.service, self.url, self.folders, self.stack = service, url, folders, stack
        self._headers: dict[str, dict[str, str]] = {}
        self._standing: Worker | None = None

    def worker(self, *, trial: str = "trial_jobs", **env: str) -> Worker:
        """One that ends with the test: what a test that failed has left would take the jobs of the next ones."""
        made = self.made(trial=trial, **env)
        own(made)
        return made

    def made(self, *, trial: str = "trial_jobs", **env: str) -> Worker:
        given = {"MANAGEMENT_PORT": str(free_port()), "TRIAL": trial, "DATABASE_URL": self.url, "LOG_LEVEL": "INFO"}
        # Two for each job that it runs at a time, or nobody says in time that it is alive.
        given["DATABASE_POOL_SIZE"] = "10"
        made = Worker(self.folders(), whole=True, **given | env)
        self.stack.callback(made.stop)
        return made

    def standing(self) -> Worker:
        """The one that most tests share; some want none beside their own."""
        if self._standing is None:
            self._standing = self.made(JOBS_STALLED_AFTER="1")
        return self._standing

    def alone(self) -> None:
        """End the standing one."""
        if self._standing is not None:
            self._standing.terminate()
            assert self._standing.exit_status() == 0, self._standing.output()
            self._standing = None

    def headers(self, who: str) -> dict[str, str]:
        if who not in self._headers:
            self._headers[who] = discovered.headers(self.url, who, "trial")
        return self._headers[who]

    def post(self, job: str, given: dict[str, Any], *, fails: str = "", **headers: str) -> Any:
        path = f"/probe/jobs/{job}?fails={fails}"
        return self.service.http.post(path, json=given, headers=self.headers("ada") | headers)

    def enqueue(self, job: str, **given: Any) -> str:
        reply = self.post(job, given)
        assert reply.status_code == 202, reply.text
        return str(reply.json()["id"])

    def look(self, job_id: str, who: str = "ada") -> Any:
        return self.service.http.get(f"/v1/jobs/{job_id}", headers=self.headers(who))

    def cancel(self, job_id: str, who: str = "ada") -> Any:
        return self.service.http.delete(f"/v1/jobs/{job_id}", headers=self.headers(who))

    def when(self, job_id: str, state: str) -> dict[str, Any]:
        """The job, once it is in this state."""

        def reached() -> dict[str, Any] | None:
            found: dict[str, Any] = self.look(job_id).json()
            return found if found["state"] == state else None

        found = eventually(reached, pause=0.05)
        assert found is not None
        return found

    def notes(self, name: str) -> int:
        """How often this note was left."""
        return list(self.service.http.get("/probe/notes").json()).count(name)

    def manage(self, *arguments: str) -> str:
        return called("app.chassis.jobs.manage", *arguments, DATABASE_URL=self.url)


@pytest.fixture(scope="session")
def trial(request: pytest.FixtureRequest, start: Start, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Trial]:
    if has("job_broker"):
        # Without one there is nothing to be seen.
        request.getfixturevalue("job_broker")
    with local_server.test_database(f"test_jobs_{os.getpid()}") as url, ExitStack() as stack:
        migrate(url)
        service = start(DATABASE_URL=url, BACKGROUND="none")
        assert service.http.put("/probe/notes").status_code == 204
        yield Trial(service, url, lambda: tmp_path_factory.mktemp("worker"), stack)
        # A database that somebody is connected to cannot be dropped.
        service.stop()
