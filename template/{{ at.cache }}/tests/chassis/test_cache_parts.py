"""What the cache is made of, on a clock that only moves when it is told to."""

from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import pytest
from pydantic import BaseModel

from app.chassis import routes
from app.chassis.cacheable import Cacheable, Terms, claim
from app.chassis.caching import conditional
from app.chassis.caching.breaker import Breaker
from app.chassis.caching.envelope import MISSING, VALUE, Packed, pack, unpack
from app.chassis.caching.memory import MOST_KEYS, Memory
from app.chassis.exchange import Exchange, current

ID = UUID("0199f3c1-7b2a-7c5e-9d40-3f1b8e6a2c71")


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


class Shown(BaseModel):
    text: str


def one(*, owner: str, order_id: UUID, page: int = 1) -> Shown: ...  # type: ignore[empty-body]


def of(function: Any, **terms: Any) -> Cacheable:
    return Cacheable(function, Terms(**{"group": "orders", "ttl": 1.0, **terms}), first=0)


# -- the key -----------------------------------------------------------------------------------------------------------


def test_every_argument_is_part_of_the_key() -> None:
    what = of(one)
    given: dict[str, object] = {"owner": "ada", "order_id": ID}
    others: list[dict[str, object]] = [{"owner": "grace"}, {"order_id": UUID(int=7)}, {"page": 2}]
    keys = [what.key(given | other) for other in [{}, *others]]
    assert len(set(keys)) == 4
    assert what.key({"page": 1, **given}) == keys[0]


def test_no_text_makes_a_key_long_or_somebody_elses() -> None:
    def two(*, owner: str, name: str) -> Shown: ...  # type: ignore[empty-body]

    what = of(two)
    texts = ["", "\x00", "a b\r\nDEL *", "é" * 10_000, '","name":"']
    keys = {what.key({"owner": owner, "name": name}) for owner in texts for name in texts}
    assert len(keys) == len(texts) ** 2
    assert {len(key) for key in keys} == {len(next(iter(keys)))}
    assert all(key.isascii() and key.isprintable() and " " not in key for key in keys)


@pytest.mark.parametrize("value", [object(), {1, 2}, Exchange("GET", "/", ""), 1 << 70])
def test_what_is_no_plain_value_is_no_argument(value: object) -> None:
    with pytest.raises(TypeError, match="pass its id instead"):
        of(one).key({"owner": value, "order_id": ID})


def test_an_argument_too_many_or_too_few_is_refused() -> None:
    for given in ({"owner": "ada"}, {"owner": "ada", "order_id": ID, "colour": "red"}):
        with pytest.raises(TypeError, match="is cached by owner, order_id, page"):
            of(one).key(given)


# -- what may be cached ------------------------------------------------------------------------------------------------


def test_a_value_says_whose_it_is_or_that_it_is_everybodys() -> None:
    def anybodys(*, order_id: UUID) -> Shown: ...  # type: ignore[empty-body]

    with pytest.raises(TypeError, match="anybodys has no parameter `owner`"):
        of(anybodys)
    of(anybodys, shared=True)


def test_arguments_are_given_by_name() -> None:
    def positional(owner: str) -> Shown: ...  # type: ignore[empty-body]

    with pytest.raises(TypeError, match=r"write a \* before them"):
        of(positional)


def test_what_does_not_say_what_it_returns_cannot_be_stored() -> None:
    def silent(*, owner: str): ...  # type: ignore[no-untyped-def]

    with pytest.raises(TypeError, match="silent is cached and does not say what it returns"):
        of(silent).dumped("x")


@pytest.mark.parametrize(
    "terms", [{"ttl": 0}, {"ttl": -1}, {"lease": 0}, {"missing": -1}, {"stale_if_error": float("nan")}, {"group": "A"}]
)
def test_terms_that_nobody_can_keep_are_refused(terms: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"orders|is no name"):
        of(one, **terms)


def test_two_functions_do_not_share_a_group() -> None:
    claim("claimed", one)
    claim("claimed", one)
    with pytest.raises(ValueError, match=r"one is cached as claimed already"):
        claim("claimed", of)


def test_another_shape_is_another_version() -> None:
    class Wider(BaseModel):
        text: str
        colour: str = "red"

    def wider(*, owner: str) -> Wider: ...  # type: ignore[empty-body]

    def same(*, owner: str) -> Shown: ...  # type: ignore[empty-body]

    wider.__annotations__["return"] = Wider
    assert of(one).version == of(same).version != of(wider).version
    assert of(one, version=2).version != of(one).version


def test_a_value_survives_as_it_was() -> None:
    def plain(*, owner: str) -> dict[str, datetime | int | None]: ...  # type: ignore[empty-body]

    value = {"at": datetime(2026, 1, 2, tzinfo=UTC), "much": 10**14, "nothing": None}
    what = of(plain)
    assert what.loaded(what.dumped(value)) == value


