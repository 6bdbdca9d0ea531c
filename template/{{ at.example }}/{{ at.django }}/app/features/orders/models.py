"""The tables of orders."""

from django.db import models

from app.chassis import dialect
from app.features.orders.rules import Status


class Order(models.Model):
    id = models.UUIDField(primary_key=True, editable=False)
    # Whose it is: the subject of a principal.
    owner = models.CharField(max_length=255, editable=False, db_collation=dialect.EXACT)
    status = models.CharField(max_length=16, choices=[(one.value, one.name.capitalize()) for one in Status])
    currency = models.CharField(max_length=3)
    total = models.BigIntegerField()
    created_at = models.DateTimeField()

    class Meta:
        # A page is read off one of these, of one status or of all.
        indexes = (
            models.Index(fields=["owner", "status", "id"], name="orders_owner_status_id"),
            models.Index(fields=["owner", "id"], name="orders_owner_id"),
        )

    def __str__(self) -> str:
        return str(self.id)

    @property
    def lines(self) -> list["OrderLine"]:
        """In their order; a query that wants many orders says so with `prefetch_related("order_lines")`."""
        return list(self.order_lines.all())


class OrderLine(models.Model):
    order = models.ForeignKey(Order, models.CASCADE, related_name="order_lines")
    position = models.PositiveSmallIntegerField()
    sku = models.CharField(max_length=64)
    quantity = models.PositiveIntegerField()
    unit_price = models.BigIntegerField()

    class Meta:
        ordering = ("position",)
        constraints = (models.UniqueConstraint(fields=["order", "position"], name="orders_line_position"),)

    def __str__(self) -> str:
        return f"{self.quantity} x {self.sku}"
