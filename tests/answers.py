"""The questions of copier.yml, and the sets of answers that the tests build."""

from collections.abc import Collection
from functools import cache
from itertools import combinations, product
from pathlib import Path
from random import Random
from typing import Any

import yaml
from jinja2 import Environment, FileSystemLoader, StrictUndefined, Template, UndefinedError

ROOT = Path(__file__).parents[1]

Pair = frozenset[tuple[str, Any]]
Choices = dict[str, list[Any]]


def _include(loader: yaml.SafeLoader, node: yaml.ScalarNode) -> dict[str, Any]:
    path = ROOT / str(loader.construct_scalar(node))
    return yaml.safe_load(path.read_text()) if path.exists() else {}


class _Loader(yaml.SafeLoader):
    """Reads copier.yml with its `!include` lines."""


_Loader.add_constructor("!include", _include)


@cache
def config() -> dict[str, Any]:
    """Every section of copier.yml, put together."""
    merged: dict[str, Any] = {}
    for section in yaml.load_all((ROOT / "copier.yml").read_text(), Loader=_Loader):
        merged |= section or {}
    return merged


def questions() -> dict[str, dict[str, Any]]:
    """Questions a user can answer, by name."""
    return {name: details for name, details in config().items() if not name.startswith("_") and details.get("when") is not False}


def values(question: dict[str, Any]) -> list[Any]:
    """Every choice that a question offers; none for free text."""
    if question["type"] == "bool":
        return [True, False]
    choices = question.get("choices", [])
    listed = choices.values() if isinstance(choices, dict) else choices
    return [choice["value"] if isinstance(choice, dict) else choice for choice in listed]


def choices() -> Choices:
    """What each question may be answered with; each choice of one that takes several is a yes or no: `resilience.deadlines`."""
    found = {}
    for name, question in questions().items():
        if question.get("multiselect"):
            found |= {f"{name}.{value}": [True, False] for value in values(question)}
        elif values(question):
            found[name] = values(question)
    return found


def given(row: dict[str, Any]) -> dict[str, Any]:
    """The same answers as Copier takes them: a list for a question that takes several; what a row leaves open is the default."""
    plain = {name: value for name, value in row.items() if name not in choices() or name in questions()}
    for name in {name.partition(".")[0] for name in row.keys() - plain.keys()}:
        answered = defaults() | row
        plain[name] = [value for value in values(questions()[name]) if answered[f"{name}.{value}"]]
    return plain


@cache
def defaults() -> dict[str, Any]:
    """The answers of `--defaults` to the questions that offer a choice."""
    found = {}
    for name, question in questions().items():
        if question.get("multiselect"):
            found |= {f"{name}.{value}": value in _default(question, found) for value in values(question)}
        elif values(question):
            found[name] = _default(question, found)
    return found


def _default(question: dict[str, Any], before: dict[str, Any]) -> Any:
    """A capability's is an expression of the preset, and of the answers `before` it; `--defaults` takes the default preset."""
    if "{%" not in str(question["default"]) and "{{" not in str(question["default"]):
        return question["default"]
    return yaml.safe_load(_compiled(question["default"]).render(before | {"preset": config()["preset"]["default"]}))


@cache
def _compiled(text: str) -> Template:
    jinja = Environment(
        loader=FileSystemLoader(ROOT),
        extensions=["jinja2_ansible_filters.AnsibleCoreFiltersExtension"],
        undefined=StrictUndefined,
        autoescape=True,
    )
    return jinja.from_string(text)


# -- which answers go together -----------------------------------------------------------------------------------------


def possible(row: dict[str, Any]) -> bool:
    """Whether Copier takes these answers together: none is a choice whose own validator refuses it beside the others.

    An answer that the row leaves open refuses nothing.
    """
    return not any(_refused(validator, row) for name, value in row.items() for validator in _validators(name, value))


def _validators(name: str, value: Any) -> list[str]:
    """Those of the choices that this answer takes; in a row `resilience.deadlines` is a yes or no."""
    question, _, several = name.partition(".")
    chosen = several if several and value else value
    listed = questions()[question].get("choices", []) if question in questions() else []
    offered = [choice for choice in (listed.values() if isinstance(listed, dict) else listed) if isinstance(choice, dict)]
    return [choice["validator"] for choice in offered if choice["value"] == chosen and "validator" in choice]


def _refused(validator: str, row: dict[str, Any]) -> bool:
    try:
        return bool(_compiled(validator).render(row).strip())
    except UndefinedError:
        return False


def mended(row: dict[str, Any], kept: set[str]) -> dict[str, Any]:
    """The same row, or one that differs in one answer, none of those `kept`, and is possible."""
    others = ({name: value} for name, listed in choices().items() if name not in kept for value in listed)
    return next(row | change for change in ({}, *others) if possible(row | change))


def latest(offered: Choices) -> dict[str, Any]:
    """Of each question the last answer that is offered, as far as they are possible together."""
    rows = (dict(zip(offered, given, strict=True)) for given in product(*(listed[::-1] for listed in offered.values())))
    return next(row for row in rows if possible(row))


# -- sets of answers ---------------------------------------------------------------------------------------------------


