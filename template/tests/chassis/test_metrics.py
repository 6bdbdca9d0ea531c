"""Metrics: what /metrics says, read as Prometheus reads it."""

import threading

import pytest

from app.chassis import about
from tests.chassis.running import Service, eventually

COUNT = "http_server_request_duration_seconds_count"
ITEMS = {"method": "GET", "route": "/probe/items/{item_id}"}


def test_every_request_is_counted_once_by_method_template_and_status(production: Service) -> None:
    before = {status: production.metric(COUNT, **ITEMS, status=status) for status in ("200", "422")}
    for number in range(5):
        production.http.get(f"/probe/items/{number}")
    production.http.get("/probe/items/seven")
    assert production.metric(COUNT, **ITEMS, status="200") == before["200"] + 5
    assert production.metric(COUNT, **ITEMS, status="422") == before["422"] + 1


def test_errors_are_counted(production: Service) -> None:
    before = production.metric(COUNT, route="/probe/boom", status="500")
    production.http.get("/probe/boom")
    assert production.metric(COUNT, route="/probe/boom", status="500") == before + 1


def test_durations_fall_into_buckets_and_add_up(production: Service) -> None:
    name, labels = "http_server_request_duration_seconds", {"route": "/probe/sleep", "status": "200"}
    # Event loops count in milliseconds and may wake one of them early.
    production.http.get("/probe/sleep?seconds=0.032")
    assert production.metric(f"{name}_sum", **labels) >= 0.03
    assert production.metric(f"{name}_bucket", **labels, le="0.025") == 0
    assert production.metric(f"{name}_bucket", **labels, le="+Inf") == production.metric(f"{name}_count", **labels)


def test_what_a_client_makes_up_becomes_no_label(production: Service) -> None:
    production.http.get("/made/up")
    production.http.request("BREW", "/probe/ok")
    before, known = production.metric(COUNT), len(list(production.samples(COUNT)))
    for number in range(5):
        production.http.get(f"/made/up/{number}")
        production.http.request(f"BREW{number}", "/probe/ok")
    assert production.metric(COUNT) == before + 10
    assert len(list(production.samples(COUNT))) == known
    assert production.metric(COUNT, route="unmatched") >= 5
    assert production.metric(COUNT, method="_OTHER") >= 5


@pytest.mark.beside("managed")
def test_requests_in_flight_are_counted_while_they_run(managed: Service) -> None:
    name = "http_server_active_requests"
    assert managed.metric(name) == 0
    calls = [threading.Thread(target=managed.http.get, args=("/probe/sleep?seconds=1",)) for _ in range(2)]
    for call in calls:
        call.start()
    eventually(lambda: managed.metric(name) == 2, seconds=1)
    for call in calls:
        call.join()
    assert managed.metric(name) == 0


def test_the_database_s_connections_are_counted(production: Service) -> None:
    production.http.get("/probe/sql")
    assert 1 <= production.metric("db_client_connection_count") <= production.metric("db_client_connection_max")


def test_probes_are_no_requests(production: Service) -> None:
    before = production.metric(COUNT)
    production.http.get("/livez")
    production.http.get("/readyz")
    assert production.metric(COUNT) == before


def test_what_is_running_is_said(production: Service) -> None:
    ((labels, value),) = production.samples("app_build_info")
    assert value == 1
    assert (labels["service"], labels["version"], labels["framework"]) == (about.NAME, "7.6.5", about.FRAMEWORK)


def test_the_type_is_the_one_that_prometheus_reads(production: Service) -> None:
    assert production.http.get("/metrics").headers["content-type"].startswith("text/plain; version=0.0.4")
