"""What a write tells of itself."""

from pydantic import BaseModel

from app.chassis.events.registry import event


# By this name tests/chassis/event_broker.py knows what to clear away at its broker.
@event("probe.noted", version=1)
class Written(BaseModel):
    name: str
