"""The table of the keys and of the answers they got."""

from django.db import models


class Key(models.Model):
    # Caller and key as one digest: short, and no collation takes two for the same.
    id = models.CharField(primary_key=True, max_length=64)
    caller = models.TextField()
    key = models.CharField(max_length=255)
    request = models.CharField(max_length=64)
    status = models.PositiveSmallIntegerField()
    headers = models.TextField()
    body = models.BinaryField()
    created_at = models.DateTimeField()

    class Meta:
        db_table = "chassis_idempotency_keys"
        indexes = (models.Index(fields=["created_at"], name="chassis_keys_created_at"),)

    def __str__(self) -> str:
        return self.key
