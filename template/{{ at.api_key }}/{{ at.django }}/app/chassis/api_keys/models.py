"""The table of the keys: of each its digest alone."""

from django.db import models


class ApiKey(models.Model):
    id = models.CharField(primary_key=True, max_length=16)
    digest = models.CharField(max_length=64)
    subject = models.CharField(max_length=255)
    tenant = models.CharField(max_length=255)
    scopes = models.TextField()
    roles = models.TextField()
    note = models.CharField(max_length=255)
    created_at = models.DateTimeField()
    expires_at = models.DateTimeField(null=True)
    revoked_at = models.DateTimeField(null=True)
    last_used_at = models.DateTimeField(null=True)

    class Meta:
        db_table = "chassis_api_keys"

    def __str__(self) -> str:
        return self.id
