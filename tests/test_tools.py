"""The image, compose.yaml and continuous integration, read by the tools that know them; no Docker and no network needed."""

import json
import os
import re
import shutil
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from fnmatch import fnmatch
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler, HTTPServer
from itertools import product
from pathlib import Path
from typing import Any

import answers
import pytest
import template as slipway
import yaml

FRAMEWORKS = answers.choices()["framework"]
# Every database with every CI; the frameworks take turns, and so meet each of both.
ROWS = [
    {"project_name": "Order intake", "framework": FRAMEWORKS[turn % 2], "database": database, "ci": ci}
    for turn, (database, ci) in enumerate(product(answers.choices()["database"], answers.choices()["ci"]))
]
PINNED = re.compile(r"uses: (?P<action>[\w./-]+)@(?P<commit>[0-9a-f]{40}) # v\d+\.\d+\.\d+$")


@pytest.fixture(scope="module", params=ROWS, ids=answers.label)
def row(request: pytest.FixtureRequest) -> dict[str, Any]:
    return request.param


@pytest.fixture(scope="module")
def service(template: Path, row: dict[str, Any], tmp_path_factory: pytest.TempPathFactory) -> Path:
    return slipway.render(template, tmp_path_factory.mktemp("tools") / "svc", row)


def run(*command: str | Path, cwd: Path) -> None:
    done = subprocess.run(command, cwd=cwd, check=False, text=True, capture_output=True)
    assert done.returncode == 0, f"{command}: {done.stdout}{done.stderr}"


def load(path: Path) -> Any:
    return yaml.safe_load(path.read_text())


# -- image and compose.yaml --------------------------------------------------------------------------------------------


def test_hadolint_has_nothing_to_say(service: Path) -> None:
    run("hadolint", "--no-color", "Dockerfile", cwd=service)


def test_compose_keeps_to_its_specification(service: Path) -> None:
    run("check-jsonschema", "--builtin-schema", "vendor.compose-spec", "compose.yaml", cwd=service)


def test_compose_starts_the_database_then_migrates_then_the_service(service: Path, row: dict[str, Any]) -> None:
    compose = load(service / "compose.yaml")
    services, database = compose["services"], row["database"]
    assert services["app"]["depends_on"] == {"migrate": {"condition": "service_completed_successfully"}}
    url = services["app"]["environment"]["DATABASE_URL"]
    assert services["migrate"]["environment"]["DATABASE_URL"] == url
    if database == "sqlite":
        assert url.startswith("sqlite:////data/")
        assert services["app"]["volumes"] == services["migrate"]["volumes"] == ["data:/data"]
    else:
        assert url.partition("@")[2] == f"{database}:{services[database]['ports'][0].split(':')[-1]}/order_intake"
        assert services["migrate"]["depends_on"][database] == {"condition": "service_healthy"}
        assert services[database]["healthcheck"]["test"]
    named = {volume.partition(":")[0] for one in services.values() for volume in one.get("volumes", [])}
    assert named == set(compose["volumes"])


def test_compose_runs_what_is_beside_requests_in_containers_of_its_own(template: Path, tmp_path: Path) -> None:
    service = slipway.render(template, tmp_path / "svc", {"database": "postgresql", "jobs": "procrastinate"})
    run("check-jsonschema", "--builtin-schema", "vendor.compose-spec", "compose.yaml", cwd=service)
    services = load(service / "compose.yaml")["services"]
    worker, app = services["worker"], services["app"]
    assert worker["command"] == ["python", "-m", "app.chassis.background", "worker"]
    for same in ("image", "environment", "depends_on", "stop_grace_period"):
        assert worker[same] == app[same]
    assert app["environment"]["BACKGROUND"] == "none"
    assert "ports" not in worker


