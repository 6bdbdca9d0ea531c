"""What is promised about events: the recorded document is valid and up to date, and no schema breaks its readers."""

import json
from enum import StrEnum
from typing import Any

import pytest
from faststream.specification.asyncapi.v3_0_0.schema import ApplicationSchema
from pydantic import BaseModel, Field, create_model

from app.chassis.events import registry, schema
from app.chassis.events.compatibility import breaking


@pytest.fixture(scope="module")
def document() -> dict[str, Any]:
    registry.discover()
    return schema.rendered()


def test_no_event_has_changed_under_its_version(document: dict[str, Any]) -> None:
    assert not schema.wrong(schema.recorded(), document)


def test_the_record_is_up_to_date(document: dict[str, Any]) -> None:
    assert not schema.stale(schema.recorded(), document), "docs/asyncapi.json says something else: run `make asyncapi`"


def test_the_document_is_one_of_asyncapi_3(document: dict[str, Any]) -> None:
    ApplicationSchema.model_validate(document)
    text = json.dumps(document)
    assert "$defs" not in text
    for reference in (part.split('"')[0] for part in text.split('"$ref": "')[1:]):
        found: Any = document
        for step in reference.removeprefix("#/").split("/"):
            found = found[step]


def test_a_change_under_the_same_version_is_refused_with_the_cure() -> None:
    def said(kind: Any) -> dict[str, Any]:
        event = registry.Event("orders.tried", 1, create_model("Tried", total=(kind, ...)))
        return {"components": {"messages": {"orders.tried.v1": schema.message(event)}}}

    assert not schema.wrong(said(int), said(int))
    found = schema.wrong(said(int), said(str))
    assert found[0] == 'orders.tried.v1: total: was "integer", is "string"'
    assert "Raise the version" in found[-1]


class Colour(StrEnum):
    RED = "red"
    BLUE = "blue"


class Line(BaseModel):
    sku: str
    quantity: int = Field(ge=1)


def of(**fields: Any) -> dict[str, Any]:
    whole = {"title": (str, ...), "lines": (list[Line], ...), "colour": (Colour, ...), "note": (str | None, None)}
    return create_model("Example", **(whole | fields)).model_json_schema(mode="serialization")


class LineWithPrice(Line):
    price: int


class LineWithoutSku(BaseModel):
    quantity: int = Field(ge=1)


class LineWithRemark(Line):
    quantity: int = Field(ge=1, description="How many.", examples=[2])


class LineFromZero(Line):
    quantity: int = Field(ge=0)


class MoreColours(StrEnum):
    RED = "red"
    BLUE = "blue"
    GREEN = "green"


class OneColour(StrEnum):
    RED = "red"


@pytest.mark.parametrize(
    "new",
    [
        of(),
        of(weight=(int | None, None)),
        of(lines=(list[LineWithRemark], ...)),
        of(title=(str, Field(description="What it is called."))),
    ],
)
def test_what_nobody_trips_over(new: dict[str, Any]) -> None:
    assert breaking(of(), new) == []


@pytest.mark.parametrize(
    ("new", "said"),
    [
        (of(title=(int, ...)), 'title: was "string", is "integer"'),
        (of(weight=(int, ...)), "weight: is new and required"),
        (of(note=(str, ...)), "note: is required now"),
        (of(title=(str, "")), "title: may be missing now"),
        (of(lines=(list[LineWithoutSku], ...)), "lines[].sku: is gone"),
        (of(lines=(list[LineWithPrice], ...)), "lines[].price: is new and required"),
        (of(lines=(list[LineFromZero], ...)), "lines[].quantity: was 1, is 0"),
        (of(lines=(dict[str, Line], ...)), 'lines: was "array", is "object"'),
        (of(colour=(OneColour, ...)), "colour"),
        (of(colour=(MoreColours, ...)), 'colour: was ["red", "blue"], is ["red", "blue", "green"]'),
        (of(title=(str, Field(max_length=3))), "title: was null, is 3"),
    ],
)
def test_what_somebody_trips_over(new: dict[str, Any], said: str) -> None:
    assert any(said in change for change in breaking(of(), new)), breaking(of(), new)
