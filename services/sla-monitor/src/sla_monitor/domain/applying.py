"""
A new version of the policy on contacts that are open under an older one: what it would change, and the change.

The application is an entry of the contact's log, at the instant it was made: the
policies are matched again and what still runs is computed from its start, as
after a reclassification. Under the name of its version it is there once, however
often it is asked for.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, Literal

from rapport.contracts import Data, Event, natural_order
from rapport.decision import Counted, Decision

from sla_monitor.domain.clocks import Clock
from sla_monitor.domain.customers import informed
from sla_monitor.domain.fold import Folding, fold
from sla_monitor.domain.log import with_entry
from sla_monitor.domain.monitor import announce, horizon_of
from sla_monitor.domain.owed import PUBLISHED
from sla_monitor.domain.policy_book import PolicyBook
from sla_monitor.domain.states import ContactState, CustomerState, Entry

Kind = Literal["moves", "breaches", "starts", "ends"]
KINDS: Final[tuple[Kind, ...]] = ("moves", "breaches", "starts", "ends")
SUMS: Final = "policy_sums"
"""The collection of what applying each version has changed, counted in the very transactions that change it."""


@dataclass(frozen=True, slots=True)
class Effect:
    """What becomes of one clock: it moves, breaches at once, begins to be owed, or is owed no more."""

    kind: Kind
    target: str
    policy: str | None
    becomes: str | None
    """The policies before and after."""
    due_before: datetime | None
    due_after: datetime | None


def applied(version: int, at: datetime) -> Entry:
    """The entry that puts a contact under that version."""
    return Entry(*natural_order(at, None, PUBLISHED, f"policy/{version}"), PUBLISHED, {"version": version})


def effects(
    contact: ContactState, customer: CustomerState | None, before: PolicyBook, after: PolicyBook, at: datetime
) -> list[Effect]:
    """What applying the newest version of `after` at that instant does to a contact; empty where it has been done."""
    longer = _under(contact, customer, after, at)
    return [] if longer is None else _differences(fold(contact.log, before, at), fold(longer, after, at))


def apply(
    contacts: Iterable[ContactState],
    customers: Mapping[str, CustomerState | None],
    book: PolicyBook,
    published: Event[Data],
    now: datetime,
) -> Decision[Any]:
    """
    Put these contacts under the newest version, and count what that changes.

    `published` is its policy.published, as of now: the cause of all that is told.
    Contacts that are under it already stay as they are.
    """
    decisions: list[Decision[Any]] = []
    sums: Counter[str] = Counter()
    for contact in contacts:
        customer = customers.get(contact.customer_id)
        longer = _under(contact, customer, book, now)
        if longer is None:
            continue
        folding = fold(longer, book, now)
        decisions.append(announce(contact, longer, folding, horizon_of(contact, now), now, customer, published))
        sums["contacts"] += 1
        sums.update(effect.kind for effect in _differences(fold(contact.log, book, now), folding))
    counted = [counted for decision in decisions for counted in decision.counts]
    return Decision(
        states=tuple(state for decision in decisions for state in decision.states),
        events=tuple(told for decision in decisions for told in decision.events),
        counts=(*counted, *([Counted(SUMS, {"version": book.latest.number}, sums)] if sums else ())),
        why="policy applied",
    )


def _under(contact: ContactState, customer: CustomerState | None, book: PolicyBook, at: datetime) -> list[Entry] | None:
    """The log of an open contact that comes under the newest version; None if it is under it, or not open."""
    if not contact.open:
        return None
    return with_entry(informed(contact.log, customer, book.asked), applied(book.latest.number, at))


def _differences(before: Folding, after: Folding) -> list[Effect]:
    known = {_key(clock): clock for clock in before.clocks}
    found = []
    for clock in after.clocks:
        kind = _kind(known.get(_key(clock)), clock)
        if kind is not None:
            was = known.get(_key(clock))
            due = was.due_at if was and was.spec_or_promise else None
            names = (before.rule.name if before.rule else None, after.rule.name if after.rule else None)
            found.append(Effect(kind, clock.target, *names, due, clock.due_at if kind != "ends" else None))
    return found


def _key(clock: Clock) -> tuple[str, str]:
    return clock.target, clock.key


def _kind(before: Clock | None, after: Clock) -> Kind | None:
    was = before is not None and before.counts
    if not was and not after.counts:
        return None
    if not after.counts:
        return "ends"
    if after.listed and not (before is not None and before.listed):
        return "breaches"
    if not was:
        return "starts"
    return "moves" if before is not None and before.due_at != after.due_at else None


def summed(effects: Sequence[Effect]) -> dict[str, int]:
    """How many clocks of each kind; all kinds are named."""
    counted = Counter(effect.kind for effect in effects)
    return {kind: counted[kind] for kind in KINDS}
