"""Routes that call another service."""

import os

from fastapi import APIRouter

from app.chassis.outbound import http_client

router = APIRouter()


@router.get("/call")
async def call(path: str) -> dict[str, int]:
    dependency = http_client("dependency", base_url=os.environ["DEPENDENCY"])
    return {"status": (await dependency.get(path)).raise_for_status().status_code}


@router.get("/fetch")
async def fetch(url: str) -> dict[str, int]:
    return {"status": (await http_client("anywhere", schemes=("http", "https")).get(url)).status_code}
