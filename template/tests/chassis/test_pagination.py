"""Pages that go on after a key: each item on one page whatever happens meanwhile, and cursors of one list alone."""

import random
import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, Protocol
from uuid import UUID, uuid4

import pytest
from hypothesis import given, settings, strategies
from pydantic import TypeAdapter, ValidationError

from app.chassis import dialect
from app.chassis.pagination import KINDS, BadCursor, Key, Keyset, Page, next_link

EVERY_KIND = Keyset("all", Key("a", UUID), Key("b", int), Key("c", datetime), Key("d", str))
FIXED = Keyset("fixed", Key("b", int), Key("c", datetime, descending=True), Key("a", UUID))
NUMBERED = Keyset("numbers", Key("id", int))
START = datetime(2026, 1, 1, tzinfo=UTC)
# As an index on (moment, id) is read by: what comes after a place begins there. To SQLite an `id` that is a number is
# the place in the table and no column of the index: it begins at the first row of that moment.
BEGINS_RIGHT_THERE = {
    "sqlite": r"SEARCH \w+ USING INDEX chassis_probe_pages_moment \(moment<\?\)",
    "postgresql": r"Index Cond: \(ROW\(moment, id\) < ROW\(",
    # The length of both columns.
    "mysql": r"range \S+ chassis_probe_pages_moment 1[0-9] ",
}[dialect.SYSTEM]

texts = strategies.text(strategies.characters(exclude_characters="\x00", exclude_categories=["Cs"]), max_size=50)
moments = strategies.datetimes(datetime(1000, 1, 1), datetime(9999, 12, 31), timezones=strategies.just(UTC))  # noqa: DTZ001
numbers = strategies.integers(-(2**63), 2**63 - 1)


class Rows(Protocol):
    """A table of `id`, `moment` (which many share) and `name`, with an index on (moment, id)."""

    def add(self, *rows: tuple[int, datetime]) -> None: ...
    def remove(self, *ids: int) -> None: ...
    def page(self, keyset: Keyset, *, limit: int, after: str | None = None) -> Page[Any]: ...
    def plan(self, keyset: Keyset, *, after: str) -> str: ...


def sorted_by(*, moment: bool, number: bool) -> Keyset:
    """Descending or not."""
    return Keyset("rows", Key("moment", datetime, descending=moment), Key("id", int, descending=number))


# -- cursors


@given(strategies.uuids(), numbers, moments, texts)
@settings(deadline=None)
def test_a_cursor_says_what_was_put_into_it(one: UUID, number: int, moment: datetime, text: str) -> None:
    values = [one, number, moment, text]
    cursor = EVERY_KIND.encode(values)
    assert EVERY_KIND.decode(cursor) == values
    assert re.fullmatch(EVERY_KIND.pattern, cursor)
    assert re.fullmatch(FIXED.pattern, FIXED.encode([number, moment, one]))


@given(strategies.data())
@settings(deadline=None)
def test_whatever_the_schema_says_of_a_cursor_of_fixed_width_is_one(data: Any) -> None:
    ascii_alone = strategies.characters(codec="ascii")
    cursor = data.draw(strategies.from_regex(FIXED.pattern.replace("$", r"\Z"), alphabet=ascii_alone))
    assert len(FIXED.decode(cursor)) == 3


@given(strategies.text() | strategies.text("ABCDwxyz0189-_=", min_size=20, max_size=60))
@settings(deadline=None)
def test_garbage_is_refused_and_nothing_else_happens(garbage: str) -> None:
    with pytest.raises(BadCursor):
        EVERY_KIND.decode(garbage)


@pytest.mark.parametrize(
    "other",
    [
        Keyset("invoices", Key("b", int), Key("a", UUID)),
        Keyset("orders", Key("b", int, descending=True), Key("a", UUID)),
        Keyset("orders", Key("c", int), Key("a", UUID)),
        Keyset("orders", Key("a", UUID)),
    ],
)
def test_a_cursor_of_another_list_or_order_is_refused(other: Keyset) -> None:
    mine = Keyset("orders", Key("b", int), Key("a", UUID))
    theirs = other.encode({int: 7, UUID: uuid4()}[key.kind] for key in other.keys)
    assert other.decode(theirs)
    with pytest.raises(BadCursor):
        mine.decode(theirs)


@pytest.mark.parametrize("change", ["{}A", "{}=", "{}\n", " {}", "A{}", "{}.", ""])
def test_a_cursor_is_taken_whole(change: str) -> None:
    cursor = NUMBERED.encode([7])
    with pytest.raises(BadCursor):
        NUMBERED.decode(change.format(cursor))
    with pytest.raises(BadCursor):
        NUMBERED.decode(cursor[:-1])
    with pytest.raises(BadCursor):
        NUMBERED.decode(None)


