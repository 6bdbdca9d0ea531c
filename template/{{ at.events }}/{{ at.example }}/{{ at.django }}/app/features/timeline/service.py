"""What can be asked of the timeline."""

from uuid import UUID

from app.features.timeline.models import Entry


def of_order(order_id: UUID) -> list[str]:
    """What has happened to it, oldest first."""
    return list(Entry.objects.filter(order_id=order_id).order_by("id").values_list("what", flat=True))
