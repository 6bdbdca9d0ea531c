"""A page of a query that goes on where the last one ended: `await paginate(session, query, NEWEST, limit=20)`."""

from collections.abc import Sequence
from typing import Any, Final, TypeVar

from sqlalchemy import ColumnElement, Select, and_, inspect, or_, tuple_
from sqlalchemy.ext.asyncio import AsyncSession

from app.chassis import dialect
from app.chassis.pagination import Keyset, Page

Item = TypeVar("Item")
Column = Any
# What EXPLAIN and the rows read say of "the next page of (a, b)" with an index on both, in a table of 100,000 rows:
# (a, b) < (x, y) begins right at the place in PostgreSQL 15 (`Index Cond: ROW(a, b) < ROW(x, y)`) and in SQLite 3.40
# (`SEARCH USING INDEX ((a,b)<(?,?))`), where MariaDB 10.11 walks there from the index's end (18,801 rows for a page of
# 2). Spelled out as a < x OR (a = x AND b < y) it is MariaDB that reads 3 rows, and PostgreSQL 18,821.
COMPARES_ROWS: Final = frozenset({"postgresql", "sqlite"})


async def paginate(
    session: AsyncSession, query: Select[Item], keyset: Keyset, *, limit: int, after: str | None = None
) -> Page[Item]:
    """At most `limit` items in the keyset's order, after those of the page whose cursor is `after`.

    Each item of the list is on one page, whatever is added or deleted meanwhile. Raises BadCursor, which is a 422.
    """
    columns = columns_of(query.column_descriptions[0]["entity"], keyset)
    sorts = zip(columns, keyset.keys, strict=True)
    order = [column.desc() if key.descending else column.asc() for column, key in sorts]
    if after is not None:
        query = query.where(beyond(columns, keyset, keyset.decode(after)))
    # One more than asked for: it tells whether there is another page.
    found = (await session.scalars(query.order_by(None).order_by(*order).limit(limit + 1))).all()
    items = found[:limit]
    return Page(items, cursor_of(items[-1], keyset) if len(found) > limit else None)


def columns_of(entity: Any, keyset: Keyset) -> list[Column]:
    """Raises TypeError for keys that cannot tell every row of the table from the others."""
    columns = [getattr(entity, key.name) for key in keyset.keys]
    optional = [key.name for key, column in zip(keyset.keys, columns, strict=True) if column.nullable]
    if optional:
        raise TypeError(f"the list {keyset.name} cannot be sorted by {', '.join(optional)}: it may be NULL")
    primary = {inspect(entity).get_property_by_column(column).key for column in inspect(entity).primary_key}
    if not primary <= {key.name for key in keyset.keys} and not any(column.unique for column in columns):
        raise TypeError(f"the list {keyset.name} needs a unique key in the end, such as {', '.join(sorted(primary))}")
    return columns


def beyond(columns: Sequence[Column], keyset: Keyset, values: Sequence[Any]) -> ColumnElement[bool]:
    """What comes after the row with these values."""
    directions = {key.descending for key in keyset.keys}
    if len(columns) > 1 and len(directions) == 1 and dialect.SYSTEM in COMPARES_ROWS:
        row, place = tuple_(*columns), tuple_(*values, types=[column.type for column in columns])
        return row < place if directions.pop() else row > place
    after = [
        column < value if key.descending else column > value
        for column, key, value in zip(columns, keyset.keys, values, strict=True)
    ]
    same = [column == value for column, value in zip(columns, values, strict=True)]
    spelled_out = or_(*(and_(*same[:number], one) for number, one in enumerate(after)))
    # The first key once more: PostgreSQL and SQLite do not take the place where it begins out of the OR.
    return and_(or_(same[0], after[0]), spelled_out) if len(columns) > 1 else spelled_out


def cursor_of(item: Any, keyset: Keyset) -> str:
    return keyset.encode(getattr(item, key.name) for key in keyset.keys)
