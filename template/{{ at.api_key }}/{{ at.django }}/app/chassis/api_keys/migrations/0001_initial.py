"""The table of the keys: of each its digest alone."""

from django.db import migrations, models


class Migration(migrations.Migration):
    initial = True

    dependencies = []

    operations = [
        migrations.CreateModel(
            name="ApiKey",
            fields=[
                ("id", models.CharField(max_length=16, primary_key=True, serialize=False)),
                ("digest", models.CharField(max_length=64)),
                ("subject", models.CharField(max_length=255)),
                ("tenant", models.CharField(max_length=255)),
                ("scopes", models.TextField()),
                ("roles", models.TextField()),
                ("note", models.CharField(max_length=255)),
                ("created_at", models.DateTimeField()),
                ("expires_at", models.DateTimeField(null=True)),
                ("revoked_at", models.DateTimeField(null=True)),
                ("last_used_at", models.DateTimeField(null=True)),
            ],
            options={
                "db_table": "chassis_api_keys",
            },
        ),
    ]
