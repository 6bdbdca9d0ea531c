"""Every release updates to the working tree: answers switched, the user's work intact, everything else as in a fresh copy."""

import json
import os
import re
import subprocess
import sys
import urllib.request
from collections.abc import Callable
from pathlib import Path
from shutil import copytree, rmtree
from typing import Any

import answers
import pytest
import services
import template as slipway
import yaml

RELEASES = [f"v{version}" for version in slipway.releases()]
FRAMEWORKS = answers.choices()["framework"]
# Files of the user's own, in the template's folders and beside them.
MINE = [
    "app/features/billing/service.py",
    "tests/features/billing/test_service.py",
    "migrations/versions/9999_mine.py",
    "docs/mine.md",
    "notes.txt",
]
# A later release than the working tree's: it changes what users change too.
LATER = "v999.1.0"


def switches() -> list[dict[str, Any]]:
    """One answer other than the default at a time, and what that needs; the framework cannot change."""
    base = answers.defaults()
    rows = [row for row in answers.one_at_a_time() if row["framework"] == base["framework"]]
    listed = [{name: value for name, value in row.items() if value != base[name]} for row in rows if row != base]
    unique = [one for number, one in enumerate(listed) if one not in listed[:number]]
    return [*unique, {"project_name": "Billing desk"}, {"slug": "billing"}, {"description": "Bills what was ordered."}]


def switched(turn: int) -> list[tuple[str, dict[str, Any]]]:
    """Each switch under both frameworks; one that changes no code under one of them, which `turn` decides."""
    plain = answers.NOT_AT_RUN_TIME | {"python_version", "project_name", "slug", "description"}
    cases = []
    for number, switch in enumerate(switches(), turn):
        frameworks = FRAMEWORKS if switch.keys() - plain else [FRAMEWORKS[number % len(FRAMEWORKS)]]
        cases += [(framework, switch) for framework in frameworks]
    return cases


def everything_switched() -> dict[str, Any]:
    """Another answer to every question at once."""
    base = answers.defaults()
    kept = {"framework", "python_version"}
    return answers.latest(
        {name: [one for one in found if one != base[name]] for name, found in answers.choices().items() if name not in kept}
    )


def named(switch: dict[str, Any]) -> str:
    return ",".join(f"{name}={value}" for name, value in switch.items()) or "same answers"


def is_seed(path: str) -> bool:
    """Whether a file is the user's from the first day on."""
    return any(f"/{path}" == seed or (seed.endswith("/") and f"/{path}".startswith(seed)) for seed in answers.config()["_skip_if_exists"])


def live_in(service: Path) -> None:
    """A user's edits, wherever users have a say; applied to a fresh copy they give what an update has to arrive at."""
    for path in [path for path in slipway.files(service) if is_seed(path) and path.endswith((".py", ".md", ".mk", "LICENSE"))]:
        with (service / path).open("a") as file:
            file.write("\n# mine\n")
    for path in MINE:
        (service / path).parent.mkdir(parents=True, exist_ok=True)
        (service / path).write_text("# mine\n")
    edit(service / ".gitignore", lambda text: text + "/mine/\n")
    edit(service / "pyproject.toml", lambda text: text.replace("\ndependencies = []\n", '\ndependencies = [\n    "humanize>=4.15",\n]\n'))


def edit(path: Path, change: Callable[[str], str]) -> None:
    before = path.read_text()
    path.write_text(change(before))
    assert path.read_text() != before, f"nothing to edit in {path}"


def recorded(service: Path) -> dict[str, Any]:
    return yaml.safe_load((service / ".copier-answers.yml").read_text())


def old_service(template: Path, folder: Path, version: str, given: dict[str, Any] | None = None) -> Path:
    """A service of a release, with its user's edits, committed."""
    slipway.render_once(template, folder, given, version=version)
    slipway.start_history(folder)
    live_in(folder)
    slipway.save(folder, "My work")
    return folder


