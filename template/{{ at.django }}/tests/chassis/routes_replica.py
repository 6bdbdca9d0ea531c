"""Routes that read which database they are in, and that write to it."""

from django.apps.registry import Apps
from django.db import connection, models, transaction
from django.http import HttpRequest
from ninja import Router

from app.chassis.routes import declare
from app.chassis.transactions import in_transaction
from tests.chassis.replicated import PLACE, TABLE

router = Router()


class Place(models.Model):
    objects: models.Manager["Place"]

    id = models.IntegerField(primary_key=True)
    name = models.CharField(max_length=32)

    class Meta:
        # A registry of its own: no migration knows of it.
        apps = Apps()
        app_label = "tests"
        db_table = "chassis_probe_places"

    def __str__(self) -> str:
        return self.name


@router.put("/place")
def make(request: HttpRequest, name: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute(TABLE)
        cursor.execute("DELETE FROM chassis_probe_places")
    Place.objects.create(id=PLACE, name=name)


@router.get("/place")
@declare(replica=True)
def place(request: HttpRequest) -> str:
    return read()


@router.get("/place/undeclared")
def undeclared(request: HttpRequest) -> str:
    return read()


@router.get("/place/locked")
@declare(replica=True)
def locked(request: HttpRequest) -> str:
    with transaction.atomic():
        return Place.objects.select_for_update().get(id=PLACE).name


@router.get("/place/then-written")
@declare(replica=True)
def then_written(request: HttpRequest, name: str) -> list[str]:
    before = read()
    write(name=name)
    return [before, read()]


@router.get("/place/within")
@declare(replica=True)
def within(request: HttpRequest, name: str) -> list[str]:
    """What reads first, and then works in a transaction."""
    before = read()
    return [before, in_transaction(read_and_write, name=name)]


@router.post("/place")
def change(request: HttpRequest, name: str) -> None:
    write(name=name)


@router.post("/place/transaction")
def change_in_transaction(request: HttpRequest, name: str) -> None:
    in_transaction(write, name=name)


def read_and_write(*, name: str) -> str:
    found = read()
    write(name=name)
    return found


def read() -> str:
    return Place.objects.get(id=PLACE).name


def write(*, name: str) -> None:
    Place.objects.filter(id=PLACE).update(name=name)
