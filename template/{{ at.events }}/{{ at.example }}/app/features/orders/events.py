"""What orders tell others: another feature, and any other service."""

from datetime import datetime
from uuid import UUID

from pydantic import BaseModel

from app.chassis.events.registry import event


@event("orders.placed", version=1)
class OrderPlaced(BaseModel):
    order_id: UUID
    owner: str
    currency: str
    total: int
    placed_at: datetime


@event("orders.cancelled", version=1)
class OrderCancelled(BaseModel):
    order_id: UUID
    owner: str
    cancelled_at: datetime
