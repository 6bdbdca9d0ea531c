"""Keys that are cleared away while others write."""

from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import insert, select

from app.chassis import database
from app.chassis.idempotency import expire
from app.chassis.idempotency.models import KEYS
from tests.chassis.overtaking import overtaken

NOW = datetime(2026, 1, 31, 12, tzinfo=UTC)


def test_old_keys_are_cleared_away_though_others_write(client: Any) -> None:
    async def add() -> None:
        row = {"caller": "", "key": "", "request": "", "status": 200, "headers": "", "body": b""}
        async with database.opened().engine.begin() as connection:
            for name, moment in (("old", NOW - timedelta(seconds=1)), ("young", NOW + timedelta(seconds=1))):
                await connection.execute(insert(KEYS).values(row | {"id": name, "created_at": moment}))

    async def kept() -> list[Any]:
        async with database.opened().engine.connect() as connection:
            return list(await connection.scalars(select(KEYS.c.id)))

    client.portal.call(add)
    with overtaken():
        assert client.portal.call(expire.expire_some, NOW) == 1
    assert client.portal.call(kept) == ["young"]
