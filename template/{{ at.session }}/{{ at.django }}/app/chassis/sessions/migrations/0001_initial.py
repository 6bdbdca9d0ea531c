"""The table of the sessions: of each secret its digest alone."""

from django.db import migrations, models

import app.chassis.sessions.models


class Migration(migrations.Migration):
    initial = True

    dependencies = [("chassis_accounts", "0001_initial")]

    operations = [
        migrations.CreateModel(
            name="SessionRow",
            fields=[
                ("session_data", models.TextField(verbose_name="session data")),
                ("expire_date", models.DateTimeField(db_index=True, verbose_name="expire date")),
                ("session_key", app.chassis.sessions.models.Secret(max_length=64, primary_key=True, serialize=False)),
                ("scopes", models.TextField()),
                ("created_at", models.DateTimeField()),
                (
                    "account",
                    models.ForeignKey(
                        db_constraint=False,
                        null=True,
                        on_delete=models.DO_NOTHING,
                        related_name="+",
                        to="chassis_accounts.accountrow",
                    ),
                ),
            ],
            options={
                "db_table": "chassis_sessions",
            },
        ),
    ]