# -- the envelope ------------------------------------------------------------------------------------------------------


def test_what_was_packed_is_unpacked() -> None:
    for packed in (Packed(VALUE, b'"x"'), Packed(MISSING, b""), Packed(VALUE, b"\x00" * 1000)):
        assert unpack(pack(packed)) == packed


def test_a_damaged_byte_anywhere_is_noticed() -> None:
    raw = pack(Packed(VALUE, b'{"text":"x"}'))
    for position in range(len(raw)):
        assert unpack(raw[:position] + bytes([raw[position] ^ 1]) + raw[position + 1 :]) is None
        assert unpack(raw[:position]) is None


# -- the memory --------------------------------------------------------------------------------------------------------


def test_memory_is_bounded_by_bytes_and_by_keys(clock: Clock) -> None:
    memory = Memory(100_000, clock)
    for number in range(1000):
        memory.copy(f"{number}", b"x" * 1000, fresh=60, life=60)
        assert memory.bytes <= 100_000
    assert 50 < len(memory.entries) < 100
    assert "999" in memory.entries
    many = Memory(1 << 30, clock)
    for number in range(MOST_KEYS + 10):
        many.read(f"{number}", "token", 5)
    assert len(many.entries) == MOST_KEYS
    for key in list(memory.entries):
        memory.drop(key)
    assert memory.bytes == 0


def test_one_at_a_time_loads_until_the_lease_ends(clock: Clock) -> None:
    memory = Memory(100_000, clock)
    assert [memory.read("a", token, 5).mine for token in ("one", "two")] == [True, False]
    clock.now += 5.1
    assert memory.read("a", "two", 5).mine
    assert not memory.store("a", "one", b"late", fresh=60, life=60)
    assert memory.store("a", "two", b"right", fresh=60, life=60)
    assert memory.read("a", "three", 5).raw == b"right"


def test_what_was_dropped_meanwhile_is_not_stored(clock: Clock) -> None:
    memory = Memory(100_000, clock)
    memory.read("a", "one", 5)
    memory.drop("a")
    assert not memory.store("a", "one", b"old", fresh=60, life=60)
    assert memory.read("a", "two", 5).raw is None


def test_a_value_is_fresh_then_stale_then_gone(clock: Clock) -> None:
    memory = Memory(100_000, clock)
    memory.copy("a", b"x", fresh=10, life=30)
    assert memory.read("a", "one", 5).fresh == pytest.approx(10)
    clock.now += 20
    stale = memory.read("a", "one", 5)
    assert stale.raw == b"x"
    assert stale.fresh == pytest.approx(-10)
    clock.now += 11
    assert memory.read("a", "one", 5).raw is None


# -- the breaker -------------------------------------------------------------------------------------------------------


def test_after_a_failure_one_a_second_may_ask(clock: Clock) -> None:
    breaker = Breaker(clock)
    assert all(breaker.allows() for _ in range(10))
    breaker.failed(OSError())
    assert [breaker.allows() for _ in range(10)] == [False] * 10
    clock.now += 1.1
    assert [breaker.allows() for _ in range(10)] == [True] + [False] * 9
    breaker.failed(OSError())
    clock.now += 1.1
    assert breaker.allows()
    breaker.succeeded()
    assert all(breaker.allows() for _ in range(10))
    assert breaker.failures == 2


# -- replies that clients keep -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("declared", "for_somebody"),
    [
        ("public, max-age=30", "private, max-age=30"),
        ("Public, S-MaxAge=60, max-age=30", "private, max-age=30"),
        ("max-age=30", "private, max-age=30"),
        ("private, no-cache", "private, no-cache"),
        ("no-store", "no-store"),
        ("public", "private"),
    ],
)
def test_what_was_made_for_somebody_is_nobody_elses(declared: str, for_somebody: str) -> None:
    exchange = Exchange("GET", "/", "")
    token = current.set(exchange)
    try:
        assert conditional.control(declared) == declared
        exchange.subject = "ada"
        assert conditional.control(declared) == for_somebody.replace("S-MaxAge=60, ", "")
    finally:
        current.reset(token)


@pytest.mark.parametrize(
    ("given", "said"),
    [(None, "Authorization"), ("Cookie", "Cookie, Authorization"), ("authorization", "authorization"), ("*", "*")],
)
def test_a_reply_differs_by_who_asks(given: str | None, said: str) -> None:
    assert conditional.vary(given) == said


@pytest.mark.parametrize("cache", ["privat", "max-age", "max-age=-1", "private;max-age=3", "private\r\nx: y", " "])
def test_what_is_no_cache_control_is_refused(cache: str) -> None:
    with pytest.raises(ValueError, match="is no Cache-Control"):
        routes.declare(cache=cache)


def test_what_needs_a_scope_is_not_declared_public() -> None:
    with pytest.raises(ValueError, match="not public"):
        routes.declare(scope="orders:read", cache="public, max-age=30")
