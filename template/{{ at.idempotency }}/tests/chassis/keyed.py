"""What the tests of idempotency keys speak to, and how."""

from dataclasses import dataclass, field
from threading import Lock
from typing import Any
from uuid import uuid4

from tests.chassis.conftest import Start
from tests.chassis.running import Service


@dataclass
class Keyed:
    """`url` is that of the database; `other` is another process; for `forgetful` an answer is old after a second."""

    url: str
    one: Service
    other: Service
    forgetful: Service
    prepared: bool = False
    lock: Lock = field(default_factory=Lock)

    @property
    def service(self) -> Service:
        """With a table for effects, once it is ready."""
        with self.lock:
            if not self.prepared:
                assert self.one.http.put("/probe/effects").status_code == 204
                self.prepared = True
        return self.one

    def again(self, start: Start) -> Service:
        """The service, started anew."""
        return start(**environment(self.url)).ready()


def environment(url: str) -> dict[str, str]:
    return {"DATABASE_URL": url, "TRUSTED_PROXIES": "127.0.0.1"}


def new_key() -> str:
    return uuid4().hex


def call(service: Service, key: str | None, *, text: str = "hello", caller: str = "10.1.1.1", **query: Any) -> Any:
    """POST /probe/calls"""
    headers = {"x-forwarded-for": caller} | ({} if key is None else {"idempotency-key": key})
    return service.http.post("/probe/calls", params=query, json={"text": text}, headers=headers)
