"""What is said of a function whose results are cached: how long they are good, for whom, and under which key."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from functools import cached_property
from hashlib import sha256
from inspect import Parameter, signature
from typing import Any, Final, get_type_hints

import orjson
from pydantic import TypeAdapter
from pydantic.errors import PydanticInvalidForJsonSchema

from app.chassis import about
from app.chassis.exchange import Exchange

GROUP: Final = re.compile(r"[a-z][a-z0-9_]{0,39}")
OWNER: Final = "owner"


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """Times are in seconds; `group` is the name that metrics and logs have for all of these values.

    `stale_while_revalidate` and `stale_if_error` are what RFC 5861 means by them. `missing` is for how long it is kept
    in mind that there is nothing. `lease` is what one load may take: then another one may begin. `shared` says
    that the value is the same whoever asks. `version` is for a change of meaning that the type does not show.
    """

    group: str
    ttl: float
    stale_while_revalidate: float = 0.0
    stale_if_error: float = 0.0
    missing: float = 0.0
    lease: float = 5.0
    shared: bool = False
    version: int = 1

    def __post_init__(self) -> None:
        if GROUP.fullmatch(self.group) is None:
            raise ValueError(f"{self.group!r} is no name for cached values: use a few small letters, like orders")
        times = (self.stale_while_revalidate, self.stale_if_error, self.missing)
        if not self.ttl > 0 or not self.lease > 0 or not all(one >= 0 for one in times):
            raise ValueError(f"{self.group}: ttl and lease are more than 0 seconds, and no other time is less")


class Cacheable:
    """A function and its terms; `first` is how many positional parameters are not for the caller to give."""

    def __init__(self, function: Callable[..., Any], terms: Terms, *, first: int) -> None:
        self.function = function
        self.terms = terms
        self.signature = signature(function)
        parameters = list(self.signature.parameters.values())
        self.names = [one.name for one in parameters[first:]]
        self.defaults = {one.name: one.default for one in parameters if one.default is not Parameter.empty}
        name = function.__name__
        if any(one.kind is not Parameter.KEYWORD_ONLY for one in parameters[first:]):
            raise TypeError(f"{name} is cached by its arguments, and they are given by name: write a * before them")
        if OWNER not in self.names and not terms.shared:
            raise TypeError(
                f"{name} has no parameter `owner`, and whoever asks first would answer for everybody: "
                "add it, or say cached(..., shared=True) if the value is the same for all"
            )

    @cached_property
    def adapter(self) -> TypeAdapter[Any]:
        """Made when it is first used: what the function returns may be defined below it."""
        hints = get_type_hints(self.function)
        if "return" not in hints:
            raise TypeError(f"{self.function.__name__} is cached and does not say what it returns: annotate it")
        return TypeAdapter(hints["return"])

    @cached_property
    def version(self) -> str:
        """Another one when the value's shape changes: nobody reads what another version of the service has stored."""
        try:
            shape = orjson.dumps(self.adapter.json_schema(mode="serialization"), option=orjson.OPT_SORT_KEYS)
        except PydanticInvalidForJsonSchema:
            shape = repr(self.adapter.core_schema).encode()
        return f"{self.terms.version}.{sha256(shape).hexdigest()[:12]}"

    def key(self, arguments: Mapping[str, Any]) -> str:
        """Every argument is part of it, hashed: callers' text makes it neither long nor dangerous. Raises TypeError."""
        given = self.defaults | dict(arguments)
        if given.keys() != set(self.names):
            raise TypeError(f"{self.function.__name__} is cached by {', '.join(self.names)}: give all of them")
        try:
            text = orjson.dumps(given, default=_plain, option=orjson.OPT_SORT_KEYS)
        except TypeError as error:
            raise TypeError(
                f"{self.function.__name__} is cached by its arguments, and one of them is no plain value ({error}): "
                "pass its id instead"
            ) from error
        return f"{about.NAME}:cache:{self.terms.group}:{sha256(text).hexdigest()}"

    def dumped(self, value: Any) -> bytes:
        """Raises TypeError for a value that is not what the function says."""
        try:
            return self.adapter.dump_json(value, warnings="error")
        except Exception as error:
            raise TypeError(
                f"{self.function.__name__} is cached and returned a {type(value).__name__} that cannot be stored as "
                f"what it is annotated with: return plain values or a Pydantic model, such as "
                f"schemas.Order.model_validate(order) ({error})"
            ) from error

    def loaded(self, body: bytes) -> Any:
        """Raises ValueError for what `dumped` never said."""
        return self.adapter.validate_json(body)


def _plain(value: object) -> str:
    if isinstance(value, Decimal):
        return str(value)
    raise TypeError(f"a {type(value).__name__}")


_claimed: dict[str, str] = {}


def claim(group: str, function: Callable[..., Any]) -> None:
    """Raises ValueError for a group that another function has: they would get each other's values."""
    name = f"{function.__module__}.{function.__qualname__}"
    if _claimed.setdefault(group, name) != name:
        raise ValueError(f"{_claimed[group]} is cached as {group} already: give {name} a group of its own")


def nobodys(exchange: Exchange | None) -> Exchange | None:
    """What stands for the request while a value is loaded that others will get, too.

    Its log lines and spans are those of the request that began it. It is nobody's, has no deadline, and nothing of the
    request can be asked for: what makes a difference to the value has to be one of the arguments.
    """
    if exchange is None:
        return None
    made = Exchange("GET", exchange.path, "")
    for name in ("request_id", "trace_id", "parent_id", "span_id", "trace_flags", "trace_state", "span"):
        setattr(made, name, getattr(exchange, name))
    return made
