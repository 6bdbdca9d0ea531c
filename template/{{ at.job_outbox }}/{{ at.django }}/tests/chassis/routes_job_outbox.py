"""A view that makes jobs look as if another queue had them."""

from django.db import connection
from django.http import HttpRequest
from ninja import Router

router = Router()


@router.put("/orphans", response={204: None})
def make_orphans(request: HttpRequest) -> tuple[int, None]:
    with connection.cursor() as cursor:
        cursor.execute("UPDATE chassis_jobs SET deliver_at = NULL")
    return 204, None
