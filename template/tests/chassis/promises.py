"""Schemathesis' command, with what no document says: who the callers are, and what one of them has is nobody else's.

A process of its own, once the document is known to be valid: schemathesis takes a second to import.
"""

import json
import os
import sys
from collections.abc import Iterator
from typing import Any
from urllib.parse import urljoin
from uuid import uuid4

import httpx2
import schemathesis
from hypothesis import strategies
from schemathesis import Case, CheckContext, HookContext, Response
from schemathesis.cli import schemathesis as command

OTHER: dict[str, str] = json.loads(os.environ["OTHER"])
"""Headers of somebody who may do the same as whoever asks, with things of its own; none where everybody may."""
MADE: set[str] = set()
"""Ids of what whoever asks has made: of all other things nobody knows whose they are."""
REFUSED = (403, 404)
MEANT = "if it is meant to be shared, say so in schemathesis.toml (docs/testing.md)"

# What makes a password a bad one no schema can say.
schemathesis.openapi.format("password", strategies.uuids().map(str))


@schemathesis.hook
def before_call(context: HookContext, case: Case[Any], kwargs: dict[str, Any]) -> None:
    # It does not know that a key stands for one request: each gets one of its own, but what is no key stays as it is.
    key = str(case.headers.get("Idempotency-Key", "")) if case.headers else ""
    if 0 < len(key) < 256 and all("!" <= one <= "~" for one in key):
        case.headers["Idempotency-Key"] = uuid4().hex


@schemathesis.check
def others_get_nothing(ctx: CheckContext, response: Response, case: Case[Any]) -> None:
    """What I made nobody else gets: not where it was made, not with any request about it, and not in a list."""
    if not OTHER or not 200 <= response.status_code < 300 or not case.operation.definition.raw.get("security"):
        return
    if response.status_code == 201:
        MADE.update(own_id(response))
        for place in response.headers.get("location", []):
            refused(httpx2.get(urljoin(response.request.url or "", place), headers=OTHER), f"what was made at {place}")
    if MADE & {str(value) for value in case.path_parameters.values()}:
        refused(as_other(case), f"{case.method} {case.formatted_path}")
    elif case.method == "GET" and MADE & ids(response):
        shared = MADE & ids(response) & ids(as_other(case))
        assert not shared, f"{case.operation.label} lists {sorted(shared)[:3]} for somebody else, too: {MEANT}"


def as_other(case: Case[Any]) -> Response:
    theirs = case.derive()
    theirs.headers.update(OTHER)
    return theirs.call()


def refused(answer: Response | httpx2.Response, what: str) -> None:
    assert answer.status_code in REFUSED, f"{what} answers {answer.status_code} to somebody else: {MEANT}"


def own_id(response: Response) -> set[str]:
    """Not those of what it has in it, which may be everybody's."""
    said = read(response)
    return {str(said["id"])} if isinstance(said, dict) and "id" in said else set()


def ids(response: Response) -> set[str]:
    return set(named(read(response), "id"))


def read(response: Response) -> Any:
    try:
        return response.json()
    except ValueError:
        return None


def named(value: Any, name: str) -> Iterator[str]:
    """Every member of this name, however deep."""
    if isinstance(value, dict) and isinstance(value.get(name), str | int):
        yield str(value[name])
    for one in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        yield from named(one, name)


if __name__ == "__main__":
    schemathesis.openapi.from_url(sys.argv[-1]).validate()
    command()
