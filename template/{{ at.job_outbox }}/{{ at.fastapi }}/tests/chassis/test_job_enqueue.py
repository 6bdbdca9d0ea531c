"""An enqueue costs a transaction one statement."""

from typing import Any

import pytest
from sqlalchemy import event, text
from sqlalchemy.ext.asyncio import AsyncSession

from app.chassis import database
from app.chassis.jobs.queue import enqueue
from app.chassis.transactions import in_transaction
from tests.chassis import trial_jobs


@pytest.fixture
def portal(client: Any) -> Any:
    return client.portal


def test_an_enqueue_is_one_statement(portal: Any) -> None:
    seen: list[str] = []

    async def enqueued(session: AsyncSession) -> None:
        await session.execute(text("SELECT 1"))
        engine = database.opened().engine.sync_engine
        note = lambda *given: seen.append(given[2])  # noqa: E731 - the third is the statement
        event.listen(engine, "before_cursor_execute", note)
        try:
            await enqueue(session, trial_jobs.note, name="n")
        finally:
            event.remove(engine, "before_cursor_execute", note)

    portal.call(in_transaction, enqueued)
    assert len(seen) == 1, seen
    assert "INSERT INTO chassis_jobs" in seen[0]
