"""The Jinja of extensions/, as units: no Copier, only its filters."""

import json
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from answers import ROOT, config, defaults, given
from jinja2 import FileSystemLoader, StrictUndefined
from jinja2.sandbox import SandboxedEnvironment

ANSWERS = given(defaults()) | {"project_name": "orders", "slug": "orders", "description": "Takes and tracks orders."}


def environment(root: Path = ROOT) -> SandboxedEnvironment:
    options = config()["_envops"] | {"undefined": StrictUndefined}
    extensions = ["jinja2_ansible_filters.AnsibleCoreFiltersExtension"]
    return SandboxedEnvironment(loader=FileSystemLoader(root), extensions=extensions, **options)


def plan(root: Path = ROOT, **given: Any) -> dict[str, Any]:
    return json.loads(environment(root).get_template("extensions/plan.json.jinja").render(ANSWERS | given))


def macro(name: str, *arguments: Any) -> str:
    return getattr(environment().get_template("extensions/macros.jinja").module, name)(*arguments).strip()


def test_no_module_of_the_standard_library_is_forgotten() -> None:
    listed = set(environment().get_template("extensions/macros.jinja").module.stdlib)
    public = {name.lower() for name in sys.stdlib_module_names if not name.startswith("_")}
    assert public <= listed, f"add to extensions/macros.jinja: {' '.join(sorted(public - listed))}"


@pytest.mark.parametrize("name", ["orders", "Order Intake", "order_intake.v2", "a", "o" * 40])
def test_a_good_name_passes(name: str) -> None:
    assert macro("check_project_name", name) == ""


@pytest.mark.parametrize("text", ["Takes orders.", 'It\'s "quoted" \\ {{ raw }} # not: a comment', "Übergabe von Aufträgen", "x" * 120])
def test_a_good_description_passes(text: str) -> None:
    assert macro("check_description", text) == ""


@pytest.mark.parametrize(
    ("package", "refused"), [("Pydantic_Settings>=2", True), ("pydantic-settings[yaml]>=2", True), ("pydantic>=2", False)]
)
def test_packages_are_compared_by_their_normal_name(package: str, refused: bool) -> None:
    assert bool(macro("check_packages", "pydantic-settings", [package])) is refused


def test_the_framework_stays() -> None:
    assert macro("check_framework", "django", {}) == ""
    assert macro("check_framework", "django", {"framework": "django"}) == ""
    assert "copy a new service with -d framework=django" in macro("check_framework", "django", {"framework": "fastapi"})


def test_the_plan_enables_what_the_answers_say() -> None:
    at = plan(framework="django", database="mysql", example=False, ci="none", resilience=[], auth="none")["at"]
    assert {name for name, path in at.items() if path} == {"django", "mysql"}
    assert set(at.values()) == {".", ""}


def test_the_plan_adds_up_what_enabled_capabilities_bring() -> None:
    fastapi, django = plan(framework="fastapi"), plan(framework="django")
    assert any(package.startswith("fastapi") for package in fastapi["packages"])
    assert not any(package.startswith("fastapi") for package in django["packages"])
    for made in (fastapi, django):
        assert made["packages"] == sorted(set(made["packages"]))
        assert len(made["parts"]) == len(set(made["parts"]))


def test_parts_come_in_the_order_of_their_positions(tmp_path: Path) -> None:
    made = plan(_template(tmp_path, cache="parts: {cache: 15}"))
    assert made["parts"] == ["logging", "cache", "metrics"]


def test_a_new_capability_is_its_folder_and_its_line(tmp_path: Path) -> None:
    made = plan(_template(tmp_path, cache='packages: ["redis>=8"]\nenv: {CACHE_URL: {example: null, help: Where}}\nseeds: [/app/cached/]'))
    assert made["at"] == {"cache": "."}
    assert made["packages"] == ["granian", "redis>=8"]
    assert made["env"]["CACHE_URL"]["help"] == "Where"
    assert made["seeds"] == {"cache": ["/app/cached/"]}


def _template(folder: Path, **facts: str) -> Path:
    (folder / "extensions").mkdir()
    for name in ("plan.json.jinja", "macros.jinja"):
        (folder / "extensions" / name).write_text((ROOT / "extensions" / name).read_text())
    lines = [f"!include template/{{{{ at.{name} }}}}/questions.yml" for name in facts]
    (folder / "copier.yml").write_text("# {% raw %}\n---\n" + "\n---\n".join(lines) + "\n# {% endraw %}\n")
    (folder / "template").mkdir()
    (folder / "template/facts.yml").write_text('packages: ["granian"]\nparts: {metrics: 30, logging: 10}\n')
    for name, text in facts.items():
        (folder / f"template/{{{{ at.{name} }}}}").mkdir()
        (folder / f"template/{{{{ at.{name} }}}}/facts.yml").write_text(f"enabled: true\n{text}\n")
    return folder


def exclusions(operation: str, before: dict[str, Any] | None = None, **given: Any) -> list[str]:
    context = ANSWERS | given | {"_copier_operation": operation, "plan": plan(**given)} | ({"before": before} if before else {})
    return [line for line in environment().get_template("extensions/exclude.jinja").render(context).splitlines() if line.strip()]


def test_seeds_are_planted_by_a_copy_and_left_alone_by_an_update() -> None:
    seeds = set(config()["_skip_if_exists"])
    assert not seeds & set(exclusions("copy"))
    assert seeds <= set(exclusions("update"))


def test_an_update_that_switches_the_example_on_plants_it() -> None:
    planted = "!/app/features/orders/"
    assert planted in exclusions("update", {"capabilities": ["fastapi", "sqlite"]})
    assert planted not in exclusions("update", {"capabilities": ["fastapi", "sqlite", "example"]})
    assert planted not in exclusions("update", {"capabilities": ["fastapi", "sqlite"]}, example=False)
    assert planted not in exclusions("update")


def test_facts_are_yaml_under_every_answer() -> None:
    for framework in ("fastapi", "django"):
        for example in (True, False):
            for path in ROOT.glob("template/**/facts.yml"):
                text = (
                    environment()
                    .get_template(path.relative_to(ROOT).as_posix())
                    .render(ANSWERS | {"framework": framework, "example": example})
                )
                facts = yaml.safe_load(text)
                unknown = set(facts) - {
                    "enabled",
                    "packages",
                    "dev_packages",
                    "env",
                    "parts",
                    "services",
                    "docs",
                    "processes",
                    "commands",
                    "seeds",
                    "switched_on",
                }
                assert not unknown, f"{path}: extensions/plan.json.jinja does not read {unknown}"
                for name, variable in facts.get("env", {}).items():
                    assert set(variable) >= {"example", "help"}, f"{path}: {name} needs an example (null: commented out) and a help"
