"""The table of the keys and of the answers they got."""

from django.db import migrations, models


class Migration(migrations.Migration):
    initial = True

    dependencies = []

    operations = [
        migrations.CreateModel(
            name="Key",
            fields=[
                ("id", models.CharField(max_length=64, primary_key=True, serialize=False)),
                ("caller", models.TextField()),
                ("key", models.CharField(max_length=255)),
                ("request", models.CharField(max_length=64)),
                ("status", models.PositiveSmallIntegerField()),
                ("headers", models.TextField()),
                ("body", models.BinaryField()),
                ("created_at", models.DateTimeField()),
            ],
            options={
                "db_table": "chassis_idempotency_keys",
                "indexes": [models.Index(fields=["created_at"], name="chassis_keys_created_at")],
            },
        ),
    ]
