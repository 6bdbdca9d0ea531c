"""The token that a client's calls carry: fetched once, however many calls wait for it."""

from concurrent.futures import Future
from contextvars import Context
from threading import Lock, Thread

from app.chassis.client import Client
from app.chassis.client_credentials import Token, Tokens
from app.chassis.failures import NoToken

Fetched = Token | Exception


class Bearer:
    """`client` is that of the authorization server."""

    def __init__(self, tokens: Tokens, client: Client) -> None:
        self.tokens = tokens
        self.client = client
        self.lock = Lock()
        self.task: Future[Fetched] | None = None

    def token(self, seconds: float) -> str:
        """One to use, within so many seconds. Raises NoToken and TimeoutError."""
        self.tokens.used()
        kept = self.tokens.kept()
        if kept is None or self.tokens.is_ageing(kept):
            task = self.fetching()
            if kept is None:
                return self.got(task.result(seconds))
        return kept.value

    def got(self, fetched: Fetched) -> str:
        if isinstance(fetched, Exception):
            raise NoToken(self.tokens.name) from fetched
        return fetched.value

    def fetching(self) -> "Future[Fetched]":
        """The one fetch that is under way; begun by one call it is no part of it, nor of its request's time."""
        with self.lock:
            kept = self.tokens.kept()
            # Another thread may have fetched one in the meantime.
            if self.task is None or (self.task.done() and (kept is None or self.tokens.is_ageing(kept))):
                task: Future[Fetched] = Future()
                Thread(target=Context().run, args=(self.fetch, task), name=self.tokens.name, daemon=True).start()
                self.task = task
            return self.task

    def fetch(self, task: "Future[Fetched]") -> None:
        credentials = self.tokens.credentials
        try:
            answer = self.client.post(credentials.token_url, **credentials.request())
            task.set_result(self.tokens.keep(answer.status_code, answer.content))
        except Exception as error:  # noqa: BLE001 - it is every waiting call's
            self.tokens.failed(error)
            task.set_result(error)
