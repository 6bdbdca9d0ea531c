"""The table of the refresh tokens: of each its digest alone."""

from django.db import models


class RefreshRow(models.Model):
    digest = models.CharField(primary_key=True, max_length=64)
    family = models.CharField(max_length=36, db_index=True)
    account_id = models.CharField(max_length=36, db_index=True)
    created_at = models.DateTimeField()
    expires_at = models.DateTimeField(db_index=True)
    used_at = models.DateTimeField(null=True)
    revoked_at = models.DateTimeField(null=True)

    class Meta:
        db_table = "chassis_refresh_tokens"

    def __str__(self) -> str:
        return self.family
