"""Which events this service knows, and what it does with them: declared by its features, found by their files."""

import inspect
import re
from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any, Final, TypeVar

from pydantic import BaseModel, ValidationError

FEATURES: Final = Path(__file__).parents[2] / "features"
TYPE: Final = re.compile(r"[a-z][a-z0-9_]*(\.[a-z][a-z0-9_]*)+")
LONGEST_TYPE: Final = 100

Payload = TypeVar("Payload", bound=type[BaseModel])
Function = TypeVar("Function", bound=Callable[..., Any])
Data = dict[str, Any]


class Unusable(Exception):
    """The payload is of a version that this service does not know, or not what its version promises."""


@dataclass(frozen=True, slots=True)
class Event:
    """`name` is the type of its CloudEvents."""

    name: str
    version: int
    model: type[BaseModel]
    sent: bool = True


@dataclass(frozen=True, slots=True)
class Handler:
    """`name` is what the inbox knows it by: a function that moves to another place handles everything anew.

    `together` says that events which wait for it may share a transaction.
    """

    name: str
    event: Event
    call: Callable[..., Any]
    together: bool = False


_events: dict[str, Event] = {}
_by_model: dict[type[BaseModel], Event] = {}
_handlers: dict[str, dict[str, Handler]] = {}
_upcasts: dict[tuple[str, int], Callable[[Data], Data]] = {}


# -- what features say -------------------------------------------------------------------------------------------------


def event(kind: str, *, version: int, sent: bool = True) -> Callable[[Payload], Payload]:
    """`@event("orders.placed", version=1)` above a model: what its events carry. Raises ValueError.

    With `sent=False` it is another service's, and handled here alone.
    """
    if TYPE.fullmatch(kind) is None or len(kind) > LONGEST_TYPE:
        raise ValueError(f"{kind!r} is no type of an event: lower-case words with a dot between them, orders.placed")

    def declare(model: Payload) -> Payload:
        known = _events.get(kind)
        if known is not None and known.model.__qualname__ != model.__qualname__:
            raise ValueError(f"{kind} is {known.model.__name__} already: one class for each type of event")
        _events[kind] = _by_model[model] = Event(kind, version, model, sent)
        return model

    return declare


def handles(model: type[BaseModel], *, together: bool = False) -> Callable[[Function], Function]:
    """`@handles(OrderPlaced)` above a function: it is called once for each of them, in a transaction of its own.

    With `together=True` those that wait share one: docs/events.md says for which functions.
    """
    handled = of(model)

    def declare(function: Function) -> Function:
        name = f"{function.__module__.removeprefix('app.features.')}.{function.__name__}"
        _handlers.setdefault(handled.name, {})[name] = Handler(name, handled, function, together)
        return function

    return declare


def upcast(model: type[BaseModel], *, from_version: int) -> Callable[[Function], Function]:
    """`@upcast(OrderPlaced, from_version=1)` above what makes the data of version 2 of a dictionary of version 1."""
    kind = of(model).name

    def declare(function: Function) -> Function:
        _upcasts[kind, from_version] = function
        return function

    return declare


# -- what there is -----------------------------------------------------------------------------------------------------


def discover() -> None:
    """Import what declares events and handlers: app/features/*/events.py and consumers.py."""
    for name in ("events", "consumers"):
        for path in sorted(FEATURES.glob(f"*/{name}.py")):
            import_module(f"app.features.{path.parent.name}.{name}")


def of(model: type[BaseModel]) -> Event:
    """Raises TypeError for a class that is no event."""
    try:
        return _by_model[model]
    except KeyError:
        raise TypeError(f'{model.__name__} is no event: put @event("...", version=1) above it') from None


def events() -> list[Event]:
    return sorted(_events.values(), key=lambda one: one.name)


def handlers(kind: str) -> list[Handler]:
    return list(_handlers.get(kind, {}).values())


def handled() -> list[str]:
    """The types of the events that somebody handles."""
    return sorted(_handlers)


def handler(name: str) -> Handler | None:
    return next((found[name] for found in _handlers.values() if name in found), None)


def read(event: Event, version: int, data: Any) -> BaseModel:
    """The payload, brought to the present version. Raises Unusable."""
    for step in range(version, event.version):
        if (event.name, step) not in _upcasts:
            raise Unusable(f"{event.name} has version {version}, and nobody makes version {step + 1} of {step}")
        data = _upcasts[event.name, step](data)
    if version > event.version:
        raise Unusable(f"{event.name} has version {version}, this service knows {event.version}")
    try:
        return event.model.model_validate(data)
    except ValidationError as error:
        # Without the values: they are somebody's data.
        found = error.errors(include_input=False, include_context=False)
        wrong = "; ".join(f"{'.'.join(map(str, one['loc']))}: {one['msg']}" for one in found)
        raise Unusable(f"{event.name} version {version} is not what it promises: {wrong}") from None


def check(*, asynchronous: bool) -> None:
    """Raises TypeError for a handler of the wrong kind: they are coroutines under FastAPI, and none under Django."""
    for one in (one for found in _handlers.values() for one in found.values()):
        if inspect.iscoroutinefunction(one.call) != asynchronous:
            raise TypeError(f"{one.name} has to be {'an async def' if asynchronous else 'a plain def'}")
