"""Cached functions, and who changes what they load."""

import asyncio
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Response
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from app.chassis import database
from app.chassis.auth import principal
from app.chassis.cache import cached, changed, invalidate
from app.chassis.errors import Conflict
from app.chassis.routes import declare
from app.chassis.transactions import in_transaction
from tests.chassis import kept
from tests.chassis.kept import Kept

router = APIRouter(prefix="/cached")
Session = Annotated[AsyncSession, Depends(database.session, scope="function")]


async def load(folder: str) -> Kept:
    waits = kept.loading(folder)
    await asyncio.sleep(next(waits))
    found = kept.begun(folder)
    for seconds in waits:
        await asyncio.sleep(seconds)
    return kept.brought(found)


@cached("probe_plain", ttl=60, shared=True, on=["probe.changed"])
async def plain(_session: AsyncSession, *, folder: str) -> Kept:
    return await load(folder)


@cached("probe_stale", ttl=0.2, shared=True, stale_while_revalidate=60)
async def stale(_session: AsyncSession, *, folder: str) -> Kept:
    return await load(folder)


@cached("probe_error", ttl=0.2, shared=True, stale_if_error=60)
async def error(_session: AsyncSession, *, folder: str) -> Kept:
    return await load(folder)


@cached("probe_missing", ttl=60, shared=True, missing=60)
async def missing(_session: AsyncSession, *, folder: str) -> Kept:
    return await load(folder)


@cached("probe_leased", ttl=60, shared=True, lease=1)
async def leased(_session: AsyncSession, *, folder: str) -> Kept:
    return await load(folder)


@cached("probe_owned", ttl=60)
async def owned(_session: AsyncSession, *, owner: str, folder: str) -> Kept:
    return Kept(text=owner, subject=(await load(folder)).subject)


@cached("probe_unstorable", ttl=60, shared=True)
async def unstorable(_session: AsyncSession) -> Kept:
    found: Kept = kept.unstorable()
    return found


KINDS: dict[str, Any] = {
    one.what.terms.group.removeprefix("probe_"): one for one in (plain, stale, error, missing, leased)
}


@router.get("/owned")
async def get_owned(folder: str, owner: str = "") -> Kept:
    return await owned(owner=owner or principal().subject, folder=folder)


@router.get("/unstorable")
async def get_unstorable() -> Any:
    return (await unstorable()) is not None


@router.get("/of/{kind}")
async def get(kind: str, folder: str) -> Any:
    return await KINDS[kind](folder=folder)


@router.delete("/of/{kind}", status_code=204)
async def drop(kind: str, folder: str) -> None:
    await invalidate(KINDS[kind], folder=folder)


@router.post("/changed", status_code=204)
async def change(folder: str) -> None:
    await changed("probe.changed", folder=folder)


@router.post("/within")
async def within(session: Session, folder: str, *, fails: bool = False) -> Kept:
    """What the transaction itself sees, which ends when the folder holds it no longer."""
    await session.execute(text("SELECT 1"))
    async with session.begin_nested():
        await invalidate(plain, folder=folder)
    seen = await plain(folder=folder)
    if fails:
        raise Conflict("the transaction is taken back")
    return seen


@router.post("/committed")
async def committed(folder: str) -> None:
    await in_transaction(commit, folder=folder)


async def commit(session: AsyncSession, *, folder: str) -> None:
    await session.execute(text("SELECT 1"))
    await invalidate(plain, folder=folder)


@router.get("/tagged/private")
@declare(cache="private, max-age=30")
async def tagged(response: Response, value: str = "", status: int = 200) -> dict[str, str]:
    response.status_code = status
    if status >= 500:
        raise Conflict("an error")
    return {"value": value}


@router.get("/tagged/public")
@declare(cache="public, max-age=30, s-maxage=60")
async def tagged_public() -> dict[str, str]:
    return {"value": "everybody's"}
