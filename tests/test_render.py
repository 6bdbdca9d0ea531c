"""What the answers render to: deterministic, clean, complete, and nothing of an answer that was not chosen."""

import json
import re
import subprocess
import tomllib
from itertools import combinations, product
from pathlib import Path
from typing import Any

import answers
import pytest
import template as slipway
import tree
import yaml
from answers import ROOT
from jinja2 import meta
from test_extensions import ANSWERS, environment

# In `make test-quick` every pair meets; each answer alone takes as long again.
PAIRS = answers.every_pair()
ALONE = [row for row in answers.one_at_a_time() if row not in PAIRS]
ROWS = [*PAIRS, *ALONE]
NEVER_RUN = ROOT / "tests/pairs_never_run.txt"


@pytest.fixture(scope="session", params=[*PAIRS, *(pytest.param(row, marks=pytest.mark.slow) for row in ALONE)], ids=answers.label)
def row(request: pytest.FixtureRequest) -> dict[str, Any]:
    return request.param


@pytest.fixture(scope="session")
def service(template: Path, row: dict[str, Any], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One render per row, for the tests that only look at it."""
    return slipway.render(template, tmp_path_factory.mktemp("render") / "svc", row)


def enabled(service: Path) -> set[str]:
    return set(yaml.safe_load((service / ".copier-answers.yml").read_text())["before"]["capabilities"])


def test_an_answer_enables_the_capability_of_its_name_and_no_other(service: Path, row: dict[str, Any]) -> None:
    folders = {path.name[6:-3] for path in (ROOT / "template").glob("{{ at.* }}")}
    for name, listed in answers.choices().items():
        if listed == [True, False]:
            assert (name.rpartition(".")[2] in enabled(service)) is row[name]
            continue
        # What carries jobs is a folder of its own: `jobs_nats` for `jobs_broker=nats`, as `nats` is that of `events=nats`.
        before = name.removesuffix("broker") if name.endswith("_broker") else ""
        named = {f"{before}{value}" for value in listed} & folders
        assert enabled(service) & named == {f"{before}{row[name]}"} & folders


def test_it_has_the_files_of_its_answers_and_no_other(service: Path) -> None:
    expected = {source.path for source in tree.sources() if source.belongs_to(enabled(service))}
    assert set(slipway.files(service)) == expected


def test_no_jinja_is_left(service: Path) -> None:
    for path, content in slipway.files(service).items():
        text = re.sub(rb"\$\{\{.*?\}\}", b"", content)  # GitHub's expressions look alike
        assert b"{%" not in text, path
        assert b"{{" not in text or path.endswith((".html", ".py", "justfile")), path
        assert b"at." not in path.encode().split(b"/")[0], path


def test_every_file_of_data_parses(service: Path) -> None:
    readers = {".toml": tomllib.loads, ".json": json.loads, ".yml": _load_yaml, ".yaml": _load_yaml}
    for path, content in slipway.files(service).items():
        if reader := readers.get(Path(path).suffix):
            assert reader(content.decode()) is not None, path
        assert content == b"" or content.endswith(b"\n"), f"{path} ends without a newline"
        assert b"\r" not in content, path


def _load_yaml(text: str) -> Any:
    return list(yaml.load_all(text, Loader=_LenientLoader))


class _LenientLoader(yaml.SafeLoader):
    """Accepts GitLab's own tags."""


_LenientLoader.add_multi_constructor("!", lambda _loader, _suffix, node: node.value)


def test_python_is_linted_and_formatted(service: Path) -> None:
    for command in (["ruff", "check", "--no-cache", "."], ["ruff", "format", "--no-cache", "--check", "."]):
        done = subprocess.run(command, cwd=service, check=False, text=True, capture_output=True)
        assert done.returncode == 0, done.stdout + done.stderr


def test_the_licence_is_the_one_chosen(service: Path, row: dict[str, Any]) -> None:
    text = (service / "LICENSE").read_text()
    first = {"mit": "MIT License", "apache-2.0": "Apache License", "proprietary": "All rights reserved"}
    assert first[row["license"]].lower() in text.lower()


def test_the_oldest_python_is_the_one_chosen(service: Path, row: dict[str, Any]) -> None:
    project = tomllib.loads((service / "pyproject.toml").read_text())["project"]
    assert project["requires-python"] == f">={row['python_version']}"


def test_packages_are_the_plan_s(service: Path, row: dict[str, Any]) -> None:
    """The user's list starts empty; the template's are in groups of their own."""
    settings = tomllib.loads((service / "pyproject.toml").read_text())
    plan = json.loads(environment().get_template("extensions/plan.json.jinja").render(ANSWERS | answers.given(row)))
    assert settings["project"]["dependencies"] == []
    assert settings["dependency-groups"]["chassis"] == plan["packages"]
    assert [package for package in settings["dependency-groups"]["dev"] if isinstance(package, str)] == plan["dev_packages"]


def test_variables_are_the_plan_s(service: Path, row: dict[str, Any]) -> None:
    plan = json.loads(environment().get_template("extensions/plan.json.jinja").render(ANSWERS | answers.given(row)))
    documented = set(re.findall(r"^#? ?([A-Z][A-Z0-9_]+)=", (service / ".env.example").read_text(), re.MULTILINE))
    assert documented == set(plan["env"])


@pytest.mark.slow
@pytest.mark.parametrize("row", PAIRS, indirect=True, ids=answers.label)
def test_the_same_answers_render_the_same_bytes(template: Path, tmp_path: Path, service: Path, row: dict[str, Any]) -> None:
    assert slipway.files(slipway.render(template, tmp_path / "svc", row)) == slipway.files(service)


DESCRIPTIONS = ['It\'s "quoted" \\ back & <b>', "Übergabe: # {{ braces }} {% percent %} $HOME `tick` |", "'''\"\"\" end\\"]


@pytest.mark.parametrize("framework", answers.choices()["framework"])
@pytest.mark.parametrize("description", DESCRIPTIONS, ids=["quotes", "marks", "ends"])
def test_any_description_survives(template: Path, tmp_path: Path, framework: str, description: str) -> None:
    """Whatever a person writes stays what they wrote in TOML, Python and YAML."""
    service = slipway.render(template, tmp_path / "svc", {"framework": framework, "description": description})
    assert tomllib.loads((service / "pyproject.toml").read_text())["project"]["description"] == description
    scope: dict[str, Any] = {}
    exec(compile((service / "app/chassis/about.py").read_text(), "about.py", "exec"), scope)  # noqa: S102 - our own file
    assert scope["DESCRIPTION"] == description
    test_every_file_of_data_parses(service)
    test_python_is_linted_and_formatted(service)


def test_no_two_enabled_folders_write_one_path() -> None:
    for one, other in combinations(tree.sources(), 2):
        if one.path == other.path and one.source != other.source:
            answers_to_both = _answers_that_enable(one.capabilities | other.capabilities)
            assert answers_to_both is None, f"{one.source} and {other.source} are both rendered with {answers_to_both}"


def _answers_that_enable(capabilities: frozenset[str]) -> dict[str, Any] | None:
    """The first set of answers that enables all of `capabilities` at once, if there is one."""
    jinja = environment()
    facts = {name: (ROOT / f"template/{{{{ at.{name} }}}}/facts.yml").read_text() for name in sorted(capabilities)}
    switches = {name: next(line for line in text.splitlines() if line.startswith("enabled:")) for name, text in facts.items()}
    offered = answers.choices() | {name: [answers.values(one)] for name, one in answers.questions().items() if one.get("multiselect")}
    # What is no question yet has a default where it is read.
    asked = sorted(offered.keys() & set().union(*(meta.find_undeclared_variables(jinja.parse(line)) for line in switches.values())))
    for given in product(*(offered[name] for name in asked)):
        context = dict(zip(asked, given, strict=True))
        if all(yaml.safe_load(jinja.from_string(line).render(context))["enabled"] for line in switches.values()):
            return context
    return None


def test_the_search_for_collisions_finds_one() -> None:
    assert _answers_that_enable(frozenset({"fastapi", "django"})) is None
    assert _answers_that_enable(frozenset({"fastapi", "postgresql"})) == {"framework": "fastapi", "database": "postgresql"}


def test_every_capability_is_a_folder_and_a_line() -> None:
    lines = re.findall(r"^!include template/\{\{ at\.(\w+) \}\}/questions\.yml$", (ROOT / "copier.yml").read_text(), re.MULTILINE)
    folders = [path.name[6:-3] for path in (ROOT / "template").glob("{{ at.* }}")]
    assert sorted(lines) == sorted(folders)
    for path in (ROOT / "template").rglob("{{ at.* }}"):
        assert path.name[6:-3] in lines, path


def test_every_pair_of_answers_is_rendered() -> None:
    assert answers.all_pairs() <= answers.met(ROWS)


@pytest.mark.parametrize("name", sorted(answers.NOT_AT_RUN_TIME))
def test_an_answer_that_runs_in_no_pair_changes_no_code(template: Path, tmp_path: Path, name: str) -> None:
    rendered = []
    for value in answers.choices()[name]:
        files = slipway.files(slipway.render(template, tmp_path / value / "svc", answers.defaults() | {name: value}))
        rendered.append({path: content for path, content in files.items() if path.endswith((".py", ".toml"))})
    assert all(one == rendered[0] for one in rendered)


def test_the_pairs_that_never_run_do_not_grow() -> None:
    """Rows of test_live.py run; a pair they miss is listed, so that a new question does not quietly stay unproven."""
    from test_live import ROWS as LIVE  # noqa: PLC0415 - only this test needs it

    run = answers.met([*LIVE, *answers.apart()])
    never = {answers.sorted_pair(pair) for pair in answers.all_pairs(answers.at_run_time()) - run}
    listed = set(NEVER_RUN.read_text().splitlines()) if NEVER_RUN.exists() else set()
    assert never <= listed, f"no row of tests/test_live.py runs {sorted(never - listed)}"
    assert listed <= never, f"remove from {NEVER_RUN}, for they run now: {sorted(listed - never)}"
