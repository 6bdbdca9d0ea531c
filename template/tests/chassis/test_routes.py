"""What routes declare, found before the framework has looked for them."""

import pytest

from app.chassis import routes
from app.chassis.exchange import Exchange
from app.chassis.routes import Criticality, declare


@declare(criticality=Criticality.CRITICAL_PLUS)
def place() -> None: ...


@declare(seconds=2.5, rate_class="reads")
def read() -> None: ...


def plain() -> None: ...


TABLE = [
    ("POST", "/v1/orders", place),
    ("GET", "/v1/orders", plain),
    ("GET", "/v1/orders/{order_id}", read),
    ("GET", "/files/{name:path}", read),
    ("GET", "/a.b/{one}/{two:int}", read),
]


@pytest.fixture(autouse=True)
def _learned(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(routes, "_known", [])
    monkeypatch.setattr(routes, "_exact", {})
    monkeypatch.setattr(routes, "_patterns", {})
    routes.learn(TABLE)


@pytest.mark.parametrize(
    ("method", "path", "view"),
    [
        ("POST", "/v1/orders", place),
        ("GET", "/v1/orders", plain),
        ("HEAD", "/v1/orders/7", read),
        ("GET", "/v1/orders/7", read),
        ("DELETE", "/v1/orders/7", plain),
        ("GET", "/v1/orders/7/lines", plain),
        ("GET", "/v1/orders/", plain),
        ("GET", "/files/a/b/c", read),
        ("GET", "/a.b/1/2", read),
        ("GET", "/aXb/1/2", plain),
        ("GET", "/nowhere", plain),
    ],
)
def test_a_request_meets_the_policy_of_its_route(method: str, path: str, view: object) -> None:
    assert routes.policy_of(Exchange(method, path, "")) == routes.declared(view)


def test_a_view_stays_what_it_is() -> None:
    assert declare(seconds=1)(plain) is plain
    delattr(plain, routes.DECLARED)


@pytest.mark.parametrize("seconds", [0, -1, float("nan")])
def test_a_budget_that_nobody_can_keep_is_refused(seconds: float) -> None:
    with pytest.raises(ValueError, match="give more than 0"):
        declare(seconds=seconds)


def test_every_policy_is_known_once() -> None:
    assert routes.policies() == {routes.DEFAULT, routes.declared(place), routes.declared(read)}
