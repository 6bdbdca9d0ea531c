"""The table of the accounts."""

from django.db import migrations, models


class Migration(migrations.Migration):
    initial = True

    dependencies = []

    operations = [
        migrations.CreateModel(
            name="AccountRow",
            fields=[
                ("id", models.CharField(max_length=36, primary_key=True, serialize=False)),
                ("name", models.CharField(max_length=254, unique=True)),
                ("password", models.CharField(max_length=255)),
                ("roles", models.TextField()),
                ("tenant", models.CharField(max_length=255)),
                ("created_at", models.DateTimeField()),
                ("confirmed_at", models.DateTimeField(null=True)),
                ("disabled_at", models.DateTimeField(null=True)),
                ("totp_secret", models.CharField(max_length=255)),
                ("totp_confirmed", models.BooleanField()),
                ("totp_used", models.BigIntegerField()),
            ],
            options={
                "db_table": "chassis_accounts",
            },
        ),
    ]
