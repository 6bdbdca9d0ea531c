"""What transactions of the probe service get in each other's way about."""

from typing import Any
from uuid import uuid4

import pytest

from tests.chassis.rivals import SYSTEM
from tests.chassis.running import Service

deadlocks = pytest.mark.skipif(SYSTEM == "sqlite", reason="SQLite has one writer at a time, who waits for none")


class Rows:
    """Two numbers, both 0 at first, that a name has."""

    def __init__(self, service: Service) -> None:
        self.service, self.name = service, uuid4().hex
        self.refuses = service.http.put("/probe/rows").json()
        assert service.http.put(f"/probe/rows/{self.name}").status_code == 204

    def post(self, what: str, *, headers: dict[str, str] | None = None, **query: Any) -> Any:
        return self.service.http.post(f"/probe/rows/{self.name}/{what}", params=query, headers=headers)

    def now(self) -> tuple[list[int], int]:
        """The numbers, and how many attempts there were."""
        found = self.service.http.get(f"/probe/rows/{self.name}").json()
        return found["numbers"], found["attempts"]

    def retries(self, reason: str = "") -> float:
        labels = {"reason": reason} if reason else {}
        return self.service.metric("database_retries_total", **labels)
