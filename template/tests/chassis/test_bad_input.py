"""Bad input: whatever comes over the wire is the client's mistake, and the service lives on."""

import json
import re
import socket
from collections.abc import Iterator

import pytest

from tests.chassis.running import Service

HOST = b"host: 127.0.0.1\r\n"
JSON = b"content-type: application/json\r\n"


@pytest.fixture(autouse=True)
def _unharmed(production: Service) -> Iterator[None]:
    """After each of these the service answers as before, and has noticed nothing that was its own fault."""
    errors = production.metric("http_server_request_duration_seconds_count", status="500")
    yield
    assert production.http.get("/probe/ok").status_code == 200
    assert production.metric("http_server_request_duration_seconds_count", status="500") == errors


def send(service: Service, data: bytes) -> tuple[int, bytes, bytes]:
    """Status, head and body of the reply to these very bytes; status 0 when the server just hung up."""
    with socket.create_connection(("127.0.0.1", service.port), timeout=5) as connection:
        received = b""
        try:
            connection.sendall(data)
            while part := connection.recv(1 << 16):
                received += part
                if is_complete(received):
                    break
        except ConnectionError:
            # It answered, or hung up, before it had read everything.
            pass
    head, _, body = received.partition(b"\r\n\r\n")
    return int(head.split(b" ", 2)[1]) if head else 0, head, body


def is_complete(received: bytes) -> bool:
    head, end, body = received.partition(b"\r\n\r\n")
    length = re.search(rb"(?i)\r\ncontent-length: (\d+)", head)
    return bool(end) and length is not None and len(body) >= int(length[1])


def get(target: bytes, headers: bytes = b"") -> bytes:
    return b"GET " + target + b" HTTP/1.1\r\n" + HOST + headers + b"\r\n"


def post(body: bytes, headers: bytes = JSON) -> bytes:
    return b"POST /probe/echo HTTP/1.1\r\n" + HOST + headers + b"content-length: %d\r\n\r\n" % len(body) + body


def assert_refused(service: Service, data: bytes, *statuses: int) -> None:
    """4xx, and a problem wherever the request came as far as the service."""
    status, head, body = send(service, data)
    assert status in (statuses or range(400, 500)), head + body
    if b"x-request-id" in head:
        assert b"content-type: application/problem+json" in head, head
        assert json.loads(body)["status"] == status


DEEP = b"[" * 100_000


@pytest.mark.parametrize(
    "body",
    [
        b"{",
        b"{'text': 'a'}",
        b'{"text": "a",}',
        b'{"text": "a"} b',
        b'{"text": NaN}',
        b'{"text": "\\ud800"}',
        b'{"text": "a\x00"}',
        b'{"text": "\xff\xfe"}',
        b"\x00",
        b"\xef\xbb\xbf{}",
        b'{"text": ' + b"9" * 5000 + b"}",
        DEEP,
        b'{"text": ' + DEEP + b"}",
        b'{"a":' * 50_000,
    ],
    ids=range(14),
)
def test_bad_json(production: Service, body: bytes) -> None:
    assert_refused(production, post(body), 400, 422)


@pytest.mark.parametrize("kind", [b"", b"content-type: \r\n", b"content-type: a/b\r\n", b"content-type: \xff\r\n"])
def test_bad_content_type(production: Service, kind: bytes) -> None:
    assert_refused(production, post(b'{"text": "a"}', kind), 400, 415)


@pytest.mark.parametrize(
    "target",
    [
        b"/probe/items/%00",
        b"/probe/items/1%00",
        b"/probe/items/\xff",
        b"/probe/items/%ff%fe",
        b"/probe/items/%",
        b"/probe/items/%zz",
        b"/probe/items/%c0%ae%c0%ae",
        b"/probe/items/" + b"9" * 5000,
        b"/probe/items/1e3",
        b"/probe/items/%D9%A1x",
        b"/probe/items/" + b"a" * 60_000,
        b"/" + b"%2e%2e/" * 20 + b"etc/passwd",
        b"//evil.example.com/probe/items",
        b"/probe/sleep?seconds=%00",
        b"/probe/sleep?seconds=%ff",
        b"/probe/sleep?seconds=%",
        b"/probe/sleep?seconds=\xff",
        b"/probe/sleep?" + b"&".join(b"x=1" for _ in range(5000)),
        b"http://evil.example.com/probe/nowhere",
        b"http://evil.example.com:99999/",
        b"probe/ok",
        b"*",
    ],
)
def test_bad_target(production: Service, target: bytes) -> None:
    assert_refused(production, get(target))


