"""Waiting for the issuer's keys without keeping the event loop."""

import asyncio
import threading
from collections.abc import Awaitable, Callable

from app.chassis.errors import Unavailable
from app.chassis.keyring import Keyring


def known(
    ring: Keyring, key_id: str, then: Callable[[], None], give_up: Callable[[Unavailable], None]
) -> Awaitable[None] | None:
    """Call `then` when the key is there, or nobody has it; `give_up` when that cannot be found out now."""
    if ring.lacks(key_id):
        return _refreshed(ring, then, give_up)
    if ring.is_old():
        threading.Thread(target=ring.refresh_quietly, name="oidc-keys", daemon=True).start()
    try:
        then()
    except Unavailable as error:
        give_up(error)
    return None


async def _refreshed(ring: Keyring, then: Callable[[], None], give_up: Callable[[Unavailable], None]) -> None:
    try:
        await asyncio.to_thread(ring.refresh)
        then()
    except Unavailable as error:
        give_up(error)