def test_a_text_that_no_database_takes_is_refused() -> None:
    named = Keyset("names", Key("name", str), Key("id", int))
    with pytest.raises(BadCursor):
        named.decode(named.encode(["a\x00b", 1]))


def test_as_a_parameter_it_is_a_text_whose_pattern_is_documented() -> None:
    adapter = TypeAdapter[str](Annotated[str, NUMBERED])
    cursor = NUMBERED.encode([7])
    assert adapter.validate_python(cursor) == cursor
    with pytest.raises(ValidationError, match="not a cursor of this list"):
        adapter.validate_python("nonsense")
    assert re.fullmatch(adapter.json_schema()["pattern"], cursor)


def test_what_could_be_null_or_has_no_place_in_a_cursor_is_no_key() -> None:
    with pytest.raises(TypeError, match="never NULL"):
        NUMBERED.encode([None])
    with pytest.raises(TypeError, match=f"types: {', '.join(kind.__name__ for kind in KINDS)}; not so: price"):
        Keyset("prices", Key("price", float))
    with pytest.raises(TypeError, match="none"):
        Keyset("nothing")


def test_a_link_keeps_the_query_of_the_list() -> None:
    assert next_link("/v1/x", limit=2, cursor="abc", status=None, tag=["a b", "c"]) == (
        '</v1/x?limit=2&cursor=abc&tag=a+b&tag=c>; rel="next"'
    )


# -- pages


def walk(rows: Rows, keyset: Keyset, *, limit: int) -> Iterator[list[int]]:
    after = None
    while True:
        page = rows.page(keyset, limit=limit, after=after)
        yield [item.id for item in page.items]
        after = page.next_cursor
        if after is None:
            return


@pytest.mark.parametrize("moment", [True, False])
@pytest.mark.parametrize("number", [True, False])
@pytest.mark.parametrize("limit", [1, 3, 7])
def test_every_row_is_on_one_page_however_many_are_equal(rows: Rows, limit: int, moment: bool, number: bool) -> None:
    made = [(one, START + timedelta(microseconds=one // 5)) for one in range(23)]
    rows.add(*random.Random(limit).sample(made, len(made)))
    seen = list(walk(rows, sorted_by(moment=moment, number=number), limit=limit))
    expected = sorted(made, key=lambda row: (row[1], row[0] * (-1 if moment != number else 1)), reverse=moment)
    assert [one for page in seen for one in page] == [one for one, _ in expected]
    assert {len(page) for page in seen[:-1]} == {limit}


@pytest.mark.parametrize("seed", range(4))
def test_what_comes_and_goes_meanwhile_moves_no_other_row(rows: Rows, seed: int) -> None:
    """Whatever is there from the first page to the last is seen once; the row that a cursor names may go, too."""
    chance = random.Random(seed)
    rows.add(*((one, START + timedelta(seconds=one // 4)) for one in range(0, 80, 2)))
    kept, removed, seen = set(range(0, 80, 2)), set[int](), list[int]()
    for page in walk(rows, sorted_by(moment=True, number=bool(seed % 2)), limit=6):
        seen += page
        gone = {page[-1], *chance.sample(sorted(kept - removed), 2)} if page else set()
        rows.remove(*gone)
        removed |= gone
        new = [one for one in chance.sample(range(1, 80, 2), 2) if one not in seen]
        rows.remove(*new)
        rows.add(*((one, START + timedelta(seconds=one // 4)) for one in new))
    stayed = kept - removed
    assert len(seen) == len(set(seen))
    assert stayed <= set(seen)


def test_a_page_begins_in_the_index_where_the_last_one_ended(rows: Rows) -> None:
    rows.add(*((one, START + timedelta(seconds=one // 7)) for one in range(2000)))
    keyset = sorted_by(moment=True, number=True)
    after = keyset.encode([START + timedelta(seconds=100), 703])
    plan = rows.plan(keyset, after=after)
    assert re.search(BEGINS_RIGHT_THERE, plan), plan


def test_a_cursor_of_another_list_reaches_no_database(rows: Rows) -> None:
    with pytest.raises(BadCursor):
        rows.page(NUMBERED, limit=1, after=sorted_by(moment=True, number=True).encode([START, 1]))


@pytest.mark.parametrize(
    ("keyset", "why"),
    [
        (Keyset("rows", Key("name", str), Key("id", int)), "it may be NULL"),
        (Keyset("rows", Key("moment", datetime)), "needs a unique key in the end, such as id"),
    ],
)
def test_a_list_that_could_lose_rows_is_refused(rows: Rows, keyset: Keyset, why: str) -> None:
    with pytest.raises(TypeError, match=why):
        rows.page(keyset, limit=1)
