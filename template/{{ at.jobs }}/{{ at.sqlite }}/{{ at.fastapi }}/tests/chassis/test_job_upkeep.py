"""What a worker sees to while others write."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import func, select, update

from app.chassis import database
from app.chassis.jobs import rows, store
from app.chassis.jobs.declared import declaration
from app.chassis.jobs.models import JOBS
from tests.chassis import trial_schedule
from tests.chassis.overtaking import overtaken

NOW = datetime(2026, 1, 31, 12, tzinfo=UTC)


@pytest.fixture
def portal(client: Any) -> Any:
    return client.portal


async def kept() -> int:
    async with database.opened().sessions() as session:
        return int(await session.scalar(select(func.count()).select_from(JOBS)) or 0)


def test_a_tick_is_enqueued_once_though_others_write(portal: Any) -> None:
    tick = rows.scheduled(declaration(trial_schedule.tick), NOW)
    with overtaken():
        portal.call(store.enqueue_once, tick)
        portal.call(store.enqueue_once, tick)
    assert portal.call(kept) == 1


def test_what_is_over_for_long_is_forgotten_though_others_write(portal: Any) -> None:
    async def end() -> None:
        async with database.opened().sessions.begin() as session:
            await session.execute(update(JOBS).values(state=rows.SUCCEEDED, finished_at=NOW))

    for hour in range(3):
        portal.call(store.enqueue_once, rows.scheduled(declaration(trial_schedule.tick), NOW + timedelta(hours=hour)))
    portal.call(end)
    with overtaken():
        assert portal.call(store.forget, NOW, 2) == 0
        assert portal.call(store.forget, NOW + timedelta(seconds=1), 2) == 2
        assert portal.call(store.forget, NOW + timedelta(seconds=1), 2) == 1
    assert portal.call(kept) == 0
