"""What the template asks: defaults, derived names, refusals with their cure, prompts."""

import os
import re
import subprocess
import sys
from pathlib import Path
from shutil import copytree, ignore_patterns
from typing import Any

import answers
import copier
import pexpect
import pytest
import template as slipway
import yaml

COPIER = [sys.executable, "-m", "copier"]
MOST_PROMPTS = 8
# What the standard preset takes of resilience.
STANDARD = ["deadlines", "rate_limiting", "idempotency", "outbound"]


def recorded(service: Path) -> dict[str, Any]:
    return yaml.safe_load((service / ".copier-answers.yml").read_text())


@pytest.fixture(scope="session")
def plain_template(template: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The template without git, which Copier reads where it lies: no clone for each refusal."""
    folder = tmp_path_factory.mktemp("plain") / "slipway"
    return Path(copytree(template, folder, ignore=ignore_patterns(".git")))


def ask(template: Path, folder: Path, **given: Any) -> dict[str, Any]:
    """Answers the questions without writing anything, and returns every answer."""
    worker = copier.run_copy(
        str(template), folder, data=given, vcs_ref=slipway.NEXT, defaults=True, quiet=True, pretend=True, exclude=["*"]
    )
    return dict(worker.answers.combined)


def test_the_defaults_are_recorded_and_nothing_else(template: Path, tmp_path: Path) -> None:
    service = slipway.render(template, tmp_path / "orders")
    assert {name: value for name, value in recorded(service).items() if not name.startswith("_")} == {
        "project_name": "orders",
        "slug": "orders",
        "description": "Takes and tracks orders.",
        "before": {
            "framework": "fastapi",
            "preset": "standard",
            "capabilities": sorted(["example", "fastapi", "github", "sqlite", *STANDARD]),
        },
        **answers.given(answers.defaults()),
    }


@pytest.mark.parametrize(
    ("project_name", "slug"),
    [
        ("orders", "orders"),
        ("Order Intake", "order-intake"),
        ("order_intake", "order-intake"),
        ("My.Service v2", "my-service-v2"),
        ("a", "a"),
    ],
)
def test_the_slug_is_derived_from_the_name(plain_template: Path, tmp_path: Path, project_name: str, slug: str) -> None:
    assert ask(plain_template, tmp_path / "svc", project_name=project_name)["slug"] == slug


REFUSALS = [
    ("project_name", "", "needs a name"),
    ("project_name", "   ", "needs a name"),
    ("project_name", "Übergabe", "spell it with a-z"),
    ("project_name", "注文", "spell it with a-z"),
    ("project_name", "-orders", "start with a letter"),
    ("project_name", "orders-", "end with a letter or digit"),
    ("project_name", "7orders", "start with a letter"),
    ("project_name", "orders/api", "use only letters, digits"),
    ("project_name", 'or"ders', "use only letters, digits"),
    ("project_name", "orders\n", "use only letters, digits"),
    ("project_name", "{{ orders }}", "use only letters, digits"),
    ("project_name", "order " * 12 + "s", "keep it to 40 or fewer"),
    ("project_name", "json", 'add a word, like "json-service"'),
    ("project_name", "Concurrent", 'add a word, like "concurrent-service"'),
    ("project_name", "cProfile", 'add a word, like "cprofile-service"'),
    ("project_name", "tomllib", 'add a word, like "tomllib-service"'),
    ("project_name", "App", "shadow the folder app/"),
    ("project_name", "tests", "shadow the folder tests/"),
    ("project_name", "FastAPI", "a package the service depends on"),
    ("project_name", "pydantic_settings", "a package the service depends on"),
    ("slug", "", "is not a slug"),
    ("slug", "Orders", "lower-case ASCII letters"),
    ("slug", "orders_api", "single hyphens"),
    ("slug", "orders--api", "single hyphens"),
    ("slug", "o" * 41, "keep it to 40 or fewer"),
    ("slug", "logging", 'add a word, like "logging-service"'),
    ("slug", "app", "shadow the folder app/"),
    ("description", "", "needs one line"),
    ("description", "Takes\norders", "write it in one line"),
    ("description", "Takes\x1borders", "write it in one line"),
    ("description", "x" * 121, "say it in 120 or fewer"),
    ("framework", "flask", "'flask' is not in ['fastapi', 'django']"),
    ("database", "oracle", "'oracle' is not in ['sqlite', 'postgresql', 'mysql']"),
    ("python_version", "3.10", "'3.10' is not in"),
    ("ci", "jenkins", "is not in ['github', 'gitlab', 'none']"),
    ("license", "gpl", "is not in ['mit', 'apache-2.0', 'proprietary']"),
    ("resilience", ["deadline"], "'deadline' is not in ['deadlines'"),
    ("events", "pulsar", "'pulsar' is not in ['none', 'nats', 'rabbitmq', 'redis', 'kafka']"),
    ("cache", "memcached", "'memcached' is not in ['none', 'redis']"),
    ("auth", "password", "'password' is not in ['none', 'api_key', 'jwt', 'session', 'oidc']"),
    ("jobs", "cron", "'cron' is not in ['none'"),
    ("jobs", "procrastinate", "answer -d database=postgresql too, or -d jobs=none"),
    ("jobs_broker", "kafka", "'kafka' is not in ['none']"),
    ("jobs_broker", "redis", "answer -d jobs_broker=none, or -d jobs=taskiq"),
    ("preset", "all", "is not in ['standard', 'minimal', 'everything', 'choose']"),
]


@pytest.mark.parametrize(("question", "answer", "cure"), REFUSALS, ids=lambda value: str(value)[:24].encode("unicode_escape").decode())
def test_a_bad_answer_is_refused_with_its_cure(plain_template: Path, tmp_path: Path, question: str, answer: str, cure: str) -> None:
    with pytest.raises(ValueError) as refusal:  # noqa: PT011 - the texts are what is tested
        ask(plain_template, tmp_path / "svc", **{question: answer})
    assert cure in str(refusal.value)


def test_every_question_is_refused_something() -> None:
    free = {name for name, question in answers.questions().items() if question["type"] != "bool"}
    assert free == {question for question, _, _ in REFUSALS}


@pytest.mark.parametrize("preset", answers.choices()["preset"])
def test_every_question_can_be_answered_on_the_command_line(plain_template: Path, tmp_path: Path, preset: str) -> None:
    given = answers.given(answers.latest(answers.choices())) | {
        "project_name": "Billing desk",
        "slug": "billing",
        "description": "Bills what was ordered.",
        "preset": preset,
    }
    assert set(given) == set(answers.questions())
    taken = ask(plain_template, tmp_path / "svc", **given)
    assert {name: taken[name] for name in given} == given


PRESETS = [
    ("standard", True, STANDARD),
    ("minimal", False, []),
    ("everything", True, answers.values(answers.questions()["resilience"])),
    ("choose", True, STANDARD),
]


@pytest.mark.parametrize(("preset", "example", "resilience"), PRESETS)
def test_a_preset_answers_the_capabilities(plain_template: Path, tmp_path: Path, preset: str, example: bool, resilience: list[str]) -> None:
    taken = ask(plain_template, tmp_path / "svc", preset=preset)
    assert taken["example"] is example
    assert taken["resilience"] == resilience


def command_line(template: Path, folder: Path, *arguments: str) -> list[str]:
    return [*COPIER, "copy", f"--vcs-ref={slipway.NEXT}", *arguments, str(template), str(folder)]


def run(*command: str, **options: Any) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, check=False, text=True, capture_output=True, stdin=subprocess.DEVNULL, timeout=120, **options)


@pytest.mark.parametrize("preset", answers.choices()["preset"])
def test_a_person_is_asked_at_most_eight_times_unless_they_choose(template: Path, tmp_path: Path, preset: str) -> None:
    """A real terminal: Enter to everything but the preset."""
    folder = tmp_path / "orders"
    # Terminals answer where their cursor is; this one does not.
    surroundings = os.environ | {"PROMPT_TOOLKIT_NO_CPR": "1"}
    terminal = pexpect.spawn(
        COPIER[0],
        command_line(template, folder)[1:],
        encoding="utf-8",
        timeout=60,
        dimensions=(50, 200),
        env=surroundings,
    )
    # A question is drawn again once it is answered: only the first time counts.
    waiting = {name: re.escape(question["help"]) for name, question in answers.questions().items()}
    asked = []
    while (met := terminal.expect(["Copying from template", *waiting.values()])) > 0:
        asked.append(list(waiting)[met - 1])
        del waiting[asked[-1]]
        down = answers.choices()["preset"].index(preset) if asked[-1] == "preset" else 0
        terminal.send("\x1b[B" * down + "\r")
    terminal.expect(pexpect.EOF)
    terminal.close()
    assert terminal.exitstatus == 0
    assert recorded(folder)["preset"] == preset
    # The one is never asked, the other where the answer to `jobs` wants a broker.
    derived = {"slug", "jobs_broker"}
    capabilities = {name for name, question in answers.questions().items() if "ask" in question} - derived
    unasked = derived if preset == "choose" else derived | capabilities
    assert set(waiting) == unasked
    assert preset == "choose" or len(asked) <= MOST_PROMPTS


def test_every_question_has_one_line_of_help() -> None:
    for name, question in answers.questions().items():
        assert 4 <= len(question["help"]) <= 80, name
        assert "\n" not in question["help"], name


def test_a_copy_needs_no_trust_and_ends_with_three_commands(template: Path, tmp_path: Path) -> None:
    assert not {"_tasks", "_migrations", "_jinja_extensions"} & set(answers.config())
    done = run(*command_line(template, tmp_path / "orders", "--defaults"))
    assert done.returncode == 0, done.stderr
    assert f"cd {tmp_path / 'orders'}\n" in done.stderr
    assert "make test" in done.stderr
    assert "make run" in done.stderr
    assert "Warning" not in done.stderr


def test_a_refusal_on_the_command_line_shows_the_cure_and_leaves_nothing(template: Path, tmp_path: Path) -> None:
    done = run(*command_line(template, tmp_path / "json", "--defaults", "-d", "project_name=json"))
    assert done.returncode != 0
    assert 'add a word, like "json-service"' in done.stderr.splitlines()[-1]
    assert not (tmp_path / "json").exists()


def test_a_folder_in_use_loses_nothing(template: Path, tmp_path: Path) -> None:
    mine = {"README.md": "mine\n", "notes/today.txt": "mine too\n", "app/main.py": "MINE = 1\n"}
    for name, text in mine.items():
        (tmp_path / "svc" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "svc" / name).write_text(text)
    done = run(*command_line(template, tmp_path / "svc", "--defaults"))
    assert done.returncode == 1
    assert "conflict" in done.stderr
    assert "Consider using `--overwrite`" in done.stderr.splitlines()[-1]
    for name, text in mine.items():
        assert (tmp_path / "svc" / name).read_text() == text


@pytest.mark.parametrize("version", ["9.4.1", "9.18.0"])
def test_a_copier_that_is_too_old_says_so(template: Path, tmp_path: Path, version: str) -> None:
    least = answers.config()["_min_copier_version"]
    command = [
        "uv",
        "tool",
        "run",
        "--quiet",
        "--python",
        sys.executable,
        "--from",
        f"copier=={version}",
        "--with",
        "setuptools<81",
        "copier",
    ]
    done = run(*command, *command_line(template, tmp_path / "svc", "--defaults")[len(COPIER) :])
    assert done.returncode != 0
    assert f"requires Copier version >= {least}" in done.stderr.splitlines()[-1]
    assert version in done.stderr.splitlines()[-1]
    assert not (tmp_path / "svc").exists()
