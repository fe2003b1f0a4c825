"""What a contact is to the customer's other contacts."""

from collections.abc import Mapping
from typing import Any, NamedTuple

from metrics.domain.story import Story


class Visit(NamedTuple):
    """How a contact ended and who answered; instants are milliseconds."""

    resolved_at: int | None = None
    """The resolution that stands."""
    resolved_by: str | None = None
    resolved_team: str | None = None
    reopened: bool = False
    answered_at: int | None = None
    answered_by: str | None = None
    answered_team: str | None = None
    answers: tuple[tuple[int, str | None], ...] = ()
    """When it was answered, and by whom."""
    stretches: tuple[tuple[int, int | None], ...] = ()
    """From when to when it was open."""
    purchase: str | None = None
    """The purchase that it is about, if that was told."""

    @classmethod
    def of(cls, fields: Mapping[str, Any]) -> "Visit":
        """What `fields` gave, whether it was stored meanwhile or not: MongoDB makes lists of tuples."""
        pairs = {name: tuple(map(tuple, fields.get(name, ()))) for name in ("answers", "stretches")}
        return cls(**{**fields, **pairs})

    def fields(self) -> dict[str, Any]:
        return {name: value for name, value in self._asdict().items() if value not in (None, False, ())}


def visit_of(story: Story) -> Visit:
    resolved, answered = story.resolved_at, story.answered_at
    return Visit(
        resolved,
        story.resolved_by,
        None if resolved is None else story.at(resolved).team,
        bool(story.reopenings),
        answered,
        story.answered_by,
        None if answered is None else story.at(answered).team,
        tuple(story.answers),
        tuple(story.stretches),
        story.purchase,
    )
