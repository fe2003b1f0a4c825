"""From one record to its events."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from rapport.contracts import format_instant
from rapport.mapping.file import EventRule, Mapping, templates
from rapport.mapping.record import Record
from rapport.mapping.values import holds, instant, value_of


@dataclass(frozen=True, slots=True)
class Made:
    """One event that a record has become, as CloudEvents' JSON, and when it happened."""

    at: datetime
    sequence: int
    event: dict[str, Any]


def applies(rule: EventRule, record: Record, before: Record | None) -> bool:
    """Whether all conditions of a rule hold for a record; `before` is the one that its story told last."""
    if not all(holds(condition, record, path) for path, condition in rule.when.items()):
        return False
    if rule.first is not None and rule.first is not (before is None):
        return False
    if rule.was and not all(holds(condition, before or _NOTHING, path) for path, condition in rule.was.items()):
        return False
    return not rule.changed or (
        before is not None and any(record.text(path) != before.text(path) for path in rule.changed)
    )


_NOTHING = Record({}, {})


def moment(rule: EventRule, record: Record, mapping: Mapping) -> datetime | None:
    """When it happened; None where the record does not say."""
    wanted = rule.time if rule.time is not None else mapping.time or ""
    found = record.filled(wanted) if "{" in wanted else record.value(wanted)
    return None if found is None else instant(found, wanted, mapping)


def name(rule: EventRule, record: Record, mapping: Mapping) -> str | None:
    """The event's id: the first of its templates that can be filled; None where none can."""
    candidates = templates(rule.id if rule.id is not None else mapping.id)
    return next((filled for one in candidates if (filled := record.filled(one)) is not None), None)


def event(
    rule: EventRule, record: Record, mapping: Mapping, *, name: str, at: datetime, sequence: str | None
) -> dict[str, Any]:
    """The event as CloudEvents' JSON."""
    values = {field: value_of(wanted, record, mapping) for field, wanted in rule.data.items()}
    made: dict[str, Any] = {
        "specversion": "1.0",
        "id": name,
        "source": mapping.source,
        "type": rule.type,
        "time": format_instant(at.astimezone(UTC)),
        "datacontenttype": "application/json",
        "data": {field: value for field, value in values.items() if value is not None},
    }
    if sequence:
        made["sequence"] = sequence
    return made


def listed(names: Iterable[str]) -> str:
    return ", ".join(sorted(names))