@pytest.mark.parametrize(
    "headers",
    [
        HOST + b"host: evil.example.com\r\n",
        b"content-length: 5\r\ncontent-length: 6\r\n",
        b"content-length: -1\r\n",
        b"content-length: +1\r\n",
        b"content-length: 99999999999999999999\r\n",
        b"transfer-encoding: nonsense\r\n",
        b"no colon\r\n",
        b"bad name: x\r\n",
        b"x-nul: a\x00b\r\n",
        b"x-long: " + b"a" * 200_000 + b"\r\n",
        b"".join(b"x-%d: 1\r\n" % number for number in range(5000)),
    ],
    ids=range(11),
)
def test_bad_headers(production: Service, headers: bytes) -> None:
    assert_refused(production, get(b"/probe/ok", headers), 0, *range(400, 500))


@pytest.mark.parametrize(
    "headers",
    [
        b"x-request-id: \xff\xfe\r\n",
        b"x-request-id: a\r\nx-request-id: b\r\n",
        b"traceparent: \xff\r\ntracestate: \xff\r\n",
        b"traceparent: 00-" + b"a" * 32 + b"-" + b"b" * 16 + b"-01\r\ntracestate: \xff=,=\xff\r\n",
        b"cookie: \xff=\x80; =; ;;\r\n",
        b"accept: \xff\r\naccept-language: \xff\r\n",
        b"origin: \xff\r\n",
        b"authorization: Bearer \xff\r\n",
        b"if-none-match: \xff\r\nrange: bytes=9-1\r\n",
    ],
)
def test_headers_that_nobody_can_read_do_no_harm(production: Service, headers: bytes) -> None:
    status, _, _ = send(production, get(b"/probe/ok", headers))
    assert status in {200, 400}


@pytest.mark.parametrize(
    "chunks",
    [b"zz\r\nabc\r\n", b"5\r\nabc\r\n0\r\n\r\n", b"ffffffffffffffffff\r\n", b"-1\r\n\r\n"],
)
def test_bad_chunks(production: Service, chunks: bytes) -> None:
    data = b"POST /probe/echo HTTP/1.1\r\n" + HOST + JSON + b"transfer-encoding: chunked\r\n\r\n" + chunks
    assert_refused(production, data, 0, *range(400, 500))


@pytest.mark.parametrize(
    "line",
    [b"GET /probe/ok HTTP/9.9", b"GET", b"\x16\x03\x01", b"\xff /probe/ok HTTP/1.1", b"GET  /probe/ok  HTTP/1.1"],
)
def test_what_is_no_request(production: Service, line: bytes) -> None:
    assert_refused(production, line + b"\r\n" + HOST + b"\r\n", 0, *range(400, 500), 505)


def test_two_lengths_end_the_connection(production: Service) -> None:
    """What a proxy would take for the next request must not be taken for one here (RFC 9112, section 6.1)."""
    smuggled = b"0\r\n\r\nGET /probe/log?message=smuggled HTTP/1.1\r\n" + HOST + b"\r\n"
    both = JSON + b"content-length: 5\r\ntransfer-encoding: chunked\r\n"
    status, head, _ = send(production, b"POST /probe/echo HTTP/1.1\r\n" + HOST + both + b"\r\n" + smuggled)
    assert 400 <= status < 500
    assert b"connection: close" in head.lower()
    production.http.get("/probe/log?message=afterwards")
    assert production.line(event="afterwards")
    assert not production.lines(event="smuggled")


def test_a_missing_host(production: Service) -> None:
    assert_refused(production, b"GET /probe/ok HTTP/1.1\r\n\r\n", 400)


def test_a_client_that_leaves_in_the_middle(production: Service) -> None:
    with socket.create_connection(("127.0.0.1", production.port)) as connection:
        connection.sendall(post(b"x" * 1000)[:-500])


def test_a_body_where_none_is_expected(production: Service) -> None:
    status, _, _ = send(production, get(b"/probe/ok", JSON + b"content-length: 3\r\n") + b"abc")
    assert status in {200, 400}
