"""`make demo`, the README's first command, tells the whole story."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from answers import ROOT


@pytest.mark.slow
def test_the_demo_shows_a_service_at_work_and_leaves_it_behind(tmp_path: Path) -> None:
    command = [sys.executable, str(ROOT / "scripts/demo.py")]
    done = subprocess.run(command, env=os.environ | {"TMPDIR": str(tmp_path)}, check=False, text=True, capture_output=True, timeout=300)
    assert done.returncode == 0, done.stdout + done.stderr
    for told in (
        '"status":"placed"',
        '"next_cursor"',
        '"trace_id":"',
        "/readyz",
        "http_server_request_duration_seconds_count",
        f"copier copy {ROOT} my-service",
    ):
        assert told in done.stdout
    (service,) = tmp_path.glob("slipway-demo-*/orders")
    assert f"cd {service} && make run" in done.stdout
    assert (service / ".copier-answers.yml").exists()
