"""What several of the template's tests share."""

import os
from collections.abc import Iterator
from pathlib import Path

import copies
import machine
import pytest
import template as slipway
from exploits import summary
from servers import Missing


@pytest.fixture(scope="session", autouse=True)
def _quiet_surroundings(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Neither the user's Copier settings and git configuration nor an environment that calls us reach a test."""
    settings = tmp_path_factory.mktemp("copier") / "settings.yml"
    settings.write_text("{}")
    with pytest.MonkeyPatch.context() as patch:
        for name in (
            "VIRTUAL_ENV",
            "MAKEFLAGS",
            "MAKELEVEL",
            "MFLAGS",
            "PYTHONPATH",
            "PYTEST_ADDOPTS",
            "DATABASE_URL",
            "ENVIRONMENT",
            "SECRET_KEY",
        ):
            patch.delenv(name, raising=False)
        patch.setenv("GIT_CONFIG_GLOBAL", os.devnull)
        for role in ("AUTHOR", "COMMITTER"):
            patch.setenv(f"GIT_{role}_NAME", "Test")
            patch.setenv(f"GIT_{role}_EMAIL", "test@example.com")
        patch.setenv("COPIER_SETTINGS_PATH", str(settings))
        yield


@pytest.fixture(scope="session", autouse=True)
def _sparing() -> Iterator[None]:
    with copies.sparing():
        yield


@pytest.fixture(autouse=True)
def _machine(request: pytest.FixtureRequest) -> Iterator[None]:
    with machine.taken(alone=request.node.get_closest_marker("alone") is not None):
        yield


@pytest.fixture(scope="session")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return slipway.clone(tmp_path_factory.mktemp("template") / "slipway")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--whole", action="store_true", help="run every test of a rendered service in every row of answers")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Whole suites of services come first: one worker runs them one after the other, while the others take what follows.

    What has the machine to itself comes last, when few others wait for it.
    """
    items.sort(key=lambda item: (item.get_closest_marker("alone") is not None, item.get_closest_marker("suite") is None))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> Iterator[None]:
    """A server or an interpreter that is missing skips a test here, and fails it where CI=true."""
    report = yield
    if call.excinfo is not None and call.excinfo.errisinstance(Missing):
        report.user_properties.append(("not proven", str(call.excinfo.value)))
        if os.environ.get("CI", "").lower() not in {"true", "1"} or call.excinfo.value.optional:
            report.outcome = "skipped"
            report.longrepr = (str(item.path), 0, f"Skipped: {call.excinfo.value}")
    return report


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """The run closes with what it did not show, and how to show it."""
    missing: dict[str, list[str]] = {}
    for report in terminalreporter.stats.get("skipped", []):
        for name, text in report.user_properties:
            if name == "not proven":
                missing.setdefault(text, []).append(report.nodeid)
    if missing:
        terminalreporter.section("not proven by this run")
        for text, tests in missing.items():
            terminalreporter.line(f"{len(tests)} x {text}")

    reports = [report for outcome in ("passed", "failed") for report in terminalreporter.stats.get(outcome, [])]
    if told := list(summary.lines(value for report in reports for value in report.user_properties)):
        terminalreporter.section("attacks on running services")
        for line in told:
            terminalreporter.line(line)
    _tell_what_failed_at_first(terminalreporter, reports)


def _tell_what_failed_at_first(terminalreporter: pytest.TerminalReporter, reports: list[pytest.TestReport]) -> None:
    """docs/decisions/0010: one attempt more, and what needed it is told."""
    failed = {report.nodeid for report in terminalreporter.stats.get("failed", [])}
    again = [report for report in terminalreporter.stats.get("rerun", []) if report.nodeid not in failed]
    told = [(report.nodeid, report.longreprtext) for report in again]
    told += [(report.nodeid, value) for report in reports for name, value in report.user_properties if name == "failed at first"]
    for name, text in told:
        terminalreporter.section(f"failed at first, a race to be mended: {name}")
        terminalreporter.line(text)
