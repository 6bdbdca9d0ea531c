"""What a job is: a function in a feature's jobs.py, declared with `@job`."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from hashlib import sha256
from importlib import import_module
from inspect import Parameter, iscoroutinefunction, signature
from pathlib import Path
from string import Formatter
from typing import Any, Final, TypeVar, get_type_hints

from pydantic import BaseModel, ConfigDict, ValidationError, create_model

from app.chassis import about

Function = TypeVar("Function", bound=Callable[..., Any])
FEATURES: Final = Path(__file__).parents[2] / "features"
DECLARED: Final = "__job__"
ASYNC: Final = about.FRAMEWORK == "fastapi"
MODULES: Final[list[str]] = []
"""Modules with jobs beside those of the features; for tests."""


class GiveUp(Exception):
    """Raise it in a job that trying again would not cure: it is dead at once, until somebody replays it."""


@dataclass(frozen=True, slots=True)
class Job:
    """What `@job` says; `arguments` validates what is enqueued, and again what is run."""

    name: str
    function: Callable[..., Any]
    arguments: type[BaseModel]
    queue: str
    retries: int
    timeout: float
    backoff: float
    unique: str
    schedule: str

    def write(self, arguments: Mapping[str, Any]) -> str:
        """As JSON. Raises ValidationError for what the function does not take."""
        return self.arguments.model_validate(arguments).model_dump_json()

    def read(self, text: str) -> dict[str, Any]:
        try:
            read = self.arguments.model_validate_json(text)
        except ValidationError as error:
            raise GiveUp(
                f"what was enqueued does not fit the function any more: {error.errors(include_input=False)}; "
                "let the function take it, then replay the job"
            ) from None
        return {name: getattr(read, name) for name in self.arguments.model_fields}

    def key(self, arguments: str) -> str | None:
        """One key, one waiting job; a digest is short, and no collation takes two for the same."""
        if not self.unique:
            return None
        return sha256(f"{self.name} {self.unique.format(**self.read(arguments))}".encode()).hexdigest()


def job(  # noqa: PLR0913 - each has a default
    *,
    name: str = "",
    queue: str = "default",
    retries: int = 5,
    timeout: float = 30.0,
    backoff: float = 2.0,
    unique: str = "",
    schedule: str = "",
) -> Callable[[Function], Function]:
    """Say it above a function in a feature's jobs.py; what stands behind its `*` is what `enqueue` takes.

    `name`: by default that of feature and function. `queue`: whose figures it counts into. `retries`: how many attempts
    may follow the first, the n-th of them after about `backoff` * 2^n seconds. `timeout`: seconds that an attempt may
    take. `unique`: such as "{order_id}"; while one with this key waits, another one is that one. `schedule`: as cron
    says it, in UTC, for a function that takes nothing.
    """

    def mark(function: Function) -> Function:
        setattr(function, DECLARED, (name, queue, retries, timeout, backoff, unique, schedule))
        return function

    return mark


@cache
def declaration(function: Callable[..., Any]) -> Job:
    """What a function says of itself. Raises ValueError, with the cure, for one that cannot be a job."""
    where = f"{function.__module__}.{function.__qualname__}"
    given = getattr(function, DECLARED, None)
    if given is None:
        raise ValueError(f"{where} is no job: put @job() from app.chassis.jobs right above its def")
    name, queue, retries, timeout, backoff, unique, schedule = given
    made = Job(
        name or default_name(function), function, model(function), queue, retries, timeout, backoff, unique, schedule
    )
    for wrong in problems(made):
        raise ValueError(f"{where} {wrong}")
    return made


def default_name(function: Callable[..., Any]) -> str:
    """`orders.send_receipt` of app/features/orders/jobs.py."""
    feature = function.__module__.removesuffix(".jobs").rpartition(".")[2]
    return f"{feature}.{function.__name__}"


def model(function: Callable[..., Any]) -> type[BaseModel]:
    hints = get_type_hints(function, include_extras=True)
    fields: dict[str, Any] = {
        name: (hints.get(name, Any), ... if one.default is Parameter.empty else one.default)
        for name, one in signature(function).parameters.items()
        if one.kind is Parameter.KEYWORD_ONLY
    }
    return create_model(function.__name__, __config__=ConfigDict(extra="forbid"), **fields)


def problems(made: Job) -> list[str]:
    found = []
    before = [one for one in signature(made.function).parameters.values() if one.kind is not Parameter.KEYWORD_ONLY]
    if iscoroutinefunction(made.function) is not ASYNC or len(before) != ASYNC:
        form = "async def name(session: AsyncSession, *, order_id: UUID)" if ASYNC else "def name(*, order_id: UUID)"
        found.append(f"has another form than a job: write it as `{form}`")
    if made.retries < 0 or not made.timeout > 0 or not made.backoff > 0:
        found.append("needs retries of 0 or more, and more than 0 seconds for timeout and backoff")
    if len(made.name) > 128 or len(made.queue) > 64:
        found.append("has a name of more than 128 characters, or a queue of more than 64: say it shorter")
    unknown = {name for _, name, _, _ in Formatter().parse(made.unique) if name} - made.arguments.model_fields.keys()
    if unknown:
        found.append(f"has {', '.join(sorted(unknown))} in its unique key, which it does not take: name an argument")
    if made.schedule:
        found += schedule_problems(made)
    return found


def schedule_problems(made: Job) -> list[str]:
    from croniter import croniter  # noqa: PLC0415 - for those who have a schedule

    found = []
    if not croniter.is_valid(made.schedule):
        found.append(f'has the schedule {made.schedule!r}, which cron does not know: write it like "0 3 * * *"')
    if any(field.is_required() for field in made.arguments.model_fields.values()):
        found.append("is scheduled and wants arguments, which nobody would give: give each a default")
    return found


@cache
def known() -> dict[str, Job]:
    """Every job of every feature, by name. Raises ValueError."""
    features = [f"app.features.{path.parent.name}.jobs" for path in sorted(FEATURES.glob("*/jobs.py"))]
    found: dict[str, Job] = {}
    for module in map(import_module, [*features, *MODULES]):
        for function in vars(module).values():
            if hasattr(function, DECLARED) and function.__module__ == module.__name__:
                one = declaration(function)
                if one.name in found:
                    raise ValueError(f"two jobs are called {one.name}: give one of them another @job(name=...)")
                found[one.name] = one
    return found


def find(name: str) -> Job:
    one = known().get(name)
    if one is None:
        raise GiveUp(f"there is no job {name}: deploy the code that has it, then replay the job; or drop it")
    return one
