"""Keys that tests use: issued as an operator does it."""

import re

from tests.chassis.running import called


def issued(url: str, *arguments: str) -> str:
    """The new key, for the service with this database."""
    printed = called("app.chassis.api_keys.manage", *arguments, DATABASE_URL=url)
    (key,) = re.findall("^key_.+$", printed, re.MULTILINE)
    return str(key)


def headers(url: str, subject: str, *scopes: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {issued(url, 'issue', subject, '--scopes', ','.join(scopes))}"}


def wrong() -> dict[str, str]:
    return {"Authorization": "Bearer hunter2"}
