"""What every table of this service is made of, on any of the databases."""

from datetime import UTC, datetime
from importlib import import_module
from pathlib import Path
from typing import Any, ClassVar

from sqlalchemy import DateTime, Dialect, LargeBinary, MetaData, String, Uuid
from sqlalchemy.orm import DeclarativeBase
from sqlalchemy.types import TypeDecorator, TypeEngine
from uuid_utils.compat import UUID

FEATURES = Path(__file__).parents[1] / "features"


class Instant(TypeDecorator[datetime]):
    """A moment in UTC, to the microsecond; a time without its zone is refused."""

    impl = DateTime
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        if dialect.name in {"mysql", "mariadb"}:
            # Imported here: only MySQL has to be told to keep fractions of a second.
            from sqlalchemy.dialects.mysql import DATETIME  # noqa: PLC0415

            return dialect.type_descriptor(DATETIME(fsp=6))
        return dialect.type_descriptor(DateTime(timezone=True))

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError("a time needs its zone, such as datetime.now(UTC)")
        in_utc = value.astimezone(UTC)
        return in_utc if dialect.name == "postgresql" else in_utc.replace(tzinfo=None)

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:  # noqa: ARG002
        if value is None:
            return None
        return value.astimezone(UTC) if value.tzinfo else value.replace(tzinfo=UTC)


class Blob(TypeDecorator[bytes]):
    """Bytes of any length: MySQL's own BLOB ends at 64 KiB."""

    impl = LargeBinary
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        if dialect.name in {"mysql", "mariadb"}:
            from sqlalchemy.dialects.mysql import LONGBLOB  # noqa: PLC0415 - as above

            return dialect.type_descriptor(LONGBLOB())
        return dialect.type_descriptor(LargeBinary())


class Subject(TypeDecorator[str]):
    """The subject of a principal: visible ASCII, and no collation takes two for the same."""

    impl = String
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        collation = "utf8mb4_bin" if dialect.name in {"mysql", "mariadb"} else None
        return dialect.type_descriptor(String(255, collation=collation))


class Base(DeclarativeBase):
    """The base of every model: a time is an `Instant`, and constraints have names that migrations can rely on."""

    type_annotation_map: ClassVar[dict[Any, Any]] = {datetime: Instant(), UUID: Uuid()}
    metadata = MetaData(
        naming_convention={
            "ix": "ix_%(table_name)s_%(column_0_N_name)s",
            "uq": "uq_%(table_name)s_%(column_0_N_name)s",
            "ck": "ck_%(table_name)s_%(constraint_name)s",
            "fk": "fk_%(table_name)s_%(column_0_N_name)s",
            "pk": "pk_%(table_name)s",
        }
    )


def metadata() -> MetaData:
    """Every table of every feature: the migrations are compared with it."""
    for models in sorted(FEATURES.glob("*/models.py")):
        import_module(f"app.features.{models.parent.name}.models")
    return Base.metadata


CHASSIS = MetaData()
"""The tables of the chassis itself: their names start with `chassis_`, their migrations are in app/chassis/."""


def chassis_metadata() -> MetaData:
    for models in sorted(Path(__file__).parent.glob("*/models.py")):
        import_module(f"app.chassis.{models.parent.name}.models")
    return CHASSIS


NOT_THE_SERVICE_S = ("chassis_", "procrastinate_")


def is_the_service_s(name: str | None, kind: str, _parents: object) -> bool:
    """What the models of the features are compared with: no table of the chassis, in use or left behind."""
    return kind != "table" or not (name or "").startswith(NOT_THE_SERVICE_S)


def is_the_chassis_s(name: str | None, kind: str, _parents: object) -> bool:
    """What the models of the chassis are compared with: no table of a capability that is off."""
    return kind != "table" or name in CHASSIS.tables
