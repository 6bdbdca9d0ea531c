"""Settings: wrong ones stop the start, with one line for each variable."""

import os
from pathlib import Path

import pytest

from app.chassis import cors, database, dialect, security, server, settings
from tests.chassis.conftest import Start
from tests.chassis.running import KEY, PRODUCTION, Service

WRONG = {
    "PORT": "0",
    "DRAIN_SECONDS": "-1",
    "DEBUG": "true",
    "SECRET_KEY": "hunter2",
    "LOG_LEVEL": "LOUD",
    "OTEL_TRACES_SAMPLER_ARG": "2",
    "READINESS_TIMEOUT": "0",
    "ALLOWED_HOSTS": "*",
    "BODY_LIMIT": "0",
    "CORS_ORIGINS": "*",
    "DATABASE_URL": "hunter2",
}


@pytest.fixture(scope="module")
def refused(start: Start, production: Service) -> dict[str, Service]:
    """Started together: each takes a while to say no."""
    another_kind = "postgresql://u@h/d" if os.environ["DATABASE_URL"].startswith("sqlite") else "sqlite:///d.db"
    return {
        "wrong": start(**WRONG),
        "missing": start(SECRET_KEY=None, ALLOWED_HOSTS=None),
        "weak": start(SECRET_KEY="0123456789" * 4, DATABASE_URL=another_kind),
        "environment": start(ENVIRONMENT="prod"),
        "taken": start(PORT=str(production.ready().port)),
        "same": start(PORT="8999", MANAGEMENT_PORT="8999"),
    }


def lines(service: Service) -> list[str]:
    assert service.exit_status() == 2, service.output()
    assert service.stdout.read_text() == ""
    return service.stderr.read_text().splitlines()


def names(service: Service) -> list[str]:
    return sorted(line.partition(":")[0] for line in lines(service))


def test_each_wrong_value_is_one_line_with_its_cure(refused: dict[str, Service]) -> None:
    assert names(refused["wrong"]) == sorted(WRONG)
    assert all("(example: " in line for line in lines(refused["wrong"]))


def test_a_refusal_does_not_show_the_value(refused: dict[str, Service]) -> None:
    assert "hunter2" not in refused["wrong"].output()


def test_a_file_stands_for_a_variable(start: Start, tmp_path: Path) -> None:
    (tmp_path / "secret_key").write_text(f"{KEY}\n")
    (tmp_path / "ALLOWED_HOSTS").write_text("127.0.0.1,api.example.com")
    service = start(SECRETS_DIR=str(tmp_path), SECRET_KEY=None, ALLOWED_HOSTS=None)
    assert service.http.get("/probe/ok").status_code == 200
    service.stop()


def test_a_file_is_held_to_the_same_rules_and_the_variable_wins(start: Start, tmp_path: Path) -> None:
    (tmp_path / "secret_key").write_text("hunter2")
    (tmp_path / "debug").write_text("true")
    service = start(SECRETS_DIR=str(tmp_path), SECRET_KEY=None, DEBUG="false")
    assert names(service) == ["SECRET_KEY"]
    assert "hunter2" not in service.output()


def test_a_folder_of_secrets_that_is_not_there_is_named(start: Start, tmp_path: Path) -> None:
    (line,) = lines(start(SECRETS_DIR=str(tmp_path / "gone")))
    assert line.startswith(f"SECRETS_DIR: {tmp_path}/gone cannot be read")


def test_production_needs_a_secret_and_its_hosts(refused: dict[str, Service]) -> None:
    assert names(refused["missing"]) == ["ALLOWED_HOSTS", "SECRET_KEY"]


def test_a_long_secret_can_be_weak_and_a_database_of_another_kind(refused: dict[str, Service]) -> None:
    assert names(refused["weak"]) == ["DATABASE_URL", "SECRET_KEY"]
    assert "this service was rendered for" in refused["weak"].output()


def test_a_misspelt_environment_is_no_development(refused: dict[str, Service]) -> None:
    assert names(refused["environment"]) == ["ENVIRONMENT"]


def test_a_port_in_use_is_said_so(refused: dict[str, Service], production: Service) -> None:
    (line,) = lines(refused["taken"])
    assert line.startswith("PORT: cannot listen")
    assert str(production.port) in line


def test_one_port_is_not_enough_for_two_listeners(refused: dict[str, Service]) -> None:
    assert names(refused["same"]) == ["MANAGEMENT_PORT"]


@pytest.mark.parametrize(
    ("kind", "name", "value"),
    [
        *((security.Settings, "ALLOWED_HOSTS", hosts) for hosts in (",", "localhost", "127.0.0.1,LOCALHOST", ".")),
        *((security.Settings, "ALLOWED_HOSTS", f"a.example,{host}") for host in ("https://b", "b:80", "b/c", "*.b")),
        *((cors.Settings, "CORS_ORIGINS", f"https://{origin}") for origin in ("a/b", "a/", "A", "*.a", "u@a", "a:b")),
        *((server.Settings, "DRAIN_SECONDS", number) for number in ("inf", "nan")),
        *((server.Settings, "HOST", host) for host in ("localhost", "127.0.0.1:80")),
        *(
            (database.Settings, "DATABASE_URL", f"{dialect.SYSTEM}://{rest}")
            for rest in ("", "u:s3cr#et@host/db", "u:s3cr@host:abc/db", "u:s3cr@[host/db", "u:s3cr\u2100@host/db")
        ),
    ],
)
def test_refused_in_one_line_without_the_value(
    monkeypatch: pytest.MonkeyPatch, kind: type[settings.BaseSettings], name: str, value: str
) -> None:
    for variable, text in (PRODUCTION | {name: value}).items():
        monkeypatch.setenv(variable, text)
    (line,) = settings.problems([kind])
    assert line.startswith(f"{name}: ")
    assert "s3cr" not in line


@pytest.mark.parametrize(("name", "read"), [("development", True), ("production", False)])
def test_dotenv_is_for_development_only(running: dict[str, Service], name: str, read: bool) -> None:
    reply = running[name].ready().http.get("/probe/ok", headers={"origin": "https://app.example.com"})
    assert ("access-control-allow-origin" in reply.headers) is read
