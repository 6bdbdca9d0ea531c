"""The tables of events: what waits to be published, what was handled, and what could not be."""

from django.db import migrations, models


class Migration(migrations.Migration):
    initial = True

    dependencies = []

    operations = [
        migrations.CreateModel(
            name="Attempt",
            fields=[
                ("id", models.CharField(max_length=64, primary_key=True, serialize=False)),
                ("tries", models.IntegerField()),
                ("counted_at", models.DateTimeField()),
            ],
            options={
                "db_table": "chassis_inbox_attempts",
            },
        ),
        migrations.CreateModel(
            name="Letter",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("message", models.CharField(max_length=64, unique=True)),
                ("handler", models.CharField(max_length=255)),
                ("type", models.CharField(max_length=255)),
                ("error", models.TextField()),
                ("tries", models.IntegerField()),
                ("body", models.BinaryField()),
                ("failed_at", models.DateTimeField()),
            ],
            options={
                "db_table": "chassis_dead_letters",
            },
        ),
        migrations.CreateModel(
            name="Partition",
            fields=[
                ("id", models.SmallIntegerField(primary_key=True, serialize=False)),
            ],
            options={
                "db_table": "chassis_outbox_partitions",
            },
        ),
        migrations.CreateModel(
            name="Handled",
            fields=[
                ("id", models.CharField(max_length=64, primary_key=True, serialize=False)),
                ("handled_at", models.DateTimeField()),
            ],
            options={
                "db_table": "chassis_inbox",
                "indexes": [models.Index(fields=["handled_at"], name="chassis_inbox_handled_at")],
            },
        ),
        migrations.CreateModel(
            name="Outgoing",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("message_id", models.CharField(max_length=36)),
                ("partition_id", models.SmallIntegerField()),
                ("key", models.CharField(max_length=255)),
                ("type", models.CharField(max_length=100)),
                ("body", models.BinaryField()),
                ("created_at", models.DateTimeField()),
            ],
            options={
                "db_table": "chassis_outbox",
                "indexes": [models.Index(fields=["partition_id", "id"], name="chassis_outbox_partition")],
            },
        ),
    ]
