"""Cached functions, and who changes what they load."""

from typing import Any

from django.core.cache import cache
from django.db import connection, transaction
from django.http import HttpRequest
from ninja import Router

from app.chassis.auth import principal
from app.chassis.cache import cached, changed, invalidate
from app.chassis.errors import Conflict
from app.chassis.routes import declare
from app.chassis.transactions import in_transaction
from tests.chassis import kept
from tests.chassis.kept import Kept

router = Router()


@cached("probe_plain", ttl=60, shared=True, on=["probe.changed"])
def plain(*, folder: str) -> Kept:
    return kept.slow(folder)


@cached("probe_stale", ttl=0.2, shared=True, stale_while_revalidate=60)
def stale(*, folder: str) -> Kept:
    return kept.slow(folder)


@cached("probe_error", ttl=0.2, shared=True, stale_if_error=60)
def error(*, folder: str) -> Kept:
    return kept.slow(folder)


@cached("probe_missing", ttl=60, shared=True, missing=60)
def missing(*, folder: str) -> Kept:
    return kept.slow(folder)


@cached("probe_leased", ttl=60, shared=True, lease=1)
def leased(*, folder: str) -> Kept:
    return kept.slow(folder)


@cached("probe_owned", ttl=60)
def owned(*, owner: str, folder: str) -> Kept:
    return Kept(text=owner, subject=kept.slow(folder).subject)


@cached("probe_unstorable", ttl=60, shared=True)
def unstorable() -> Kept:
    found: Kept = kept.unstorable()
    return found


KINDS: dict[str, Any] = {
    one.what.terms.group.removeprefix("probe_"): one for one in (plain, stale, error, missing, leased)
}


@router.get("/cached/owned", response=Kept)
def get_owned(request: HttpRequest, folder: str, owner: str = "") -> Kept:
    return owned(owner=owner or principal().subject, folder=folder)


@router.get("/cached/unstorable")
def get_unstorable(request: HttpRequest) -> bool:
    return unstorable() is not None


@router.get("/cached/of/{kind}", response=Kept)
def get(request: HttpRequest, kind: str, folder: str) -> Any:
    return KINDS[kind](folder=folder)


@router.delete("/cached/of/{kind}", response={204: None})
def drop(request: HttpRequest, kind: str, folder: str) -> tuple[int, None]:
    invalidate(KINDS[kind], folder=folder)
    return 204, None


@router.post("/cached/changed", response={204: None})
def change(request: HttpRequest, folder: str) -> tuple[int, None]:
    changed("probe.changed", folder=folder)
    return 204, None


@router.post("/cached/within", response=Kept)
@transaction.atomic
def within(request: HttpRequest, folder: str, fails: bool = False) -> Kept:  # noqa: FBT002 - Ninja's way
    """What the transaction itself sees, which ends when the folder holds it no longer."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1")
    with transaction.atomic():
        invalidate(plain, folder=folder)
    seen = plain(folder=folder)
    if fails:
        raise Conflict("the transaction is taken back")
    return seen


@router.post("/cached/committed", response=None)
def committed(request: HttpRequest, folder: str) -> None:
    in_transaction(commit, folder=folder)


def commit(*, folder: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1")
    invalidate(plain, folder=folder)


@router.get("/cached/tagged/private", response=dict.fromkeys((200, 201, 404), dict[str, str]))
@declare(cache="private, max-age=30")
def tagged(request: HttpRequest, value: str = "", status: int = 200) -> tuple[int, dict[str, str]]:
    if status >= 500:
        raise Conflict("an error")
    return status, {"value": value}


@router.get("/cached/tagged/public")
@declare(cache="public, max-age=30, s-maxage=60")
def tagged_public(request: HttpRequest) -> dict[str, str]:
    return {"value": "everybody's"}


@router.post("/django_cache/{key}")
def put(request: HttpRequest, key: str, value: int) -> dict[str, Any]:
    """What Django's own framework says of it afterwards."""
    cache.set(key, value)
    cache.set_many({f"{key}-many": value})
    cache.add(f"{key}-added", value)
    cache.touch(key)
    return ask(request, key)


@router.get("/django_cache/{key}")
def ask(request: HttpRequest, key: str) -> dict[str, Any]:
    names = [f"{key}-many", f"{key}-added"]
    return {"value": cache.get(key), "many": len(cache.get_many(names)), "there": key in cache}


@router.delete("/django_cache/{key}", response={204: None})
def delete(request: HttpRequest, key: str) -> tuple[int, None]:
    cache.delete(key)
    cache.delete_many([f"{key}-many", f"{key}-added"])
    return 204, None
