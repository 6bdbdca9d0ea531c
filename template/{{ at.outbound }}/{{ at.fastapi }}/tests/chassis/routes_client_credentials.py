"""A route that calls another service with a token."""

import os

from fastapi import APIRouter
from pydantic import SecretStr

from app.chassis.outbound import ClientCredentials, http_client
from tests.chassis.issuing import SECRET

router = APIRouter()


@router.get("/known")
async def known(who: str) -> dict[str, int]:
    issuing = os.environ["ISSUING"]
    token = ClientCredentials(f"{issuing}/token", who, SecretStr(SECRET))
    return {"status": (await http_client(who, base_url=issuing, token=token).get("/api")).status_code}