@pytest.mark.parametrize("broker", [one for one in answers.choices()["events"] if one != "none"])
def test_compose_starts_the_broker_the_relay_and_the_consumer(template: Path, tmp_path: Path, broker: str) -> None:
    service = slipway.render(template, tmp_path / "svc", {"events": broker})
    run("check-jsonschema", "--builtin-schema", "vendor.compose-spec", "compose.yaml", cwd=service)
    services = load(service / "compose.yaml")["services"]
    (started,) = services.keys() - {"app", "migrate", "relay", "consumer"}
    for name in ("relay", "consumer"):
        assert services[name]["command"] == ["python", "-m", "app.chassis.background", name]
        assert services[name]["environment"] == services["app"]["environment"]
    assert services["app"]["environment"]["BACKGROUND"] == "none"
    assert any(started in value for value in services["app"]["environment"].values())
    assert services["migrate"]["depends_on"] == {started: {"condition": "service_healthy"}}


@pytest.mark.parametrize(("status", "healthy"), [(200, True), (503, False), (None, False)])
def test_the_health_check_asks_for_liveness(template: Path, tmp_path: Path, status: int | None, healthy: bool) -> None:
    service = slipway.render(template, tmp_path / "svc")
    with answering(status) as (port, asked):
        done = subprocess.run(
            python(instruction(service, "HEALTHCHECK")),
            env={"MANAGEMENT_PORT": str(port), "http_proxy": "http://127.0.0.1:9"},
            check=False,
            capture_output=True,
        )
    assert (done.returncode == 0) is healthy
    assert asked == ([] if status is None else ["/livez"])


@contextmanager
def answering(status: int | None) -> Iterator[tuple[int, list[str]]]:
    """(port, paths asked for): a server that answers everything with `status`, or a port where nobody listens."""
    asked: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)
            self.send_response(status or 500)
            self.end_headers()

        def log_message(self, *_arguments: object) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        if status is None:
            server.server_close()
            yield server.server_port, asked
            return
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server.server_port, asked
        server.shutdown()


# -- continuous integration --------------------------------------------------------------------------------------------


def workflows(service: Path) -> list[Path]:
    return sorted((service / ".github/workflows").glob("*.yml"))


def test_workflows_keep_to_their_schema(service: Path, row: dict[str, Any]) -> None:
    assert bool(workflows(service)) is (row["ci"] == "github")
    for path in workflows(service):
        run("check-jsonschema", "--builtin-schema", "vendor.github-workflows", path, cwd=service)


def test_zizmor_has_nothing_to_say(service: Path) -> None:
    if workflows(service):
        run("zizmor", "--offline", "--no-config", "--quiet", ".github", cwd=service)


def test_actions_are_pinned_with_their_version(service: Path) -> None:
    pins: dict[str, set[str]] = {}
    for line in (line.strip() for path in workflows(service) for line in path.read_text().splitlines() if "uses:" in line):
        found = PINNED.search(line)
        assert found, line
        pins.setdefault(found["action"], set()).add(found["commit"])
    assert all(len(commits) == 1 for commits in pins.values()), pins


def test_workflows_get_no_more_rights_than_they_need(service: Path) -> None:
    for path in workflows(service):
        workflow = load(path)
        assert workflow["permissions"] == {}, path
        for job in workflow["jobs"].values():
            writes = {name for name, right in job["permissions"].items() if right == "write"}
            assert writes <= ({"contents", "pull-requests"} if path.name == "template-update.yml" else set())
            checkouts = [step for step in job["steps"] if step.get("uses", "").startswith("actions/checkout@")]
            assert all(step["with"]["persist-credentials"] is False for step in checkouts)


def test_gitlab_ci_keeps_to_its_schema(service: Path, row: dict[str, Any]) -> None:
    path = service / ".gitlab-ci.yml"
    assert path.exists() is (row["ci"] == "gitlab")
    if path.exists():
        run("check-jsonschema", "--builtin-schema", "vendor.gitlab-ci", "--data-transform", "gitlab-ci", path, cwd=service)


