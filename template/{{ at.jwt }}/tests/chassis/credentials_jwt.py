"""Tokens that tests use: signed as the services sign them."""

from tests.chassis.keys import token


def headers(_url: str, subject: str, *scopes: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token(subject, *scopes)}"}


def wrong() -> dict[str, str]:
    return {"Authorization": "Bearer hunter2"}
