"""Slow statements: a line with the ids of the request and without values, a counter, and no flood."""

import time

import pytest

from tests.chassis.running import Service, eventually

EVENT = "database.slow_query"


@pytest.mark.beside("impatient")
def test_a_slow_statement_is_told_with_the_ids_of_its_request(impatient: Service) -> None:
    trace_id = "5f" * 16
    before = impatient.metric("db_client_slow_queries_total")
    headers = {"x-request-id": "slow-one", "traceparent": f"00-{trace_id}-00f067aa0ba902b7-00"}
    reply = impatient.http.get("/probe/slow", params={"secret": "hunter2"}, headers=headers)
    assert reply.status_code == 200, reply.text
    line = impatient.line(event=EVENT, request_id="slow-one")
    assert line["trace_id"] == trace_id
    assert (line["level"], 0.05 < line["seconds"] < 30) == ("warning", True)
    assert line["statement"].startswith(("SELECT", "WITH"))
    assert "error" not in line
    assert "hunter2" not in impatient.output()
    assert impatient.metric("db_client_slow_queries_total") == before + 1


@pytest.mark.beside("impatient")
def test_a_statement_that_its_limit_ended_is_told_too(impatient: Service) -> None:
    reply = impatient.http.get("/probe/slowest", params={"secret": "hunter2"}, headers={"x-request-id": "slowest-one"})
    assert reply.status_code == 503
    line = impatient.line(event=EVENT, request_id="slowest-one")
    assert line["seconds"] > 2.5
    assert line["error"].endswith(("Error", "Canceled", "Interrupted"))
    assert "hunter2" not in impatient.output()


@pytest.mark.beside("impatient")
def test_what_is_quick_has_no_line(impatient: Service) -> None:
    impatient.http.get("/probe/many", params={"number": 3}, headers={"x-request-id": "quick-one"})
    assert impatient.line(event="http.request", request_id="quick-one")
    assert not impatient.lines(event=EVENT, request_id="quick-one")


@pytest.mark.beside("pedantic")
def test_a_flood_is_counted_and_not_written(pedantic: Service) -> None:
    before = pedantic.metric("db_client_slow_queries_total")
    started = time.monotonic()
    pedantic.http.get("/probe/many", params={"number": 200}, headers={"x-request-id": "flood"})
    seconds = time.monotonic() - started
    assert pedantic.metric("db_client_slow_queries_total") >= before + 200
    time.sleep(1)
    pedantic.http.get("/probe/many", params={"number": 1})
    # The next line tells of those that there are not.
    eventually(lambda: sum(line.get("left_out", 0) for line in pedantic.lines(event=EVENT)) >= 150)
    # Ten for each second that had begun before, and has since.
    assert len(pedantic.lines(event=EVENT, request_id="flood")) <= 10 * (seconds + 2)


@pytest.mark.beside("indifferent")
def test_nothing_is_slow_where_nobody_asks(indifferent: Service) -> None:
    indifferent.http.get("/probe/slow", params={"secret": "any"})
    assert not indifferent.lines(event=EVENT)
    assert indifferent.metric("db_client_slow_queries_total") == 0
