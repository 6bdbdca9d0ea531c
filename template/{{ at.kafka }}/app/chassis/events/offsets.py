"""What is known of one partition of Kafka, where a group can only say up to where it has come."""

from dataclasses import dataclass, field

NOWHERE = -1
"""Where a group is that has never said."""


@dataclass(slots=True)
class Partition:
    """All before `done` is acknowledged, and nothing from `seen` on was ever handed out.

    What lies between may have been, by us or by the consumer before us, which told so with its offset: Kafka does not
    say what it delivers again.
    """

    done: int = NOWHERE
    seen: int = NOWHERE
    told: tuple[int, int] = (NOWHERE, NOWHERE)
    before: int = NOWHERE
    """Where `seen` was when the partition became ours."""
    open: dict[int, bool] = field(default_factory=dict)
    """What we have handed out from `done` on, in its order, and whether it is acknowledged."""

    @classmethod
    def taken_over(cls, offset: int, metadata: str | None) -> "Partition":
        """As a commit says it; one by an operator's tool says only where to go on."""
        done = max(offset, NOWHERE)
        seen = int(metadata) if metadata and metadata.isascii() and metadata.isdigit() else NOWHERE
        return cls(done, max(done, seen), (done, max(done, seen)), max(done, seen))

    def announce(self, offset: int) -> None:
        """It will be handed out, once that is committed."""
        if self.done == NOWHERE:
            self.done = offset
        self.seen = max(self.seen, offset + 1)

    def hand_out(self, offset: int) -> bool:
        """Whether it may have been handed out before."""
        self.open[offset] = False
        return offset < self.before

    def acknowledge(self, offset: int) -> None:
        """In any order: `done` stays behind the first that is not."""
        if offset in self.open:
            self.open[offset] = True
        while self.open and self.open[first := next(iter(self.open))]:
            del self.open[first]
            self.done = first + 1

    def news(self) -> tuple[int, int] | None:
        """What has to be committed, if that is not so yet."""
        now = (self.done, self.seen)
        return now if now != self.told and self.done != NOWHERE else None
