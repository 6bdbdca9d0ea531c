"""A page of a query that goes on where the last one ended: `paginate(query, NEWEST, limit=20)`."""

from collections.abc import Iterable, Sequence
from operator import attrgetter
from typing import Any, Final, TypeVar

from django.db.models import BooleanField, F, Field, Func, Lookup, Model, Q, QuerySet, Value
from django.db.models.lookups import GreaterThan, LessThan

from app.chassis import dialect
from app.chassis.pagination import Keyset, Page

Item = TypeVar("Item", bound=Model)
# What EXPLAIN and the rows read say of "the next page of (a, b)" with an index on both, in a table of 100,000 rows:
# (a, b) < (x, y) begins right at the place in PostgreSQL 15 (`Index Cond: ROW(a, b) < ROW(x, y)`) and in SQLite 3.40
# (`SEARCH USING INDEX ((a,b)<(?,?))`), where MariaDB 10.11 walks there from the index's end (18,801 rows for a page of
# 2). Spelled out as a < x OR (a = x AND b < y) it is MariaDB that reads 3 rows, and PostgreSQL 18,821.
COMPARES_ROWS: Final = frozenset({"postgresql", "sqlite"})


def paginate(query: QuerySet[Item], keyset: Keyset, *, limit: int, after: str | None = None) -> Page[Item]:
    """At most `limit` items in the keyset's order, after those of the page whose cursor is `after`.

    Each item of the list is on one page, whatever is added or deleted meanwhile. Raises BadCursor, which is a 422.
    """
    fields = fields_of(query.model, keyset)
    if after is not None:
        query = query.filter(beyond(fields, keyset, keyset.decode(after)))
    # One more than asked for: it tells whether there is another page.
    found = list(query.order_by(*(f"-{key.name}" if key.descending else key.name for key in keyset.keys))[: limit + 1])
    items = found[:limit]
    return Page(items, cursor_of(items[-1], keyset) if len(found) > limit else None)


def fields_of(model: type[Model], keyset: Keyset) -> list["Field[Any, Any]"]:
    """Raises TypeError for keys that cannot tell every row of the table from the others."""
    fields = [model._meta.get_field(key.name) for key in keyset.keys]  # noqa: SLF001 - Django documents it
    optional = [field.name for field in fields if field.null]
    if optional:
        raise TypeError(f"the list {keyset.name} cannot be sorted by {', '.join(optional)}: it may be NULL")
    if not any(field.unique for field in fields if isinstance(field, Field)):
        raise TypeError(f"the list {keyset.name} needs a unique key in the end, such as {model._meta.pk.name}")  # noqa: SLF001
    return [field for field in fields if isinstance(field, Field)]


def beyond(fields: "Sequence[Field[Any, Any]]", keyset: Keyset, values: Sequence[Any]) -> "Q | Lookup[bool]":
    """What comes after the row with these values."""
    directions = {key.descending for key in keyset.keys}
    if len(fields) > 1 and len(directions) == 1 and dialect.SYSTEM in COMPARES_ROWS:
        here = row(F(field.name) for field in fields)
        place = row(Value(value, output_field=field) for field, value in zip(fields, values, strict=True))
        return LessThan(here, place) if directions.pop() else GreaterThan(here, place)
    spelled_out = Q()
    same = Q()
    for key, value in zip(keyset.keys, values, strict=True):
        spelled_out |= same & Q(**{f"{key.name}__{'lt' if key.descending else 'gt'}": value})
        same &= Q(**{key.name: value})
    if len(fields) == 1:
        return spelled_out
    # The first key once more: PostgreSQL and SQLite do not take the place where it begins out of the OR.
    first = keyset.keys[0]
    return Q(**{f"{first.name}__{'lte' if first.descending else 'gte'}": values[0]}) & spelled_out


def row(parts: Iterable[Any]) -> Func:
    return Func(*parts, template="(%(expressions)s)", output_field=BooleanField())


def cursor_of(item: Model, keyset: Keyset) -> str:
    return keyset.encode(attrgetter(key.name)(item) for key in keyset.keys)
