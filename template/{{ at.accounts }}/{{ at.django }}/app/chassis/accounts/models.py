"""The table of the accounts."""

from django.db import models


class AccountRow(models.Model):
    id = models.CharField(primary_key=True, max_length=36)
    name = models.CharField(max_length=254, unique=True)
    password = models.CharField(max_length=255)
    roles = models.TextField()
    tenant = models.CharField(max_length=255)
    created_at = models.DateTimeField()
    confirmed_at = models.DateTimeField(null=True)
    disabled_at = models.DateTimeField(null=True)
    totp_secret = models.CharField(max_length=255)
    totp_confirmed = models.BooleanField()
    totp_used = models.BigIntegerField()

    class Meta:
        db_table = "chassis_accounts"

    def __str__(self) -> str:
        return self.id
