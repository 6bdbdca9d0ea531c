"""What has happened to each order, in rows that are only added."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import BigInteger, Index, Integer, String
from sqlalchemy.orm import Mapped, mapped_column

from app.chassis.tables import Base


class Entry(Base):
    __tablename__ = "timeline_entries"
    __table_args__ = (Index(None, "order_id", "id"),)

    id: Mapped[int] = mapped_column(BigInteger().with_variant(Integer, "sqlite"), primary_key=True)
    order_id: Mapped[UUID]
    what: Mapped[str] = mapped_column(String(32))
    happened_at: Mapped[datetime]