def test_somebody_is_told_of_newer_packages(service: Path, row: dict[str, Any]) -> None:
    dependabot, renovate = service / ".github/dependabot.yml", service / "renovate.json"
    assert (dependabot.exists(), renovate.exists()) == (row["ci"] == "github", row["ci"] == "gitlab")
    if dependabot.exists():
        run("check-jsonschema", "--builtin-schema", "vendor.dependabot", dependabot, cwd=service)
        ecosystems = {one["package-ecosystem"] for one in load(dependabot)["updates"]}
        assert ecosystems == {"uv", "github-actions", "docker", "docker-compose"}
    if renovate.exists():
        run("check-jsonschema", "--builtin-schema", "vendor.renovate", renovate, cwd=service)
        # The template's own job does that.
        assert json.loads(renovate.read_text())["copier"] == {"enabled": False}


def test_ci_tests_against_the_chosen_database(service: Path, row: dict[str, Any]) -> None:
    """The very image and password of compose.yaml, under the address where each CI puts it."""
    if row["ci"] == "none" or row["database"] == "sqlite":
        return
    database = row["database"]
    compose = load(service / "compose.yaml")["services"]
    image, url = compose[database]["image"], compose["app"]["environment"]["DATABASE_URL"]
    if row["ci"] == "github":
        job = load(service / ".github/workflows/test.yml")["jobs"]["test"]
        container = job["services"][database]
        assert container["env"] == compose[database]["environment"]
        assert container["ports"] == [compose[database]["ports"][0].removeprefix("127.0.0.1:")]
        assert job["env"]["DATABASE_URL"] == url.replace(f"@{database}:", "@127.0.0.1:")
    else:
        job = load(service / ".gitlab-ci.yml")["test"]
        container = job["services"][0] | {"image": job["services"][0]["name"]}
        assert container["variables"] == compose[database]["environment"]
        assert container["alias"] == database
        assert job["variables"]["DATABASE_URL"] == url
    assert container["image"] == image


def test_ci_runs_the_commands_of_the_makefile(service: Path, row: dict[str, Any]) -> None:
    texts = [path.read_text() for path in [*workflows(service), service / ".gitlab-ci.yml"] if path.exists()]
    named = set(re.findall(r"make (\w+)", "\n".join(texts)))
    assert named == (set() if row["ci"] == "none" else {"audit", "lint", "test", "update"})
    for target in named:
        run("make", "--dry-run", target, "UV=true", cwd=service)


def test_pre_commit_runs_what_is_installed(service: Path) -> None:
    hooks = [hook for repo in load(service / ".pre-commit-config.yaml")["repos"] for hook in repo["hooks"]]
    packages = (service / "pyproject.toml").read_text()
    for hook in hooks:
        words = hook["entry"].split()
        assert words[0] in {"uv", "make"}, hook
        assert f'"{words[2]}>=' in packages if words[0] == "uv" else words[1] in (service / "Makefile").read_text(), hook


