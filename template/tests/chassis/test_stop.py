"""A stop that everybody hears: Ctrl-C and systemd tell the server and its worker alike, and some tell them twice."""

import os
import signal
import threading
import time

import httpx2
import pytest

from tests.chassis.conftest import Start
from tests.chassis.running import eventually


@pytest.mark.beside
def test_signals_to_the_whole_group_are_one_stop(start: Start) -> None:
    service = start(DRAIN_SECONDS="1").ready()
    slow: list[httpx2.Response] = []
    in_flight = threading.Thread(target=lambda: slow.append(service.http.get("/probe/sleep?seconds=1.5")))
    in_flight.start()
    eventually(lambda: service.metric("http_server_active_requests"))
    for _ in range(4):
        os.killpg(service.process.pid, signal.SIGTERM)
        time.sleep(0.05)
    in_flight.join()
    assert slow[0].status_code == 200
    assert service.exit_status() == 0
    assert not service.lines(level="error")
