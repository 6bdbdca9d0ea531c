"""Keys that services of the tests sign with, and tokens as these sign them, or as somebody else would."""

from functools import cache
from pathlib import Path
from tempfile import mkdtemp

from app.chassis.tokens import Settings
from app.chassis.tokens.signing import Keys, new


def make(folder: Path, name: str) -> None:
    (folder / name).write_bytes(new().as_pem(private=True))


@cache
def folder() -> Path:
    """Every service of the tests has it."""
    made = Path(mkdtemp(prefix="keys-"))
    make(made, "1.pem")
    return made


@cache
def keys() -> Keys:
    return Keys(folder())


def token(subject: str, *scopes: str) -> str:
    settings = Settings(jwt_keys=folder())
    return keys().issue(settings, subject=subject, scopes=frozenset(scopes), roles=frozenset(), tenant="")[0]
