"""The tables of events: what waits to be published, what was handled, and what could not be."""

from django.db import models


class Outgoing(models.Model):
    message_id = models.CharField(max_length=36)
    partition_id = models.SmallIntegerField()
    key = models.CharField(max_length=255)
    type = models.CharField(max_length=100)
    body = models.BinaryField()
    created_at = models.DateTimeField()

    class Meta:
        db_table = "chassis_outbox"
        indexes = (models.Index(fields=["partition_id", "id"], name="chassis_outbox_partition"),)

    def __str__(self) -> str:
        return self.message_id


class Partition(models.Model):
    """A row to lock: who has the lock has the partition."""

    id = models.SmallIntegerField(primary_key=True)

    class Meta:
        db_table = "chassis_outbox_partitions"

    def __str__(self) -> str:
        return str(self.id)


class Handled(models.Model):
    id = models.CharField(primary_key=True, max_length=64)
    handled_at = models.DateTimeField()

    class Meta:
        db_table = "chassis_inbox"
        indexes = (models.Index(fields=["handled_at"], name="chassis_inbox_handled_at"),)

    def __str__(self) -> str:
        return self.id


class Attempt(models.Model):
    id = models.CharField(primary_key=True, max_length=64)
    tries = models.IntegerField()
    counted_at = models.DateTimeField()

    class Meta:
        db_table = "chassis_inbox_attempts"

    def __str__(self) -> str:
        return self.id


class Letter(models.Model):
    message = models.CharField(max_length=64, unique=True)
    handler = models.CharField(max_length=255)
    type = models.CharField(max_length=255)
    error = models.TextField()
    tries = models.IntegerField()
    body = models.BinaryField()
    failed_at = models.DateTimeField()

    class Meta:
        db_table = "chassis_dead_letters"

    def __str__(self) -> str:
        return self.message
