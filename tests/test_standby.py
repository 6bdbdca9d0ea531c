"""A service with a real standby of PostgreSQL: nobody misses what they wrote, however far it is behind."""

import json
import time
import urllib.request
from pathlib import Path
from typing import Any

import pytest
import services
import standby
import template as slipway

pytestmark = pytest.mark.slow

ORDER = json.dumps({"currency": "EUR", "lines": [{"sku": "A-1", "quantity": 2, "unit_price": 1250}]}).encode()
MARK = "read-after"


@pytest.mark.parametrize("framework", ["fastapi", "django"])
def test_what_was_written_is_read_while_the_standby_does_not_have_it(template: Path, tmp_path: Path, framework: str) -> None:
    answers = {"framework": framework, "database": "postgresql", "preset": "minimal", "example": True}
    service = slipway.render_once(template, tmp_path / "orders", answers)
    env = services.surroundings(service, database="postgresql", python="3.11")
    with standby.pair() as servers:
        env |= {"DATABASE_URL": servers.primary, "DATABASE_REPLICA_URL": servers.standby, "DATABASE_REPLICA_READS": "safe"}
        # The position decides, and no clock.
        env["DATABASE_REPLICA_LAG"] = "0"
        services.make(service, "migrate", env=env)
        with services.running(service, env=env) as url:
            first = placed(url)
            until(lambda: listed(url), [first["id"]])
            servers.pause()
            second = placed(url)
            time.sleep(2)
            assert listed(url) == [first["id"]], "somebody else reads from the standby"
            assert listed(url, second["mark"]) == [second["id"], first["id"]], "who wrote reads from the primary"
            assert listed(url, first["mark"]) == [first["id"]], "the standby has what was written first"
            assert metric(url, "recent_write") == 1
            servers.resume()
            until(lambda: listed(url), [second["id"], first["id"]])
            before = metric(url, "replica")
            assert listed(url, second["mark"]) == [second["id"], first["id"]]
            assert metric(url, "replica") == before + 1, "by now the standby has it"


def placed(url: str) -> dict[str, str]:
    asked = urllib.request.Request(f"{url}/v1/orders", data=ORDER, headers={"content-type": "application/json"})
    with urllib.request.urlopen(asked, timeout=10) as reply:
        return {"id": json.load(reply)["id"], "mark": reply.headers[MARK]}


def listed(url: str, mark: str | None = None) -> list[str]:
    asked = urllib.request.Request(f"{url}/v1/orders", headers={MARK: mark} if mark else {})
    with urllib.request.urlopen(asked, timeout=10) as reply:
        return [one["id"] for one in json.load(reply)["items"]]


def metric(url: str, outcome: str) -> float:
    with urllib.request.urlopen(f"{url}/metrics", timeout=10) as reply:
        lines = reply.read().decode().splitlines()
    return next(float(line.split()[-1]) for line in lines if line.startswith(f'database_replica_requests_total{{outcome="{outcome}"'))


def until(look: Any, expected: Any) -> None:
    give_up = time.monotonic() + 20
    while (found := look()) != expected:
        assert time.monotonic() < give_up, found
        time.sleep(0.1)
