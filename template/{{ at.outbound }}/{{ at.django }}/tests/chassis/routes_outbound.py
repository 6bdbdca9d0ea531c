"""Routes that call another service."""

import os

from django.http import HttpRequest
from ninja import Router

from app.chassis.outbound import http_client

router = Router()


@router.get("/call")
def call(request: HttpRequest, path: str) -> dict[str, int]:
    dependency = http_client("dependency", base_url=os.environ["DEPENDENCY"])
    return {"status": dependency.get(path).raise_for_status().status_code}


@router.get("/fetch")
def fetch(request: HttpRequest, url: str) -> dict[str, int]:
    return {"status": http_client("anywhere", schemes=("http", "https")).get(url).status_code}
