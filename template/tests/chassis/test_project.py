"""README.md, AGENTS.md and docs/ are true: the commands, files, variables and imports they name are there."""

import ast
import os
import re
import subprocess
from collections.abc import Iterator
from functools import cache
from importlib import import_module
from pathlib import Path

import pytest

from app.chassis import about, server, settings
from app.chassis.parts import PARTS

ROOT = Path(__file__).parents[2]
# The pages of docs/ that README.md links to; others are yours.
LINKED = re.findall(r"\]\((docs/[\w.-]+)\)", (ROOT / "README.md").read_text(encoding="utf-8"))
PAGES = ["README.md", "AGENTS.md", *LINKED]
# What comes into being later, and what is yours to delete.
NOT_YET = {".env", ".venv", "uv.lock", "dev.db", "schemathesis.toml"}
YOURS = (
    "app/features/",
    "tests/features/",
    "tests/conftest.py/",
    "migrations/versions/",
    "local.mk/",
    "AGENTS.local.md/",
)
OF_A_FEATURE = {
    *("api.py", "events.py", "consumers.py", "jobs.py", "schemas.py", "service.py", "rules.py", "models.py"),
    *("utils.py", "helpers.py"),
}
# Named in the pages, read by others: make, continuous integration, Django.
OTHERS = {
    *("ARGS", "INSTALLED_APPS", "SASL_PLAINTEXT", "SASL_SSL", "SCHEMATHESIS_EXAMPLES", "SSL_CERT_FILE"),
    *("TEMPLATE_UPDATE_TOKEN", "UV"),
}
AGENTS_LINES = 120

Page = pytest.mark.parametrize("page", PAGES)


@Page
def test_every_command_is_there(page: str) -> None:
    targets = {target for line in commands(page) for target in make_targets(line)}
    for target in sorted(targets):
        dry = subprocess.run(
            ["make", "--dry-run", "--no-print-directory", target, "m=notes"],
            cwd=ROOT,
            capture_output=True,
            text=True,
            check=False,
            env={**os.environ, "UV": "true"},
        )
        assert dry.returncode == 0, f"{page}: make {target}: {dry.stderr}"


@Page
def test_every_file_is_there(page: str) -> None:
    missing = [path for path in named_paths(page) if not there(path)]
    assert not missing, f"{page} names files that are not there: {missing}"


@Page
def test_every_variable_is_read(page: str) -> None:
    text = "\n".join([*spans(page), *(text for _, text in fences(page))])
    # A word alone, such as GET, may be anything: a variable has an underscore or a value.
    named = set(re.findall(r"\b(?:[A-Z][A-Z0-9]*(?:_[A-Z0-9]+)+\b|[A-Z]+(?==))", text))
    unknown = sorted(name for name in named - variables() - OTHERS if not read_by_the_chassis(name))
    assert not unknown, f"{page} names variables that nobody reads: {unknown}"


@Page
def test_every_import_works(page: str) -> None:
    for language, text in fences(page):
        for node in ast.walk(ast.parse(text)) if language == "python" else ():
            if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("app."):
                module = import_module(node.module or "")
                assert all(hasattr(module, alias.name) for alias in node.names), f"{page}: {ast.unparse(node)}"


def test_every_metric_is_collected() -> None:
    named = re.findall(r"^\| `(\w+)`", text_of("docs/metrics.md"), re.MULTILINE)
    assert named
    for name in named:
        # The exposition adds these to what the code says.
        family = name.removesuffix("_info").removesuffix("_total")
        assert any(f'"{family}"' in source for source in sources()), f"docs/metrics.md: {name}"


def test_agents_md_fits_into_a_head() -> None:
    assert len((ROOT / "AGENTS.md").read_text(encoding="utf-8").splitlines()) <= AGENTS_LINES


# -- .env.example ------------------------------------------------------------------------------------------------------


def test_env_example_lists_every_variable_of_the_chassis() -> None:
    missing = sorted(variables() - env_example().keys())
    assert not missing, f".env.example lacks {missing}: add them to the facts of their capability"


def test_env_example_lists_no_variable_that_nobody_reads() -> None:
    dead = sorted(name for name in env_example().keys() - variables() if not read_by_the_chassis(name))
    assert not dead, f".env.example lists variables that nobody reads: {dead}"