def assert_up_to_date(service: Path, template: Path, before: dict[str, bytes], *, version: str = slipway.NEXT) -> None:
    """No conflict, no byte of the user's lost, and all the rest as a fresh copy with the same answers and edits has it."""
    assert slipway.git(service, "ls-files", "--unmerged") == ""
    after = slipway.files(service)
    for path, content in after.items():
        assert not path.endswith((".rej", ".orig")), path
        assert not re.search(rb"^(<{7}|>{7}) ", content, re.MULTILINE), path
    given = {name: value for name, value in recorded(service).items() if name in answers.questions()}
    fresh_folder = slipway.render_once(template, service.parent / "fresh" / service.name, given, version=version)
    planted = slipway.files(fresh_folder)
    live_in(fresh_folder)
    fresh = slipway.files(fresh_folder)
    owned = {path for path in before if is_seed(path)}
    for path in owned:
        assert after.get(path) == before[path], f"{path} is the user's, and changed"
    for path in sorted(fresh.keys() | after.keys()):
        if is_seed(path) and path not in before:
            assert path not in after or after[path] == planted[path], f"{path} was planted otherwise than a copy does"
        elif path not in owned:
            assert after.get(path) == fresh.get(path), f"{path} differs from a fresh copy's"


@pytest.mark.parametrize("switch", [{}, everything_switched()], ids=named)
@pytest.mark.parametrize("framework", FRAMEWORKS)
@pytest.mark.parametrize("release", [*(pytest.param(one, marks=pytest.mark.slow) for one in RELEASES[:-1]), RELEASES[-1]])
def test_every_release_updates(template: Path, tmp_path: Path, release: str, framework: str, switch: dict[str, Any]) -> None:
    service = old_service(template, tmp_path / "orders", release, {"framework": framework})
    before = slipway.files(service)
    slipway.update(service, switch)
    assert recorded(service)["_commit"] == slipway.NEXT
    assert_up_to_date(service, template, before)


@pytest.mark.slow
@pytest.mark.parametrize(("framework", "switch"), switched(0), ids=lambda value: named(value) if isinstance(value, dict) else value)
def test_every_answer_can_change(template: Path, tmp_path: Path, framework: str, switch: dict[str, Any]) -> None:
    service = old_service(template, tmp_path / "orders", RELEASES[-1], {"framework": framework})
    before = slipway.files(service)
    slipway.update(service, switch)
    assert answers.given(switch).items() <= recorded(service).items()
    assert_up_to_date(service, template, before)


@pytest.mark.slow
@pytest.mark.parametrize(("framework", "switch"), switched(1), ids=lambda value: named(value) if isinstance(value, dict) else value)
def test_every_answer_can_change_back(template: Path, tmp_path: Path, framework: str, switch: dict[str, Any]) -> None:
    try:
        service = old_service(template, tmp_path / "orders", RELEASES[-1], {"framework": framework} | switch)
    except ValueError as error:
        # No release has this answer yet.
        if "Invalid choice" not in str(error):
            raise
        service = old_service(template, tmp_path / "orders", slipway.NEXT, {"framework": framework} | switch)
    before = slipway.files(service)
    back = {name: value for name, value in answers.defaults().items() if name in switch}
    slipway.update(service, back)
    assert answers.given(back).items() <= recorded(service).items()
    assert_up_to_date(service, template, before)


SEVERAL = [name for name in answers.choices() if "." in name]


@pytest.mark.slow
@pytest.mark.parametrize("name", SEVERAL)
@pytest.mark.parametrize("framework", FRAMEWORKS)
def test_one_of_several_can_be_switched_and_switched_back(template: Path, tmp_path: Path, framework: str, name: str) -> None:
    service = old_service(template, tmp_path / "orders", slipway.NEXT, {"framework": framework})
    before = slipway.files(service)
    for value in (not answers.defaults()[name], answers.defaults()[name]):
        slipway.update(service, {name: value})
        assert answers.given({name: value}).items() <= recorded(service).items()
        assert_up_to_date(service, template, before)
        slipway.save(service, f"{name}={value}")
        rmtree(tmp_path / "fresh")
    after = slipway.files(service)
    assert after.pop(".copier-answers.yml") == before.pop(".copier-answers.yml")
    assert after == before


