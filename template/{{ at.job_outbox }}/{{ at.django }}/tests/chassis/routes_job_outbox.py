"""Views that make jobs look as if another queue had them, or as if somebody's clock were ahead."""

from datetime import timedelta

from django.db import connection
from django.db.models import F
from django.http import HttpRequest
from ninja import Router

from app.chassis.jobs.models import Job

router = Router()


@router.put("/orphans", response={204: None})
def make_orphans(request: HttpRequest) -> tuple[int, None]:
    with connection.cursor() as cursor:
        cursor.execute("UPDATE chassis_jobs SET deliver_at = NULL, leased_until = NULL")
    return 204, None


@router.put("/early-jobs", response={204: None})
def make_early(request: HttpRequest) -> tuple[int, None]:
    hour = timedelta(hours=1)
    times = {name: F(name) + hour for name in ("created_at", "due_at", "deliver_at")}
    Job.objects.filter(state="queued").update(**times)
    return 204, None
