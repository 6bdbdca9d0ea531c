"""procrastinate's tables are those that its package wants, and an enqueue costs a transaction one statement."""

from importlib.resources import files
from importlib.util import module_from_spec, spec_from_file_location
from typing import Any

import pytest
from sqlalchemy import event, text
from sqlalchemy.ext.asyncio import AsyncSession

from app.chassis import database
from app.chassis.jobs.queue import enqueue
from app.chassis.revisions import CHASSIS
from app.chassis.transactions import in_transaction
from tests.chassis import trial_jobs


def test_every_script_of_the_package_has_its_migration() -> None:
    ours: list[str] = []
    for path in sorted((CHASSIS / "procrastinate" / "migrations").glob("0*.py")):
        spec = spec_from_file_location(path.stem, path)
        assert spec is not None
        assert spec.loader is not None
        module = module_from_spec(spec)
        spec.loader.exec_module(module)
        ours += module.NAMES
    scripts = [one.name for one in (files("procrastinate.sql") / "migrations").iterdir() if one.name.endswith(".sql")]
    assert ours == sorted(scripts), "the package has other scripts than the migrations run: `make update` brings both"


@pytest.fixture
def portal(client: Any) -> Any:
    return client.portal


def test_an_enqueue_is_one_statement(portal: Any) -> None:
    seen: list[str] = []

    async def twice(session: AsyncSession) -> None:
        await session.execute(text("SELECT 1"))
        engine = database.opened().engine.sync_engine
        note = lambda *given: seen.append(given[2])  # noqa: E731 - the third is the statement
        event.listen(engine, "before_cursor_execute", note)
        try:
            await enqueue(session, trial_jobs.note, name="n")
        finally:
            event.remove(engine, "before_cursor_execute", note)

    portal.call(in_transaction, twice)
    assert len(seen) == 1, seen
    assert "procrastinate_defer_jobs_v1" in seen[0]
