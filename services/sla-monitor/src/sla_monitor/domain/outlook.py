"""What of a contact will be missed by some instant if nobody does anything."""

from dataclasses import dataclass
from datetime import datetime

from sla_monitor.domain.history import clocks_of
from sla_monitor.domain.policy_book import PolicyBook
from sla_monitor.domain.states import ContactState


@dataclass(frozen=True, slots=True)
class Due:
    """One run of a target that will fall due."""

    contact_id: str
    target: str
    cycle: int
    at: datetime
    team: str | None
    owner: str | None
    policy: str | None


def coming(contact: ContactState, book: PolicyBook, now: datetime, until: datetime) -> list[Due]:
    """
    What of a contact is missed after `now` and by `until` if nobody acts.

    What is missed already is no forecast; what is paused falls due only when
    somebody lets it run again.
    """
    _, clocks = clocks_of(contact, book, now)
    return [
        Due(contact.id, one.clock.target, one.cycle, one.clock.due_at, contact.team, contact.owner, contact.policy)
        for one in clocks
        if one.clock.due_at is not None
        and one.clock.counts
        and one.clock.paused_since is None
        and now < one.clock.due_at <= until
    ]
