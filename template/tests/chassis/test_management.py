"""The management listener: probes and metrics on a port of their own, whatever becomes of the public one."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from app.chassis import about
from tests.chassis.running import Service, eventually


@contextmanager
def saturated(service: Service, seconds: float) -> Iterator[None]:
    """More requests than there are threads, each of which keeps its thread, or the event loop, to itself."""
    calls = [threading.Thread(target=service.http.get, args=(f"/probe/block?seconds={seconds}",)) for _ in range(4)]
    for call in calls:
        call.start()
    try:
        eventually(lambda: service.metric("http_server_active_requests") > 0)
        yield
    finally:
        for call in calls:
            call.join()


def test_all_three_are_there(managed: Service) -> None:
    assert managed.management.get("/livez").json() == {"status": "alive"}
    assert managed.management.get("/readyz").json()["status"] == "ready"
    assert managed.metric("app_build_info") == 1
    assert managed.management.get("/probe/ok").status_code == 404


def test_metrics_are_gone_from_the_public_port(managed: Service) -> None:
    assert managed.http.get("/metrics").status_code == 404
    assert managed.http.get("/livez").status_code == 200


def test_it_answers_while_the_public_port_is_saturated(managed: Service) -> None:
    with saturated(managed, 0.2):
        waited = threading.Thread(target=managed.http.get, args=("/probe/ok",))
        waited.start()
        for path in ("/livez", "/metrics"):
            assert managed.management.get(path).status_code == 200
        # Nobody was there to take the request all the while: the public port was full indeed.
        assert waited.is_alive()
        waited.join()


def test_it_says_ready_under_load(managed: Service) -> None:
    done = threading.Event()

    def call() -> None:
        while not done.is_set():
            managed.http.get("/probe/ok")

    calls = [threading.Thread(target=call) for _ in range(8)]
    for one in calls:
        one.start()
    try:
        time.sleep(0.2)
        assert managed.management.get("/readyz").status_code == 200
    finally:
        done.set()
        for one in calls:
            one.join()


@pytest.mark.beside
def test_a_stuck_event_loop_turns_liveness_red_until_it_runs_again(stalling: Service) -> None:
    if about.FRAMEWORK != "fastapi":
        pytest.skip("threads have no event loop that could be stuck")
    stuck = threading.Thread(target=stalling.ready().http.get, args=("/probe/block?seconds=2.6",))
    stuck.start()
    eventually(lambda: stalling.probe("/livez") == 503, seconds=2.6)
    assert stalling.management.get("/livez").json()["status"] == "stalled"
    stuck.join()
    eventually(lambda: stalling.probe("/livez") == 200)
