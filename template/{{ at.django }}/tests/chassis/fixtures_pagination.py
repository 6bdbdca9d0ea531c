"""A table to turn pages in."""

from collections.abc import Iterator
from datetime import datetime
from typing import Any, Final

import pytest
from pytest_django import DjangoDbBlocker

from app.chassis import dialect
from app.chassis.pagination import Keyset, Page

SYSTEM: Final[str] = dialect.SYSTEM
EXPLAIN: Final = {"sqlite": "EXPLAIN QUERY PLAN"}.get(SYSTEM, "EXPLAIN")


def model() -> Any:
    from django.apps.registry import Apps  # noqa: PLC0415 - when the settings are there
    from django.db import models  # noqa: PLC0415

    class Row(models.Model):
        id = models.IntegerField(primary_key=True)
        moment = models.DateTimeField()
        name = models.CharField(max_length=10, null=True)  # noqa: DJ001 - that is what it is here for

        class Meta:
            # A registry of its own: no migration knows of it.
            apps = Apps()
            app_label = "tests"
            db_table = "chassis_probe_pages"
            indexes = (models.Index(fields=["moment", "id"], name="chassis_probe_pages_moment"),)

        def __str__(self) -> str:
            return str(self.id)

    return Row


class Rows:
    def __init__(self, made: Any) -> None:
        self.model = made

    def add(self, *rows: tuple[int, datetime]) -> None:
        self.model.objects.bulk_create(self.model(id=number, moment=moment) for number, moment in rows)

    def remove(self, *ids: int) -> None:
        self.model.objects.filter(id__in=ids).delete()

    def page(self, keyset: Keyset, *, limit: int, after: str | None = None) -> Page[Any]:
        from app.chassis.keyset import paginate  # noqa: PLC0415 - Django, when the settings are there

        return paginate(self.model.objects.all(), keyset, limit=limit, after=after)

    def plan(self, keyset: Keyset, *, after: str) -> str:
        from django.db import connection, transaction  # noqa: PLC0415

        seen = []

        def note(execute: Any, sql: str, params: Any, many: bool, context: Any) -> Any:
            seen.append((sql, params))
            return execute(sql, params, many, context)

        with connection.execute_wrapper(note):
            self.page(keyset, limit=2, after=after)
        ((sql, params),) = seen
        with transaction.atomic(), connection.cursor() as cursor:
            if SYSTEM == "postgresql":
                # The table is so small that reading all of it would be quicker.
                cursor.execute("ANALYZE chassis_probe_pages")
                cursor.execute("SET LOCAL enable_seqscan = off")
            cursor.execute(f"{EXPLAIN} {sql}", params)
            return "\n".join(" ".join(map(str, row)) for row in cursor.fetchall())


@pytest.fixture
def rows(django_db_blocker: DjangoDbBlocker) -> Iterator[Rows]:
    from django.db import connection  # noqa: PLC0415

    made = model()
    with django_db_blocker.unblock():
        with connection.schema_editor() as editor:
            editor.execute("DROP TABLE IF EXISTS chassis_probe_pages")
            editor.create_model(made)
        try:
            yield Rows(made)
        finally:
            with connection.schema_editor() as editor:
                editor.delete_model(made)
