"""Passwords: which are taken, and how they are kept.

NIST SP 800-63B-4, section 3.1.1.2: a length and a list of what others use, no rules about what they are made of.
"""

import threading
import unicodedata
from functools import cache
from typing import Final

from pwdlib import PasswordHash
from pwdlib.hashers.argon2 import Argon2Hasher

from app.chassis import about
from app.chassis.accounts import Settings
from app.chassis.errors import Invalid, Unavailable
from app.chassis.settings import load

LEAST_CHARACTERS: Final = 8
MOST_CHARACTERS: Final = 1024
LEAST_DIFFERENT: Final = 3
AT_ONCE: Final = 2
MOST_WAITING: Final = 4
"""Threads that hash or wait for it: of as many as a service has, most must stay for what is no login."""
EDGES: Final = "0123456789!?.,;:@#$%&*+-_=~^ "


def same(password: str) -> str:
    """One text for what looks the same, however a keyboard writes it."""
    return unicodedata.normalize("NFKC", password)


def check(password: str, name: str, pointer: str) -> None:
    """Raises Invalid for a password that others would guess; `pointer` says where in the request it stands."""
    text = same(password)
    least = load(Settings).password_min_length
    if len(text) < least:
        reason = f"A password has at least {least} characters."
    elif len(password) > MOST_CHARACTERS:
        reason = f"A password has at most {MOST_CHARACTERS} characters."
    elif "\0" in text:
        reason = "A password has no NUL character."
    elif is_guessed(text.casefold(), name):
        reason = "This password is among those that are guessed first: take another one, such as a few random words."
    else:
        return
    raise Invalid("Some values were refused.", [{"detail": reason, "pointer": pointer}])


def is_guessed(folded: str, name: str) -> bool:
    own = {name, name.partition("@")[0], about.NAME}
    return folded in common() or folded.strip(EDGES) in {"", *own} or len(set(folded)) < LEAST_DIFFERENT


@cache
def common() -> frozenset[str]:
    """Those that were used most in what was stolen elsewhere."""
    from zxcvbn.frequency_lists import FREQUENCY_LISTS  # noqa: PLC0415 - for the first registration, not for the start

    return frozenset(FREQUENCY_LISTS["passwords"])


# -- how they are kept -------------------------------------------------------------------------------------------------


@cache
def _hasher() -> PasswordHash:
    settings = load(Settings)
    cost = Argon2Hasher(time_cost=settings.argon2_passes, memory_cost=settings.argon2_memory, parallelism=1)
    return PasswordHash([cost])


_waiting = threading.BoundedSemaphore(MOST_WAITING)
_at_work = threading.BoundedSemaphore(AT_ONCE)


class _Turn:
    """Few at a time: each takes ARGON2_MEMORY, and a core for as long. Raises Unavailable when enough wait."""

    def __enter__(self) -> None:
        if not _waiting.acquire(blocking=False):
            raise Unavailable("Too many log in at the same time; try again.")
        _at_work.acquire()

    def __exit__(self, *_: object) -> None:
        _at_work.release()
        _waiting.release()


def hashed(password: str) -> str:
    """Takes tens of milliseconds: for a thread, not for the event loop."""
    with _Turn():
        return _hasher().hash(same(password))


def verified(password: str, stored: str | None) -> tuple[bool, str | None]:
    """Whether it is the password, and what to store from now on if the cost has changed.

    Without a stored one it takes as long: nobody learns which accounts there are.
    """
    with _Turn():
        dummy = nobody()
        right, better = _hasher().verify_and_update(same(password), dummy if stored is None else stored)
    return (right, better) if stored is not None else (False, None)


@cache
def nobody() -> str:
    """The hash of no one's password."""
    return _hasher().hash("the password of nobody")
