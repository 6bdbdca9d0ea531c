"""The table of the jobs."""

from django.db import migrations, models

from app.chassis import dialect


class Migration(migrations.Migration):
    initial = True

    dependencies = []

    operations = [
        migrations.CreateModel(
            name="Job",
            fields=[
                ("id", models.UUIDField(primary_key=True, serialize=False)),
                ("name", models.CharField(max_length=128)),
                ("queue", models.CharField(max_length=64)),
                ("owner", models.CharField(max_length=255, db_collation=dialect.EXACT)),
                ("arguments", models.TextField()),
                ("carrier", models.TextField()),
                ("unique_key", models.CharField(max_length=64, null=True, unique=True)),
                ("state", models.CharField(max_length=16)),
                ("attempts", models.IntegerField()),
                ("done", models.BigIntegerField(null=True)),
                ("total", models.BigIntegerField(null=True)),
                ("result", models.TextField(null=True)),
                ("error", models.TextField(null=True)),
                ("detail", models.TextField(null=True)),
                ("created_at", models.DateTimeField()),
                ("due_at", models.DateTimeField()),
                ("started_at", models.DateTimeField(null=True)),
                ("finished_at", models.DateTimeField(null=True)),
                ("deliver_at", models.DateTimeField(null=True, db_index=True)),
                ("leased_until", models.DateTimeField(null=True)),
            ],
            options={
                "db_table": "chassis_jobs",
                "indexes": [models.Index(fields=["state", "finished_at"], name="chassis_jobs_state_finished")],
            },
        ),
    ]
