"""What has happened to each order, in rows that are only added."""

from django.db import models


class Entry(models.Model):
    order_id = models.UUIDField()
    what = models.CharField(max_length=32)
    happened_at = models.DateTimeField()

    class Meta:
        indexes = (models.Index(fields=["order_id", "id"], name="timeline_order_id_id"),)

    def __str__(self) -> str:
        return f"{self.order_id} {self.what}"
