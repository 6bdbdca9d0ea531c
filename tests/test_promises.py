"""A rendered service's own schemathesis run finds what one caller gets of another's."""

import subprocess
from pathlib import Path

import pytest
import services
import template as slipway
from exploits.holes import HOLES

pytestmark = pytest.mark.slow

HOLE = "whose it is does not matter"


def test_what_one_caller_has_is_seen_to_be_shared(template: Path, tmp_path: Path) -> None:
    """With one framework: what looks is the same file in both."""
    service = slipway.render(template, tmp_path / "orders", {"framework": "django", "auth": "api_key"})
    for path, before, after in HOLES[HOLE][1]["django"]:
        (service / path).write_text((service / path).read_text().replace(before, after, 1))
    env = services.surroundings(service, database="sqlite", python="3.11")
    with services.shared_lock(service):
        command = ["make", "test", "ARGS=-k keeps_its_promises"]
        done = subprocess.run(command, cwd=service, env=env, check=False, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    assert done.returncode != 0
    for told in ("others_get_nothing", "GET /v1/orders lists", "what was made at /v1/orders/", "/cancellation answers 409"):
        assert told in done.stdout, done.stdout[-9000:]
