"""The table of the jobs."""

from django.db import models

from app.chassis import dialect

# ruff: noqa: DJ001 - no text is something else than an empty one


class Job(models.Model):
    id = models.UUIDField(primary_key=True)
    name = models.CharField(max_length=128)
    queue = models.CharField(max_length=64)
    owner = models.CharField(max_length=255, db_collation=dialect.EXACT)
    arguments = models.TextField()
    # The ids of whatever has enqueued it.
    carrier = models.TextField()
    # While it waits for its first attempt: one of each.
    unique_key = models.CharField(max_length=64, null=True, unique=True)
    state = models.CharField(max_length=16)
    attempts = models.IntegerField()
    done = models.BigIntegerField(null=True)
    total = models.BigIntegerField(null=True)
    result = models.TextField(null=True)
    # What failed: for operators, and what its owner is told.
    error = models.TextField(null=True)
    detail = models.TextField(null=True)
    created_at = models.DateTimeField()
    due_at = models.DateTimeField()
    started_at = models.DateTimeField(null=True)
    finished_at = models.DateTimeField(null=True)
    # When it is to be handed to a worker, again if nobody has begun; and until when the one who runs it has it.
    deliver_at = models.DateTimeField(null=True, db_index=True)
    leased_until = models.DateTimeField(null=True)

    class Meta:
        db_table = "chassis_jobs"
        indexes = (models.Index(fields=["state", "finished_at"], name="chassis_jobs_state_finished"),)

    def __str__(self) -> str:
        return f"{self.name} {self.id}"