def test_env_example_is_a_valid_env_file(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in env_example():
        monkeypatch.delenv(name, raising=False)
    for kind in kinds():
        kind(_env_file=ROOT / ".env.example")


def test_readme_lists_the_same_variables() -> None:
    rows = re.findall(r"^\| `([A-Z][A-Z0-9_]+)` \|", text_of("README.md"), re.MULTILINE)
    assert rows == list(env_example())


def test_defaults_are_what_the_help_says() -> None:
    """`; 30 by default` in the table of README.md is the default of the field."""
    fields = {name.upper(): field for kind in kinds() for name, field in kind.model_fields.items()}
    said = re.findall(r"^\| `(\w+)` \|.*?; (\S+) by default \|$", text_of("README.md"), re.MULTILINE)
    wrong = [
        f"{name}: {value}" for name, value in said if name in fields and value not in spellings(fields[name].default)
    ]
    assert said
    assert not wrong


def spellings(default: object) -> set[str]:
    if isinstance(default, float):
        return {f"{default:g}"}
    return {str(default).lower(), "none"} if default in {None, ()} else {str(default), str(default).lower()}


# -- what the pages say ------------------------------------------------------------------------------------------------


@cache
def text_of(page: str) -> str:
    """Without the description, which is anybody's prose."""
    return (ROOT / page).read_text(encoding="utf-8").replace(about.DESCRIPTION, "")


def fences(page: str) -> list[tuple[str, str]]:
    """(language, text) of every fenced block."""
    return re.findall(r"^```(\w*)\n(.*?)^```$", text_of(page), re.MULTILINE | re.DOTALL)


def spans(page: str) -> list[str]:
    """What stands between single backticks, outside the fenced blocks."""
    prose = re.sub(r"^```.*?^```$", "", text_of(page), flags=re.MULTILINE | re.DOTALL)
    return re.findall(r"`([^`\n]+)`", prose)


def commands(page: str) -> Iterator[str]:
    for language, text in fences(page):
        if language == "sh":
            yield from text.splitlines()
    yield from spans(page)


def make_targets(line: str) -> list[str]:
    """The targets of `make a b m="some text"  # comment`."""
    words = re.sub(r"\w+=(\"[^\"]*\"|\S*)", "", line.partition("#")[0]).split()
    return words[1:] if words[:1] == ["make"] else []


def named_paths(page: str) -> set[str]:
    links = set(re.findall(r"\]\((?!https?:)([^)#]+)", text_of(page)))
    words = {word.rstrip(",.:;") for span in spans(page) for word in span.split()}
    paths = {word for word in words if looks_like_path(word)}
    return {path.rstrip("/") for path in paths | links | set(tree(page))} - NOT_YET


def looks_like_path(word: str) -> bool:
    if "://" in word or word.startswith("/") or not re.fullmatch(r"[\w./-]+", word):
        return False
    return word.endswith((".py", ".md", ".toml", ".yml", ".yaml", ".mk", ".lock", ".example")) or (
        word.endswith("/") and word[:1].isalnum()
    )


def tree(page: str) -> Iterator[str]:
    """The paths of a drawn tree: names that are indented below their folder."""
    for language, text in fences(page):
        folder = ""
        for line in text.splitlines() if not language else ():
            name = line.split()[0]
            if not line.startswith(" "):
                folder = name if name.endswith("/") else ""
                yield name
            else:
                yield folder + name


def there(path: str) -> bool:
    """In the project; a bare `edge.py` is one of the chassis, and `api.py` one of a feature's."""
    if f"{path}/".startswith(YOURS) or path in OF_A_FEATURE:
        return True
    return any((ROOT / folder / path).exists() for folder in ("", "app", "app/chassis", "migrations", "docs"))


# -- what is there -----------------------------------------------------------------------------------------------------


def kinds() -> set[type[settings.BaseSettings]]:
    """Every class of settings that the chassis reads."""
    found = {getattr(module, "Settings", None) for module in (settings, server, *PARTS)}
    return {kind for kind in found if isinstance(kind, type) and issubclass(kind, settings.BaseSettings)}


def variables() -> set[str]:
    return {name.upper() for kind in kinds() for name in kind.model_fields}


def env_example() -> dict[str, str]:
    """Name -> example, commented ones included."""
    return dict(re.findall(r"^#?([A-Z][A-Z0-9_]*)=(.*)$", text_of(".env.example"), re.MULTILINE))


def read_by_the_chassis(name: str) -> bool:
    """Read without a settings class, straight from the environment."""
    return any(re.search(rf"environ(\.get\(|\[)\"{name}\"", source) for source in sources())


@cache
def sources() -> list[str]:
    return [path.read_text(encoding="utf-8") for path in (ROOT / "app/chassis").rglob("*.py")]
