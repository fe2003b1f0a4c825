"""Who a customer is: of every field the newest value, and the changes that policies ask about."""

from collections.abc import Sequence
from typing import Any, Final

from rapport.contracts import Data, Event

from sla_monitor.domain.log import to_millis, with_entry
from sla_monitor.domain.states import CustomerState, Entry

CUSTOMER_TYPES: Final = frozenset({"customer.updated", "customer.tier_changed"})
_FIELDS: Final = (
    "name",
    "title",
    "form_of_address",
    "language",
    "timezone",
    "region",
    "lifecycle",
    "tier",
    "account_id",
    "owner_id",
    "audience",
    "preferred_channel",
)
_PERSONAL: Final = frozenset({"name", "title"})
_CHANGES: Final = 32


def change_of(event: Event[Data]) -> Entry:
    """What an event says about its customer; only the fields given, None for what is cleared."""
    if event.type == "customer.tier_changed":
        facts: dict[str, Any] = {"earned_tier": getattr(event.data, "tier", None)}
    else:
        given = event.data.model_fields_set
        facts = {field: getattr(event.data, field) for field in _FIELDS if field in given}
    if event.backfill:
        facts["recorded"] = to_millis(event.recorded)
    return Entry(*event.order, event.type, facts)


def fold_customer(known: CustomerState | None, customer_id: str, partition: int, change: Entry) -> CustomerState:
    """The customer with one more change, whatever the order in which changes arrive."""
    customer = known or CustomerState(id=customer_id, partition=partition)
    fresh = {
        field: value
        for field, value in change.facts.items()
        if field != "recorded" and change.millis >= customer.since.get(field, 0)
    }
    since = {**customer.since, **dict.fromkeys(fresh, change.millis)}
    asked = change._replace(facts={field: value for field, value in change.facts.items() if field not in _PERSONAL})
    changes = with_entry(customer.changes, asked) or customer.changes
    return customer.but(**fresh, since=since, changes=_short(changes))


def relevant(change: Entry, asked: frozenset[str]) -> Entry | None:
    """The part of a change that some policy asks about; None if there is none."""
    facts = {field: value for field, value in change.facts.items() if field in asked or field == "recorded"}
    return change._replace(facts=facts) if facts.keys() - {"recorded"} else None


def informed(log: Sequence[Entry], customer: CustomerState | None, asked: frozenset[str]) -> list[Entry]:
    """A contact's log with all that is known of its customer and asked for, also where it was not asked for before."""
    known = [part for change in (customer.changes if customer else ()) if (part := relevant(change, asked))]
    names = {change.name for change in known}
    return sorted([*(entry for entry in log if entry.name not in names), *known], key=lambda entry: entry.order)


def _short(changes: list[Entry]) -> list[Entry]:
    """The newest changes; the oldest become one."""
    while len(changes) > _CHANGES:
        first, second, *rest = changes
        changes = [second._replace(facts={**first.facts, **second.facts}), *rest]
    return changes
