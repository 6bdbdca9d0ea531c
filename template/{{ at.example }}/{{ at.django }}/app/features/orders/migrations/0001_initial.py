"""Orders and their lines."""

import django.db.models.deletion
from django.db import migrations, models

from app.chassis import dialect


class Migration(migrations.Migration):
    initial = True

    dependencies = []

    operations = [
        migrations.CreateModel(
            name="Order",
            fields=[
                ("id", models.UUIDField(editable=False, primary_key=True, serialize=False)),
                ("owner", models.CharField(db_collation=dialect.EXACT, editable=False, max_length=255)),
                (
                    "status",
                    models.CharField(
                        choices=[("placed", "Placed"), ("shipped", "Shipped"), ("cancelled", "Cancelled")],
                        max_length=16,
                    ),
                ),
                ("currency", models.CharField(max_length=3)),
                ("total", models.BigIntegerField()),
                ("created_at", models.DateTimeField()),
            ],
            options={
                "indexes": [
                    models.Index(fields=["owner", "status", "id"], name="orders_owner_status_id"),
                    models.Index(fields=["owner", "id"], name="orders_owner_id"),
                ],
            },
        ),
        migrations.CreateModel(
            name="OrderLine",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("position", models.PositiveSmallIntegerField()),
                ("sku", models.CharField(max_length=64)),
                ("quantity", models.PositiveIntegerField()),
                ("unit_price", models.BigIntegerField()),
                (
                    "order",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE, related_name="order_lines", to="orders.order"
                    ),
                ),
            ],
            options={
                "ordering": ("position",),
                "constraints": [models.UniqueConstraint(fields=("order", "position"), name="orders_line_position")],
            },
        ),
    ]
