"""What a consumer sees to while others write."""

from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import insert, select

from app.chassis import database
from app.chassis.events import store
from app.chassis.events.models import ATTEMPTS, INBOX
from tests.chassis.overtaking import overtaken

NOW = datetime(2026, 1, 31, 12, tzinfo=UTC)


def test_what_was_handled_is_forgotten_though_others_write(client: Any) -> None:
    async def add() -> None:
        async with database.opened().engine.begin() as connection:
            for name, moment in (("old", NOW - timedelta(seconds=1)), ("young", NOW)):
                await connection.execute(insert(INBOX).values(id=name, handled_at=moment))
                await connection.execute(insert(ATTEMPTS).values(id=name, tries=1, counted_at=moment))

    async def kept() -> list[Any]:
        async with database.opened().engine.connect() as connection:
            return [(await connection.scalars(select(table.c.id))).all() for table in (INBOX, ATTEMPTS)]

    client.portal.call(add)
    with overtaken():
        client.portal.call(store.expire, NOW)
    assert client.portal.call(kept) == [["young"], ["young"]]
