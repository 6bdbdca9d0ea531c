"""The management listener: probes and metrics on a port of their own, whatever becomes of the public one."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from app.chassis import about
from tests.chassis.running import Service, eventually

# Requests that a service with two threads, or one event loop, is at when each of them blocks.
PLACES = 1 if about.FRAMEWORK == "fastapi" else 2


@contextmanager
def saturated(service: Service) -> Iterator[None]:
    """More requests than there are threads, each of which keeps its thread, or the event loop, to itself."""
    go_on = service.folder / f"go-on-{time.monotonic_ns()}"
    path = f"/probe/block?until={go_on.name}"
    calls = [threading.Thread(target=service.http.get, args=(path,)) for _ in range(4)]
    for call in calls:
        call.start()
    try:
        # All of its threads: one that is free would take the next request.
        eventually(lambda: service.metric("http_server_active_requests") >= PLACES)
        yield
    finally:
        go_on.touch()
        for call in calls:
            call.join()


@pytest.mark.beside("managed")
def test_all_three_are_there(managed: Service) -> None:
    assert managed.management.get("/livez").json() == {"status": "alive"}
    # Another test may just have said that it is not.
    eventually(lambda: managed.management.get("/readyz").json()["status"] == "ready")
    assert managed.metric("app_build_info") == 1
    assert managed.management.get("/probe/ok").status_code == 404


@pytest.mark.beside("managed")
def test_metrics_are_gone_from_the_public_port(managed: Service) -> None:
    assert managed.http.get("/metrics").status_code == 404
    assert managed.http.get("/livez").status_code == 200


@pytest.mark.beside("managed")
def test_it_answers_while_the_public_port_is_saturated(managed: Service) -> None:
    with saturated(managed):
        waited = threading.Thread(target=managed.http.get, args=("/probe/ok",))
        waited.start()
        assert managed.management.get("/metrics").status_code == 200
        # An event loop that has stood still for a second, on a busy machine, is stalled; it says so at once.
        assert managed.management.get("/livez").json()["status"] in {"alive", "stalled"}
        # Nobody was there to take the request all the while: the public port was full indeed.
        assert waited.is_alive()
    waited.join()


@pytest.mark.beside("managed")
def test_it_says_ready_under_load(managed: Service) -> None:
    managed.ready()
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
    with saturated(stalling.ready()):
        eventually(lambda: stalling.probe("/livez") == 503)
        assert stalling.management.get("/livez").json()["status"] == "stalled"
    eventually(lambda: stalling.probe("/livez") == 200)
