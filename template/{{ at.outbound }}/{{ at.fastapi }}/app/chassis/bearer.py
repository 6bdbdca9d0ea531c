"""The token that a client's calls carry: fetched once, however many calls wait for it."""

import asyncio
from contextvars import Context

from app.chassis.client import Client
from app.chassis.client_credentials import Token, Tokens
from app.chassis.failures import NoToken

Fetched = Token | Exception


class Bearer:
    """`client` is that of the authorization server."""

    def __init__(self, tokens: Tokens, client: Client) -> None:
        self.tokens = tokens
        self.client = client
        self.task: asyncio.Task[Fetched] | None = None

    async def token(self, seconds: float) -> str:
        """One to use, within so many seconds. Raises NoToken and TimeoutError."""
        self.tokens.used()
        kept = self.tokens.kept()
        if kept is None or self.tokens.is_ageing(kept):
            task = self.fetching()
            if kept is None:
                async with asyncio.timeout(seconds):
                    # It goes on when this call does not: others wait for it too.
                    return self.got(await asyncio.shield(task))
        return kept.value

    def got(self, fetched: Fetched) -> str:
        if isinstance(fetched, Exception):
            raise NoToken(self.tokens.name) from fetched
        return fetched.value

    def fetching(self) -> "asyncio.Task[Fetched]":
        """The one fetch that is under way; begun by one call it is no part of it, nor of its request's time."""
        loop = asyncio.get_running_loop()
        if self.task is None or self.task.done() or self.task.get_loop() is not loop:
            self.task = loop.create_task(self.fetch(), context=Context())
        return self.task

    async def fetch(self) -> Fetched:
        credentials = self.tokens.credentials
        try:
            answer = await self.client.post(credentials.token_url, **credentials.request())
            return self.tokens.keep(answer.status_code, answer.content)
        except Exception as error:  # noqa: BLE001 - it is every waiting call's
            self.tokens.failed(error)
            return error
