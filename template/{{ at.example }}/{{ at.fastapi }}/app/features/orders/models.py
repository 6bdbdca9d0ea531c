"""The tables of orders."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import BigInteger, Enum, ForeignKey, Index, String
from sqlalchemy.orm import Mapped, mapped_column, relationship

from app.chassis.tables import Base, Subject
from app.features.orders.rules import Status


class Order(Base):
    __tablename__ = "orders"
    # A page is read off one of these, of one status or of all.
    __table_args__ = (Index(None, "owner", "status", "id"), Index(None, "owner", "id"))

    id: Mapped[UUID] = mapped_column(primary_key=True)
    # Whose it is: the subject of a principal.
    owner: Mapped[str] = mapped_column(Subject)
    status: Mapped[Status] = mapped_column(
        Enum(Status, native_enum=False, length=16, values_callable=lambda statuses: [one.value for one in statuses])
    )
    currency: Mapped[str] = mapped_column(String(3))
    total: Mapped[int] = mapped_column(BigInteger)
    created_at: Mapped[datetime]
    # Never loaded behind one's back: a query says that it wants the lines, or the access is refused.
    lines: Mapped[list["OrderLine"]] = relationship(
        order_by="OrderLine.position", cascade="all, delete-orphan", lazy="raise"
    )


class OrderLine(Base):
    __tablename__ = "order_lines"

    order_id: Mapped[UUID] = mapped_column(ForeignKey(Order.id, ondelete="CASCADE"), primary_key=True)
    position: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    sku: Mapped[str] = mapped_column(String(64))
    quantity: Mapped[int]
    unit_price: Mapped[int] = mapped_column(BigInteger)
