"""What happens to orders after their request was answered; each job calls one function."""

from uuid import UUID

from app.chassis.jobs import job
from app.features.orders import documents


@job(retries=8)
def send_receipt(*, owner: str, order_id: UUID) -> None:
    documents.send_receipt(owner=owner, order_id=order_id)


@job(timeout=600, queue="exports")
def export_orders(*, owner: str) -> documents.Export:
    return documents.export(owner=owner)
