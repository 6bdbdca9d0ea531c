"""An authorization server, and the service that takes its tokens."""

import json
import socket
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs

from tests.chassis.faulty import Asked, Faulty, reply

SECRET = "sw0rdfish&chips"


@dataclass
class Issuing(Faulty):
    """Gives tokens at /token, and answers at /api to whoever brings one that is good.

    What is in `gives` takes the place of what its answer says, `body` of all of it. One that `keeps_back` tokens gives
    them once `go` is set; one that does not trust takes none.
    """

    gives: dict[str, Any] = field(default_factory=dict)
    body: bytes | None = None
    token_status: int = 200
    keeps_back: bool = False
    trusts: bool = True
    given: list[str] = field(default_factory=list)

    def answer(self, connection: socket.socket, asked: Asked, count: int) -> bool:
        kind = asked.path.split("/")[1]
        if kind not in {"token", "api"}:
            return super().answer(connection, asked, count)
        connection.sendall(self.token() if kind == "token" else self.api(asked))
        return True

    def token(self) -> bytes:
        if self.keeps_back:
            self.go.wait(20)
        if self.token_status != 200:
            return reply(self.token_status, self.body or b'{"error": "invalid_client"}')
        with self.lock:
            self.given.append(f"t0ken-{len(self.given)}-{id(self):x}")
        said = {"access_token": self.given[-1], "token_type": "Bearer", "expires_in": 1000}
        return reply(200, json.dumps(said | self.gives).encode() if self.body is None else self.body)

    def api(self, asked: Asked) -> bytes:
        """Only the token that was given last is good."""
        good = self.trusts and self.given and asked.headers.get("authorization") == f"Bearer {self.given[-1]}"
        return reply(200 if good else 401, asked.body)

    def revoke(self) -> None:
        """Nobody has a token that is good any more."""
        self.given.append("one that nobody has")

    def form(self) -> dict[str, list[str]]:
        """What was sent to it last."""
        return parse_qs(next(one for one in reversed(self.asked) if one.path == "/token").body.decode())
