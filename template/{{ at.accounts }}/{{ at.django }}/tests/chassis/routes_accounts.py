"""What a service may do with accounts."""

import structlog
from django.http import HttpRequest
from ninja import Router

from app.chassis.accounts import Registered, flows, on_registered

router = Router()
log = structlog.get_logger()


@on_registered
def registered(who: Registered) -> None:
    if who.name.startswith("broken"):
        raise RuntimeError("no mail today")
    log.info("probe.registered", name=who.name, subject=who.subject, taken=who.taken)


@router.post("/confirmed")
def confirmed(request: HttpRequest, subject: str) -> dict[str, bool]:
    return {"done": flows.confirm(subject)}
