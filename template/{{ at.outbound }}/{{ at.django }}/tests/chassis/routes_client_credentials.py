"""A route that calls another service with a token."""

import os

from django.http import HttpRequest
from ninja import Router
from pydantic import SecretStr

from app.chassis.outbound import ClientCredentials, http_client
from tests.chassis.issuing import SECRET

router = Router()


@router.get("/known")
def known(request: HttpRequest, who: str) -> dict[str, int]:
    issuing = os.environ["ISSUING"]
    token = ClientCredentials(f"{issuing}/token", who, SecretStr(SECRET))
    return {"status": http_client(who, base_url=issuing, token=token).get("/api").status_code}