@pytest.mark.slow
@pytest.mark.parametrize("preset", ["standard", "everything"])
def test_a_service_from_before_the_question_stays_as_it_was(template: Path, tmp_path: Path, preset: str) -> None:
    service = old_service(template, tmp_path / "orders", RELEASES[0], {"preset": preset})
    slipway.update(service)
    assert recorded(service)["resilience"] == []


@pytest.mark.parametrize(("framework", "other"), [FRAMEWORKS, FRAMEWORKS[::-1]])
def test_a_service_keeps_its_framework(template: Path, tmp_path: Path, framework: str, other: str) -> None:
    service = old_service(template, tmp_path / "orders", RELEASES[-1], {"framework": framework})
    before = slipway.files(service)
    with pytest.raises(ValueError, match=f"A service does not change its framework .this one is {framework}.: copy a new service"):
        slipway.update(service, {"framework": other})
    assert slipway.files(service) == before


@pytest.mark.parametrize("framework", FRAMEWORKS)
def test_what_an_answer_needs_is_not_taken_from_under_it(template: Path, tmp_path: Path, framework: str) -> None:
    service = slipway.render(template, tmp_path / "orders", {"framework": framework, "database": "postgresql", "jobs": "procrastinate"})
    slipway.start_history(service)
    before = slipway.files(service)
    with pytest.raises(ValueError, match="this service is on sqlite: answer -d database=postgresql too, or -d jobs=none"):
        slipway.update(service, {"database": "sqlite"})
    assert slipway.files(service) == before


@pytest.mark.parametrize("framework", FRAMEWORKS)
def test_the_broker_of_jobs_comes_and_goes_with_them(template: Path, tmp_path: Path, framework: str) -> None:
    service = slipway.render(template, tmp_path / "orders", {"framework": framework})
    slipway.start_history(service)
    for jobs, broker in (("taskiq", "redis"), ("none", "none")):
        slipway.update(service, {"jobs": jobs})
        assert recorded(service)["jobs_broker"] == broker
        slipway.save(service, f"jobs={jobs}")


@pytest.mark.slow
@pytest.mark.parametrize("framework", FRAMEWORKS)
def test_a_deleted_example_stays_deleted(template: Path, tmp_path: Path, framework: str) -> None:
    service = old_service(template, tmp_path / "orders", RELEASES[-1], {"framework": framework})
    rmtree(service / "app/features/orders")
    rmtree(service / "tests/features/orders")
    (service / "local.mk").unlink()
    slipway.save(service, "No orders here")
    before = slipway.files(service)
    slipway.update(service)
    assert_up_to_date(service, template, before)
    assert not (service / "app/features/orders").exists()
    assert not (service / "tests/features/orders").exists()
    assert not (service / "local.mk").exists()


@pytest.mark.slow
@pytest.mark.parametrize("framework", FRAMEWORKS)
def test_an_example_switched_off_is_left_to_the_user(template: Path, tmp_path: Path, framework: str) -> None:
    service = old_service(template, tmp_path / "orders", RELEASES[-1], {"framework": framework})
    before = slipway.files(service)
    slipway.update(service, {"example": False})
    kept = {path: content for path, content in slipway.files(service).items() if path.startswith(("app/features/", "tests/features/"))}
    assert len(kept) > 5
    assert kept == {path: before[path] for path in kept}


@pytest.mark.slow
@pytest.mark.parametrize("framework", FRAMEWORKS)
def test_an_example_switched_on_is_planted_beside_the_user_s_work(template: Path, tmp_path: Path, framework: str) -> None:
    service = old_service(template, tmp_path / "orders", RELEASES[-1], {"framework": framework, "example": False})
    (service / "app/features/orders").mkdir()
    (service / "app/features/orders/rules.py").write_text("# mine\n")
    slipway.save(service, "My own orders")
    done = copier_update(service, "-d", "example=true")
    assert done.returncode == 0, done.stderr
    assert (service / "app/features/orders/rules.py").read_text() == "# mine\n"
    fresh = slipway.render(template, tmp_path / "fresh", {"framework": framework})
    for path in ("app/features/orders/api.py", "app/features/orders/service.py"):
        assert (service / path).read_bytes() == (fresh / path).read_bytes()
    assert list((service / "tests/features/orders").glob("test_*.py"))
    assert "make migration m=orders" in done.stderr
    assert {"fastapi": "app/main.py", "django": "INSTALLED_APPS"}[framework] in done.stderr


