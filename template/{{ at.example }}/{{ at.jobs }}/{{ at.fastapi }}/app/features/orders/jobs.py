"""What happens to orders after their request was answered; each job calls one function."""

from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from app.chassis.jobs import job
from app.features.orders import documents


@job(retries=8)
async def send_receipt(session: AsyncSession, *, owner: str, order_id: UUID) -> None:
    await documents.send_receipt(session, owner=owner, order_id=order_id)


@job(timeout=600, queue="exports")
async def export_orders(session: AsyncSession, *, owner: str) -> documents.Export:
    return await documents.export(session, owner=owner)
