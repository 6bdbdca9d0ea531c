"""An OpenID provider on a socket: discovery and keys, as good or as bad as a test wants them."""

import json
import threading
from collections import Counter
from functools import cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from joserfc import jwk

from tests.chassis.forgeries import Issuer

AUDIENCE = "orders-api"


class Provider(Issuer):
    """`away` hangs up on whoever asks for anything; `asked` counts requests by path."""

    def __init__(self) -> None:
        self.away = False
        self.asked: Counter[str] = Counter()
        provider = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                provider.asked[self.path] += 1
                if provider.away:
                    self.close_connection = True
                    return
                status, kind, body = provider.answer(self.path)
                self.send_response(status)
                self.send_header("content-type", kind)
                self.send_header("content-length", str(len(body)))
                if status == 302:
                    self.send_header("location", f"{provider.url}/.well-known/openid-configuration")
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_args: Any) -> None:
                """Nothing."""

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        url = f"http://127.0.0.1:{self.server.server_address[1]}"
        super().__init__(url, AUDIENCE, {"one": jwk.generate_key("EC", "P-256", {"kid": "one"})})
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def answer(self, path: str) -> tuple[int, str, bytes]:
        """Under /NAME it is a provider that does that."""
        name, _, rest = path[1:].partition("/")
        if rest == ".well-known/openid-configuration":
            return misbehave(name, self.url)
        if path == "/keys":
            return as_json({"keys": [key.as_dict(private=False) for key in self.keys.values()]})
        if name == "keys":
            return as_json(SETS[rest])
        return as_json({"issuer": self.url, "jwks_uri": f"{self.url}/keys"})

    def rotate(self, name: str) -> None:
        """A new key signs from now on; the old ones stay."""
        self.keys = {name: jwk.generate_key("EC", "P-256", {"kid": name}), **self.keys}


def as_json(value: Any, status: int = 200) -> tuple[int, str, bytes]:
    return status, "application/json", json.dumps(value).encode()


def misbehave(name: str, url: str) -> tuple[int, str, bytes]:
    odd = {
        "html": (200, "text/html", b"<html>Log in</html>"),
        "list": as_json([]),
        "huge": (200, "application/json", b" " * (2 << 20)),
        "error": as_json({}, 500),
        "redirect": as_json({}, 302),
        "liar": as_json({"issuer": f"{url}/other", "jwks_uri": f"{url}/keys"}),
        "elsewhere": as_json({"issuer": f"{url}/elsewhere", "jwks_uri": "http://198.51.100.7/keys"}),
        "without": as_json({"issuer": f"{url}/without"}),
    }
    return odd.get(name, as_json({"issuer": f"{url}/{name}", "jwks_uri": f"{url}/keys/{name}"}))


SETS: dict[str, Any] = {
    "empty": {"keys": []},
    "nothing": {},
    "secrets": {"keys": [{"kty": "oct", "kid": "a", "k": "c2VjcmV0"}]},
    "small": {"keys": [{"kty": "RSA", "kid": "a", "e": "AQAB", "n": "_" * 170 + "w"}]},
    "encryption": {"keys": [jwk.generate_key("EC", "P-256", {"kid": "a", "use": "enc"}).as_dict(private=False)]},
    "nameless": {"keys": [jwk.generate_key("EC", "P-256").as_dict(private=False)]},
    "unheard-of": {
        "keys": [{"kty": "EC", "kid": "a", "crv": "BP-256", "x": "AA", "y": "AA"}, {"kty": ["EC"], "kid": "b"}]
    },
    "broken": {"keys": [{"kty": "EC", "kid": "a", "crv": "P-256", "x": "?", "y": "?"}, 7, None]},
}


@cache
def provider() -> Provider:
    """The one that the services of the tests trust."""
    return Provider()
