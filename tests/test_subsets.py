"""Questions that take several answers: every subset of them renders, starts, serves and stops."""

import json
import urllib.request
from itertools import product
from pathlib import Path
from typing import Any

import answers
import pytest
import services
import template as slipway

pytestmark = pytest.mark.slow

SEVERAL = [name for name in answers.choices() if "." in name]
SUBSETS = [dict(zip(SEVERAL, chosen, strict=True)) for chosen in product([True, False], repeat=len(SEVERAL))]
ORDER = {"currency": "EUR", "lines": [{"sku": "A-1", "quantity": 2, "unit_price": 1250}]}


def named(subset: dict[str, Any]) -> str:
    return "+".join(name.partition(".")[2] for name, value in subset.items() if value) or "none"


@pytest.mark.parametrize("subset", SUBSETS, ids=named)
@pytest.mark.parametrize("framework", answers.choices()["framework"])
def test_every_subset_serves(template: Path, tmp_path: Path, framework: str, subset: dict[str, Any]) -> None:
    service = slipway.render(template, tmp_path / "orders", subset | {"framework": framework})
    env = services.surroundings(service, database="sqlite", python="3.11")
    services.make(service, "migrate", env=env)
    with services.running(service, env=env) as url:
        headers = {"content-type": "application/json"}
        asked = urllib.request.Request(f"{url}/v1/orders", data=json.dumps(ORDER).encode(), headers=headers)
        with urllib.request.urlopen(asked, timeout=10) as reply:
            assert reply.status == 201
        assert services.status(f"{url}/metrics") == 200
