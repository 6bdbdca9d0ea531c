"""Waiting for the issuer's keys: the thread of the request does."""

import threading
from collections.abc import Callable

from app.chassis.errors import Unavailable
from app.chassis.keyring import Keyring


def known(ring: Keyring, key_id: str, then: Callable[[], None], give_up: Callable[[Unavailable], None]) -> None:
    """Call `then` when the key is there, or nobody has it; `give_up` when that cannot be found out now."""
    try:
        if ring.lacks(key_id):
            ring.refresh()
        elif ring.is_old():
            threading.Thread(target=ring.refresh_quietly, name="oidc-keys", daemon=True).start()
        then()
    except Unavailable as error:
        give_up(error)
