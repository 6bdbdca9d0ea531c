"""The store that replicas count in together, asked by the thread that serves the request."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from app.chassis import rate_script
from app.chassis.exchange import Reply
from app.chassis.gcra import Limit, Verdict

Judge = Callable[[Verdict], Reply | None]


class Store(rate_script.Store):
    def __init__(self, url: str) -> None:
        super().__init__()
        # Imported here: most services count for themselves.
        from redis import Redis  # noqa: PLC0415

        self.client: Any = Redis.from_url(url, **self.options)
        self.script = self.client.register_script(rate_script.SCRIPT)

    def take(self, key: str, limit: Limit) -> Verdict:
        if not self.ready():
            return rate_script.OPEN
        try:
            answer = self.script([rate_script.PREFIX + key], rate_script.arguments(limit))
            return rate_script.verdict(answer)
        except Exception as error:  # noqa: BLE001 - whatever it is, the service works without it
            return self.failed(error)


@contextmanager
def opened(url: str, use: Callable[[Store | None], None]) -> Iterator[None]:
    """Tell `use` of the store, if there is one, for as long as the service runs."""
    store = Store(url) if url else None
    use(store)
    try:
        yield
    finally:
        use(None)
        if store is not None:
            store.client.close()


def ask(store: Store, key: str, limit: Limit, judge: Judge) -> Reply | None:
    return judge(store.take(key, limit))