# -- what the image does, without Docker -------------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.parametrize("framework", FRAMEWORKS)
def test_the_image_s_steps_make_a_service_that_starts(template: Path, tmp_path: Path, framework: str) -> None:
    """uv.lock is written, the context is cut down, packages are synced, code is compiled, and CMD answers its own health check."""
    service = slipway.render(template, tmp_path / "svc", {"framework": framework})
    run("uv", "lock", "--quiet", cwd=service)
    image = tmp_path / "srv"
    shutil.copytree(service, image, ignore=ignored(service))
    assert not {"tests", "docs", "Makefile", ".git", ".env.example"} & {path.name for path in image.iterdir()}
    environment = {"PATH": os.environ["PATH"], "HOME": os.environ["HOME"], "UV_PYTHON": sys.executable}
    environment |= {name: value for name, value in os.environ.items() if name.startswith(("UV_", "SSL_", "PIP_"))}
    sync = re.search(r"uv sync .*", (service / "Dockerfile").read_text())
    assert sync
    venv = {"UV_PROJECT_ENVIRONMENT": str(tmp_path / "venv")}
    subprocess.run([*sync[0].split(), "--quiet"], cwd=image, env=environment | venv, check=True)
    subprocess.run([tmp_path / "venv/bin/python", "-m", "compileall", "-q", "app"], cwd=image, check=True)
    assert list((image / "app/chassis/__pycache__").iterdir())

    port, management = free_ports(2)
    constant = variables(service)
    assert constant["ENVIRONMENT"] == "production"
    assert {"PORT", "MANAGEMENT_PORT"} < constant.keys()
    settings = constant | {
        "PATH": f"{tmp_path}/venv/bin:{os.environ['PATH']}",
        "DATABASE_URL": f"sqlite:///{tmp_path}/data.db",
        "SECRET_KEY": "Zm9yIHRoaXMgdGVzdCBhbG9uZSwgNDIgYnl0ZXMgbG9uZw",
        "ALLOWED_HOSTS": "orders.example.com",
        "HOST": "127.0.0.1",
        "PORT": str(port),
        "MANAGEMENT_PORT": str(management),
        "SERVICE_VERSION": "1.2.3",
    }
    migrate = load(service / "compose.yaml")["services"]["migrate"]["command"]
    venv_python = str(tmp_path / "venv/bin/python")
    subprocess.run([venv_python, *migrate[1:]], cwd=image, env=settings, check=True, capture_output=True)
    process = subprocess.Popen([venv_python, *instruction(service, "CMD")[1:]], cwd=image, env=settings, stdout=subprocess.DEVNULL)
    try:
        ready = answer(management, "/readyz")
        assert ready["status"] == "ready"
        check = [venv_python, *instruction(service, "HEALTHCHECK")[1:]]
        assert subprocess.run(check, env=settings, check=False).returncode == 0
        assert 'version="1.2.3"' in fetch(management, "/metrics")[1]
    finally:
        process.terminate()
        assert process.wait(30) == 0


def instruction(service: Path, name: str) -> list[str]:
    """The words of the last CMD or HEALTHCHECK."""
    joined = (service / "Dockerfile").read_text().replace("\\\n", " ")
    found = re.findall(r"^HEALTHCHECK .*?CMD (\[.*\])$" if name == "HEALTHCHECK" else r"^CMD (\[.*\])$", joined, re.MULTILINE)
    return json.loads(found[-1])


def python(words: list[str]) -> list[str]:
    assert words[0] == "python"
    return [sys.executable, *words[1:]]


def variables(service: Path) -> dict[str, str]:
    """ENV of the last stage, as far as it is constant."""
    stage = (service / "Dockerfile").read_text().replace("\\\n", " ").rpartition("\nFROM ")[2]
    lines = " ".join(re.findall(r"^ENV (.*)$", stage, re.MULTILINE))
    return dict(re.findall(r"(\w+)=([^\s$]+)(?=\s|$)", lines))


def ignored(service: Path) -> Any:
    """.dockerignore, as far as ours goes: names at the top and `**/` anywhere."""
    lines = [line for line in (service / ".dockerignore").read_text().splitlines() if line and not line.startswith("#")]

    def skip(folder: str, names: list[str]) -> set[str]:
        top = Path(folder) == service
        patterns = [line.removeprefix("**/") for line in lines if top or line.startswith("**/")]
        return {name for name in names if any(fnmatch(name, pattern) for pattern in patterns)}

    return skip


def answer(port: int, path: str) -> Any:
    give_up = time.monotonic() + 30
    while True:
        try:
            status, body = fetch(port, path)
        except OSError:
            status, body = 0, ""
        if status == 200:
            return json.loads(body)
        assert time.monotonic() < give_up, body
        time.sleep(0.1)


def fetch(port: int, path: str) -> tuple[int, str]:
    connection = HTTPConnection("127.0.0.1", port, timeout=5)
    try:
        connection.request("GET", path)
        reply = connection.getresponse()
        return reply.status, reply.read().decode()
    finally:
        connection.close()


def free_ports(count: int) -> list[int]:
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [one.getsockname()[1] for one in sockets]
    for one in sockets:
        one.close()
    return ports
