"""What happens to orders after their request was answered."""

from typing import Any

from app.chassis.jobs.fixtures import RunJobs

ORDER = {"currency": "EUR", "lines": [{"sku": "A-1", "quantity": 2, "unit_price": 1250}]}


def test_placing_an_order_sends_a_receipt(client: Any, run_jobs: RunJobs) -> None:
    assert client.post("/v1/orders", json=ORDER).status_code == 201
    assert run_jobs() == ["orders.send_receipt"]


def test_an_order_that_is_refused_sends_none(client: Any, run_jobs: RunJobs) -> None:
    assert client.post("/v1/orders", json=ORDER | {"currency": "eur"}).status_code == 422
    assert run_jobs() == []


def test_all_orders_are_exported(client: Any, run_jobs: RunJobs) -> None:
    placed = [client.post("/v1/orders", json=ORDER).json()["id"] for _ in range(3)]
    reply = client.post("/v1/orders/all/exports")
    assert reply.status_code == 202
    assert int(reply.headers["retry-after"]) > 0
    assert client.get(reply.headers["location"]).json()["state"] == "queued"
    run_jobs()
    job = client.get(reply.headers["location"]).json()
    assert (job["state"], job["progress"]) == ("succeeded", {"done": 3, "total": 3})
    header, *lines = job["result"]["csv"].splitlines()
    assert header == "id,status,currency,total,created_at"
    assert [line.split(",")[0] for line in lines] == placed