@pytest.mark.slow
@pytest.mark.parametrize(
    ("start", "switch", "example"),
    [
        ({}, {"preset": "minimal"}, False),
        ({}, {"preset": "minimal", "example": True}, True),
        ({}, {"preset": "choose"}, True),
        ({"preset": "minimal"}, {"preset": "everything"}, True),
        ({"preset": "minimal", "example": True}, {"preset": "standard"}, True),
        ({"example": False}, {}, False),
        ({"example": False}, {"database": "mysql"}, False),
        ({"preset": "choose", "example": False}, {"ci": "none"}, False),
    ],
    ids=lambda value: named(value) if isinstance(value, dict) else str(value),
)
def test_a_new_preset_answers_anew_and_an_old_one_does_not(
    template: Path, tmp_path: Path, start: dict[str, Any], switch: dict[str, Any], example: bool
) -> None:
    service = slipway.render(template, tmp_path / "orders", start)
    slipway.start_history(service)
    slipway.update(service, switch)
    assert recorded(service)["example"] is example


@pytest.fixture(scope="session")
def later(template: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One release more, which adds, changes and removes next to the user's edits."""
    folder = Path(copytree(template, tmp_path_factory.mktemp("later") / "slipway"))
    inside = folder / "template"
    edit(inside / "facts.yml", lambda text: text.replace("packages: [", 'packages: ["aiofiles>=25.1", ', 1))
    edit(inside / ".gitignore", lambda text: text.replace(".venv/\n", ".venv/\n/later/\n"))
    edit(inside / "Makefile.jinja", lambda text: text.replace("# The service's commands.", "# All of the service's commands."))
    edit(inside / "app/chassis/__init__.py", lambda text: text + "\n# later\n")
    for seed in ("local.mk", "AGENTS.local.md"):
        edit(inside / seed, lambda text: text + "later\n")
    (inside / "app/chassis/later.py").write_text('"""Came later."""\n')
    # With what imports it: an update says of everything else that it imports what is gone.
    for gone in ("app/chassis/update.py", "tests/chassis/test_update.py"):
        (inside / gone).unlink()
    return slipway.release(folder, LATER)


@pytest.mark.slow
@pytest.mark.parametrize("framework", FRAMEWORKS)
def test_what_both_sides_changed_is_merged(later: Path, tmp_path: Path, framework: str) -> None:
    service = old_service(later, tmp_path / "orders", slipway.NEXT, {"framework": framework})
    before = slipway.files(service)
    slipway.update(service, version=LATER)
    after = slipway.files(service)
    assert "/later/" in after[".gitignore"].decode()
    assert "/mine/" in after[".gitignore"].decode()
    assert "app/chassis/later.py" in after
    assert "app/chassis/update.py" not in after
    assert "aiofiles" in after["pyproject.toml"].decode()
    assert "humanize" in after["pyproject.toml"].decode()
    assert after["local.mk"] == before["local.mk"]
    assert_up_to_date(service, later, before, version=LATER)


def copier_update(service: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "copier", "update", "--defaults", *arguments]
    return subprocess.run(command, cwd=service, check=False, text=True, capture_output=True, stdin=subprocess.DEVNULL)


def make_update(service: Path, arguments: str = "") -> subprocess.CompletedProcess[str]:
    """`make update` as a user types it, with the tests' own Copier."""
    env = os.environ | {"COPIER": f"{sys.executable} -m copier", "UV_PYTHON": sys.executable}
    command = ["make", "--no-print-directory", "update", f"ARGS={arguments}"]
    return subprocess.run(command, cwd=service, env=env, check=False, text=True, capture_output=True, stdin=subprocess.DEVNULL)


@pytest.mark.slow
@pytest.mark.parametrize("framework", FRAMEWORKS)
def test_make_update_says_what_changed(later: Path, tmp_path: Path, framework: str) -> None:
    service = old_service(later, tmp_path / "orders", slipway.NEXT, {"framework": framework})
    done = make_update(service)
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"{slipway.NEXT} -> {LATER}" in done.stdout
    assert re.search(r"^ *added +app/chassis/later.py$", done.stdout, re.MULTILINE)
    assert re.search(r"^ *removed +app/chassis/update.py$", done.stdout, re.MULTILINE)


def test_make_update_fails_on_a_conflict(later: Path, tmp_path: Path) -> None:
    service = old_service(later, tmp_path / "orders", slipway.NEXT)
    edit(service / "Makefile", lambda text: text.replace("# The service's commands.", "# My commands."))
    slipway.save(service, "An edit where the template edits too")
    done = make_update(service)
    assert done.returncode != 0
    assert "Makefile: unmerged" in done.stdout
    assert "# My commands." in (service / "Makefile").read_text()


def test_make_update_takes_answers_and_refuses_a_dirty_tree(template: Path, tmp_path: Path) -> None:
    service = old_service(template, tmp_path / "orders", slipway.NEXT)
    done = make_update(service, "-d database=postgresql")
    assert done.returncode == 0, done.stdout + done.stderr
    assert recorded(service)["database"] == "postgresql"
    done = make_update(service)
    assert done.returncode != 0
    assert "not committed" in done.stdout


# The first release and the last one, and each database under each framework: the frameworks take turns.
LIVE = [
    (release, framework, database)
    for release, order in ((RELEASES[0], 1), (RELEASES[-1], -1))
    for framework, database in zip(FRAMEWORKS, ["sqlite", "postgresql"][::order], strict=True)
]


@pytest.mark.slow
@pytest.mark.suite
@pytest.mark.parametrize(("release", "framework", "database"), LIVE)
def test_an_updated_service_works_on_its_old_database(template: Path, tmp_path: Path, release: str, framework: str, database: str) -> None:
    given = {"framework": framework, "database": database, "slug": f"update-{os.getpid()}"}
    service = slipway.render(template, tmp_path / "orders", given, version=release)
    env = services.surroundings(service, database=database, python="3.11")
    slipway.start_history(service)
    try:
        services.make(service, "services", "migrate", env=env)
        with services.running(service, env=env) as url:
            placed = request(f"{url}/v1/orders", ORDER)
        slipway.save(service, "Locked")
        slipway.update(service)
        env = services.surroundings(service, database=database, python="3.11")
        services.make(service, "migrate", env=env)
        with services.running(service, env=env) as url:
            assert request(f"{url}/v1/orders/{placed['id']}") == placed
        # The chassis is as in a fresh copy, byte by byte, and tests/test_live.py runs all of its tests.
        services.make(service, "test", "ARGS=tests/features", env=env)
    finally:
        # The fixture that services use for their tests drops what it finds under its name.
        forget = "from app.chassis import local_server, about\nwith local_server.test_database(about.NAME.replace('-', '_')): pass"
        subprocess.run(["uv", "run", "python", "-c", forget], cwd=service, env=env, check=database != "sqlite", capture_output=True)


DECLARED = {"get": "orders:read", "post": "orders:write"}


@pytest.mark.slow
@pytest.mark.parametrize("framework", FRAMEWORKS)
def test_views_from_before_have_to_say_who_may_ask(template: Path, tmp_path: Path, framework: str) -> None:
    """The first release's service does not start with authentication until its views are declared, and then it guards them."""
    service, env = lived_in(template, tmp_path / "orders", RELEASES[0], framework)
    with services.running(service, env=env) as url:
        placed = request(f"{url}/v1/orders", ORDER)
    env = switched(service, "api_key")
    with services.shared_lock(service):
        refused = subprocess.run(["uv", "run", "python", "-m", "app"], cwd=service, env=env, check=False, text=True, capture_output=True)
    assert refused.returncode != 0
    told = refused.stdout + refused.stderr
    for named in ("nobody has said who may use GET /v1/orders, ", "POST /v1/orders, ", "/cancellation: put @declare("):
        assert named in told, told
    api = service / "app/features/orders/api.py"
    route = re.compile(r"^@router\.(\w+)\(.*\)$", re.MULTILINE)
    edit(api, lambda text: route.sub(lambda found: f'{found[0]}\n@declare(scope="{DECLARED[found[1]]}")', text))
    edit(api, lambda text: text.replace("\nfrom app.", "\nfrom app.chassis.routes import declare\nfrom app.", 1))
    key = issued(service, env, "ada")
    with services.running(service, env=env) as url:
        assert services.status(f"{url}/v1/orders/{placed['id']}") == 401
        assert request(f"{url}/v1/orders/{placed['id']}", headers=key) == placed


@pytest.mark.slow
@pytest.mark.parametrize("framework", FRAMEWORKS)
def test_what_there_was_gets_an_owner_and_keeps_it(template: Path, tmp_path: Path, framework: str) -> None:
    """Authentication is switched on, the migration of docs/auth.md is made, and then it is switched off and on again."""
    service, env = lived_in(template, tmp_path / "orders", RELEASES[-1], framework)
    with services.running(service, env=env) as url:
        placed = request(f"{url}/v1/orders", ORDER)
    env = switched(service, "api_key")
    ada, bob = (issued(service, env, name) for name in ("ada", "bob"))
    with services.running(service, env=env) as url:
        assert services.status(f"{url}/v1/orders/{placed['id']}") == 401
        assert [request(f"{url}/v1/orders", headers=who)["items"] for who in (ada, bob)] == [[], []]
        own = request(f"{url}/v1/orders", ORDER, headers=bob)
    (fence,) = re.findall(
        r"^```python\n(\"{3}Whoever ordered before.*?)^```$", (service / "docs/auth.md").read_text(), re.MULTILINE | re.DOTALL
    )
    folder = {"fastapi": "migrations/versions", "django": "app/features/orders/migrations"}[framework]
    (service / folder / "0002_owners.py").write_text(fence)
    services.make(service, "migrate", env=env)
    with services.running(service, env=env) as url:
        assert [request(f"{url}/v1/orders", headers=who)["items"] for who in (ada, bob)] == [[placed], [own]]
    env = switched(service, "none")
    with services.running(service, env=env) as url:
        assert request(f"{url}/v1/orders")["items"] == []
    env = switched(service, "api_key")
    with services.running(service, env=env) as url:
        assert [request(f"{url}/v1/orders", headers=who)["items"] for who in (ada, bob)] == [[placed], [own]]


ORDER = {"currency": "EUR", "lines": [{"sku": "A-1", "quantity": 2, "unit_price": 1250}]}


def lived_in(template: Path, folder: Path, release: str, framework: str) -> tuple[Path, dict[str, str]]:
    """A service of a release with its tables on SQLite, committed, and the environment for its commands."""
    service = slipway.render(template, folder, {"framework": framework}, version=release)
    slipway.start_history(service)
    env = services.surroundings(service, database="sqlite", python="3.11")
    services.make(service, "migrate", env=env)
    slipway.save(service, "Locked")
    return service, env


def switched(service: Path, auth: str) -> dict[str, str]:
    """Updated and migrated: the environment that it needs from then on."""
    slipway.save(service, "Work")
    slipway.update(service, {"auth": auth})
    env = services.surroundings(service, database="sqlite", python="3.11")
    services.make(service, "migrate", env=env)
    return env


def issued(service: Path, env: dict[str, str], subject: str) -> dict[str, str]:
    command = ["uv", "run", "python", "-m", "app.chassis.api_keys.manage", "issue", subject, "--scopes", ",".join(DECLARED.values())]
    with services.shared_lock(service):
        printed = subprocess.run(command, cwd=service, env=env, check=True, text=True, capture_output=True).stdout
    return {"authorization": f"Bearer {re.findall('^key_.+$', printed, re.MULTILINE)[0]}"}


def request(url: str, body: dict[str, Any] | None = None, headers: dict[str, str] | None = None) -> dict[str, Any]:
    data = None if body is None else json.dumps(body).encode()
    asked = urllib.request.Request(url, data=data, headers={"content-type": "application/json"} | (headers or {}))
    with urllib.request.urlopen(asked, timeout=10) as reply:
        return json.loads(reply.read())
