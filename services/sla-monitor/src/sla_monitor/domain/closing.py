"""What an unplanned closing does to contacts that are open or were until lately: their clocks stood meanwhile."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from rapport.contracts import Data, Event, tell
from rapport.contracts.sla_events import PolicyPublished
from rapport.decision import Decision

from sla_monitor.domain.fold import fold
from sla_monitor.domain.monitor import announce, horizon_of
from sla_monitor.domain.owed import PUBLISHED
from sla_monitor.domain.policy_book import Closure, PolicyBook
from sla_monitor.domain.states import ContactState, CustomerState
from sla_monitor.domain.telling import SOURCE

CAUSE: Final = "closure"
_MATCHED_AGAIN: Final = frozenset({"contact.reclassified", "customer.updated", "customer.tier_changed", PUBLISHED})
"""After these a contact may have another calendar than before."""


@dataclass(frozen=True, slots=True)
class Moved:
    """A clock that a closure moves. `withdrawn` says that a breach which was announced turns out to be none."""

    target: str
    due_before: datetime
    due_after: datetime
    withdrawn: bool


def moved(contact: ContactState, before: PolicyBook, after: PolicyBook, at: datetime) -> list[Moved]:
    """The clocks of a contact that a closure moves, of those that still run."""
    known = {(clock.target, clock.key): clock for clock in fold(contact.log, before, at).clocks}
    found = []
    for clock in fold(contact.log, after, at).clocks:
        was = known.get((clock.target, clock.key))
        if was is None or was.due_at is None or clock.due_at is None or was.due_at == clock.due_at:
            continue
        withdrawn = was.breached_at is not None and clock.breached_at is None
        if not was.ended or withdrawn:
            found.append(Moved(clock.target, was.due_at, clock.due_at, withdrawn))
    return found


def concerns(closure: Closure, contact: ContactState) -> bool:
    """Whether it may change something: of what is open, or was closed since and is remembered whole."""
    since = contact.recalls and contact.closed_at is not None and contact.closed_at >= closure.starts_at
    return contact.open or since


def _has_or_had(calendar: str, contact: ContactState) -> bool:
    """Whether a clock of it may count by that calendar: what was missed stays under the one by which it was."""
    return contact.calendar == calendar or any(entry.type in _MATCHED_AGAIN for entry in contact.log)


def close(
    contacts: Iterable[ContactState],
    customers: Mapping[str, CustomerState],
    book: PolicyBook,
    closure: Closure,
    now: datetime,
) -> Decision[Any]:
    """Tell what a closure, which the book knows, changes of these contacts; the second time nothing."""
    cause = _cause(closure, book, now)
    decisions = []
    for contact in contacts:
        if concerns(closure, contact) and _has_or_had(closure.calendar, contact):
            horizon = horizon_of(contact, now)
            folding = fold(contact.log, book, horizon)
            customer = customers.get(contact.customer_id)
            decision = announce(contact, contact.log, folding, horizon, now, customer, cause)
            if contact.calendar == closure.calendar or decision.events:
                decisions.append(decision)
    return Decision(
        states=tuple(state for decision in decisions for state in decision.states),
        events=tuple(told for decision in decisions for told in decision.events),
        counts=tuple(counted for decision in decisions for counted in decision.counts),
        why=CAUSE,
    )


def _cause(closure: Closure, book: PolicyBook, now: datetime) -> Event[Data]:
    """What the changes are put down to; it is told nowhere by itself."""
    data = PolicyPublished(version=book.latest.number, effective_from=now, policies=[], document="")
    event = tell("policy.published", data, source=SOURCE, id=f"closure/{closure.id}", time=now)
    return event.model_copy(update={"type": CAUSE})
