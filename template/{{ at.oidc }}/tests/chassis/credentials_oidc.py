"""Tokens that tests use: of a provider that the services trust."""

from tests.chassis.provider import provider


def headers(_url: str, subject: str, *scopes: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {provider().token(subject, scope=' '.join(scopes))}"}


def wrong() -> dict[str, str]:
    return {"Authorization": "Bearer hunter2"}