def one_at_a_time() -> list[dict[str, Any]]:
    """The defaults with one other answer, under each framework."""
    rows = []
    for framework in choices()["framework"]:
        base = defaults() | {"framework": framework}
        rows.append(base)
        rows += [
            mended(base | {name: value}, {name, "framework"})
            for name, listed in choices().items()
            if name != "framework"
            for value in listed
            if value != base[name]
        ]
    return rows


def every_pair(
    rows: list[dict[str, Any]] | None = None, asked: Choices | None = None, but: Collection[frozenset[str]] = ()
) -> list[dict[str, Any]]:
    """`rows` and as few more as some greedy searches find, so that any two answers to two questions meet in some row.

    With `asked`, these answers to these questions; a row then has the others as evenly as they can be dealt out. Not with
    `but`: pairs of questions whose answers need not meet.
    """
    asked = asked or choices()
    wanted = {pair for pair in all_pairs(asked) if frozenset(name for name, _ in pair) not in but}
    found = min((_search(list(rows or []), wanted, asked, Random(seed)) for seed in range(8)), key=len)  # noqa: S311 - no secret
    for number, row in enumerate(found[len(rows or []) :]):
        for name, listed in choices().items():
            if name not in asked:
                able = [value for value in listed if possible(row | {name: value})]
                row[name] = able[number % len(able)]
    return [{name: row[name] for name in choices()} for row in found]


def _search(rows: list[dict[str, Any]], wanted: set[Pair], asked: Choices, chance: Random) -> list[dict[str, Any]]:
    missing = wanted - met(rows)
    while missing:
        row = _fill(dict(chance.choice(sorted(missing, key=sorted_pair))), missing, asked, chance)
        if row is not None:
            rows.append(row)
            missing -= pairs(row)
    return rows


def _fill(row: dict[str, Any], missing: set[Pair], asked: Choices, chance: Random) -> dict[str, Any] | None:
    """Answers the other questions of a row so that most missing pairs meet in it; None where that came to no end."""
    for name in chance.sample(sorted(asked.keys() - row.keys()), k=len(asked) - len(row)):
        able = [value for value in asked[name] if possible(row | {name: value})]
        if not able:
            return None
        met_with = [sum(frozenset(((name, value), other)) in missing for other in row.items()) for value in able]
        row[name] = max(zip(met_with, chance.sample(range(len(met_with)), k=len(met_with)), able, strict=True))[2]
    return row


# They change files that no process of a service reads, or are only a name for other answers: meeting in a render is enough.
NOT_AT_RUN_TIME = {"ci", "license", "preset"}


# Nothing of the one reads which answer the other has: that the features work with both is enough, and no whole suite for each pair.
APART = {frozenset(pair) for pair in combinations(("auth", "cache", "events", "jobs", "jobs_broker"), 2)}


def at_run_time() -> Choices:
    return {name: listed for name, listed in choices().items() if name not in NOT_AT_RUN_TIME}


@cache
def pairwise() -> list[dict[str, Any]]:
    """The defaults in every framework, and what it takes beside them until every pair that matters at run time has met.

    All but the pairs with the newest Python meet without it, too: few machines have it. Those of APART may not meet.
    """
    *older, _ = choices()["python_version"]
    bases = [defaults() | {"framework": framework} for framework in choices()["framework"]]
    return every_pair(every_pair(bases, at_run_time() | {"python_version": older}, APART), at_run_time(), APART)


def apart() -> list[dict[str, Any]]:
    """As few rows as a greedy search finds in which the pairs of APART meet that `pairwise` leaves out.

    All of them have features whose tests can be run.
    """
    *older, _ = choices()["python_version"]
    asked = at_run_time() | {"python_version": older, "example": [True]}
    rows = _search([], all_pairs(asked) - met(pairwise()), asked, Random(0))  # noqa: S311 - no secret
    return [defaults() | row for row in rows]


def meeting(*questions: tuple[str, str], asked: Choices) -> list[dict[str, Any]]:
    """As few rows as greedy searches find in which the answers of `asked` to each two of these questions meet, and defaults beside them."""
    wanted = {pair for pair in all_pairs(asked) if tuple(sorted(name for name, _ in pair)) in {tuple(sorted(two)) for two in questions}}
    rows = min((_search([], wanted, asked, Random(seed)) for seed in range(8)), key=len)  # noqa: S311 - no secret
    return [defaults() | row for row in rows]


def pairs(row: dict[str, Any]) -> set[Pair]:
    return {frozenset(pair) for pair in combinations(((name, row[name]) for name in row if name in choices()), 2)}


def met(rows: list[dict[str, Any]]) -> set[Pair]:
    return set().union(*(pairs(row) for row in rows))


def all_pairs(asked: Choices | None = None) -> set[Pair]:
    """Those that are possible."""
    return {
        frozenset(pair)
        for (one, listed), (other, others) in combinations((asked or choices()).items(), 2)
        for pair in product(((one, value) for value in listed), ((other, value) for value in others))
        if possible(dict(pair))
    }


def sorted_pair(pair: Pair) -> str:
    return " with ".join(sorted(f"{name}={value}" for name, value in pair))


def label(row: dict[str, Any]) -> str:
    """What a row has that the defaults have not, for a test's name."""
    base = defaults()
    differing = [f"{name}={value}" for name, value in row.items() if name != "framework" and value != base.get(name)]
    return ",".join([row.get("framework", base["framework"]), *differing])
