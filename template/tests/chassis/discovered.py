"""What the tests of one capability need of the probe service: files here that are named after it."""

from collections.abc import Iterable
from dataclasses import replace
from importlib import import_module
from pathlib import Path
from typing import Any

from app.chassis.routes import DECLARED, Known, declared

HERE = Path(__file__).parent


def routers() -> list[Any]:
    """Every `routes_NAME.py` has a `router`, served under /probe; imported with the service, as its own routes are."""
    return [module.router for module in _modules("routes")]


def fixtures() -> list[Any]:
    """Every `fixtures_NAME.py`, whose fixtures all tests may use, those that run beside the others too."""
    return _modules("fixtures")


def early() -> list[str]:
    """The services among them, which every `fixtures_NAME.py` names in `EARLY`: they are started before the tests."""
    return [name for module in fixtures() for name in getattr(module, "EARLY", ())]


def variables() -> dict[str, str]:
    """Every `variables_NAME.py` has `VARIABLES`: what the capability needs to be set in every service of the tests."""
    return {name: value for module in _modules("variables") for name, value in module.VARIABLES.items()}


def headers(url: str, subject: str, *scopes: str) -> dict[str, str]:
    """What makes a request somebody's, for a service with this database: of every `credentials_NAME.py`."""
    found = [module.headers(url, subject, *scopes) for module in _modules("credentials")]
    return {name: value for headers in found for name, value in headers.items()}


def wrong() -> dict[str, str]:
    """Headers with a credential that is none: "hunter2"."""
    return {name: value for module in _modules("credentials") for name, value in module.wrong().items()}


def opened(routes: Iterable[Known]) -> None:
    """Routes of the probe that do not say who may use them are for everybody: what they try is something else."""
    for _, template, view, _ in routes:
        policy = declared(view)
        if template.startswith("/probe") and policy.scope is None:
            setattr(view, DECLARED, replace(policy, public=True))


def _modules(kind: str) -> list[Any]:
    return [import_module(f"tests.chassis.{name}") for name in sorted(path.stem for path in HERE.glob(f"{kind}_*.py"))]
