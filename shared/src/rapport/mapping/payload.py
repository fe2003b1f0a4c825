"""A webhook's payload as the events that it tells."""

import hashlib
from collections.abc import Mapping as Dictionary
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

from pydantic_core import from_json, to_json

from rapport.contracts import format_instant
from rapport.mapping.file import EventRule, HookMapping, templates
from rapport.mapping.making import applies, event, moment, name
from rapport.mapping.record import Record, Unreadable, leaves, paths_in
from rapport.mapping.values import value_of

_SECRET_HEADERS: Final = frozenset({"authorization", "cookie", "proxy-authorization"})
"""Headers that no mapping gets to see."""


@dataclass(slots=True)
class Reading:
    """
    What a payload says.

    `events` are CloudEvents' JSON, `faults` what could not be made (rule and
    reason), `kinds` the same without what the payload says, `customer_id` whom
    they would have been about, `unused` the paths of what no rule looked at.
    Neither events nor faults: it is of a kind that the mapping has no rule for.
    """

    events: list[dict[str, Any]] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)
    kinds: list[str] = field(default_factory=list)
    customer_id: str = ""
    unused: list[str] = field(default_factory=list)

    @property
    def ignored(self) -> bool:
        return not self.events and not self.faults


def read_payload(
    body: bytes,
    mapping: HookMapping,
    now: datetime,
    headers: Dictionary[str, str] | None = None,
    *,
    trace: bool = False,
) -> Reading:
    """
    The events that a JSON object, or an array of objects, becomes. ValueError where it is neither.

    A header is found as `@<name>`, the hash of source and body as `@hash`, the
    moment of arrival as `@arrival` and cut to the minute as `@minute`. The same
    body makes the same events with the same ids, as far as the mapping does not
    use the arrival. `unused` is filled where it is to be traced.
    """
    document = from_json(body, allow_inf_nan=False)
    records = document if isinstance(document, list) else [document]
    if not all(isinstance(one, dict) for one in records):
        raise ValueError("is no JSON object, nor an array of objects")
    given = {
        f"@{name.lower()}": value for name, value in (headers or {}).items() if name.lower() not in _SECRET_HEADERS
    }
    given |= {
        **mapping.constants,
        "@arrival": format_instant(now),
        "@minute": now.strftime("%Y-%m-%dT%H:%MZ"),
    }
    reading = Reading()
    for one in records:
        written = body if document is one else to_json(one)
        digest = hashlib.blake2b(mapping.source.encode() + b"\0" + written, digest_size=12).hexdigest()
        record = Record(
            one, {**given, "@hash": digest}, blanks=frozenset(mapping.blank), ignore_case=mapping.ignore_case
        )
        _read(record, one, mapping, reading)
        if trace:
            reading.unused += [path for path in leaves(one) if not _covered(path, record.asked)]
    return reading


def _read(record: Record, payload: dict[str, Any], mapping: HookMapping, reading: Reading) -> None:
    """What all rules make of it; events of one payload that would have the same id are told apart by their rule."""
    ids: set[str] = set()
    is_known = mapping.others == "ignored"
    for place, rule in enumerate(mapping.events):
        try:
            if applies(rule, record, None):
                is_known = True
                made = _event(rule, record, payload, mapping)
                if made["id"] in ids:
                    made["id"] += f":{place}"
                ids.add(made["id"])
                reading.events.append(made)
        except ValueError as error:
            reading.faults.append(f"{rule.type}: {error}")
            reading.kinds.append(f"{rule.type}: {error.kind if isinstance(error, Unreadable) else error}")
            reading.customer_id = reading.customer_id or _customer(rule, record, mapping)
            is_known = True
    if not is_known:
        decisive = sorted({path for rule in mapping.events for path in rule.when})
        reading.faults.append(f"{', '.join(decisive)}: says nothing that the mapping has a rule for")
        reading.kinds.append(reading.faults[-1])
        reading.customer_id = reading.customer_id or _customer(mapping.events[0], record, mapping)


def _customer(rule: EventRule, record: Record, mapping: HookMapping) -> str:
    """Whom an event is about that could not be made; empty where that can't be told either."""
    try:
        found = value_of(rule.data.get("customer_id"), record, mapping)
    except ValueError:
        return ""
    return found if isinstance(found, str) else ""


def _event(rule: EventRule, record: Record, payload: dict[str, Any], mapping: HookMapping) -> dict[str, Any]:
    at = moment(rule, record, mapping)
    if at is None:
        raise ValueError(f"{rule.time or mapping.time} says no time")
    identity = name(rule, record, mapping)
    if identity is None:
        if wanted := templates(rule.id if rule.id is not None else mapping.id):
            blank = next(path for path in paths_in(wanted[0]) if not record.text(path))
            raise ValueError(f"the id needs {blank}, which is blank")
        identity = record.text("@hash")
    sequence = record.text(rule.sequence) if rule.sequence is not None else None
    made = event(rule, record, mapping, name=identity, at=at, sequence=sequence)
    if mapping.keep is not None:
        attributes = made["data"].get("attributes", {})
        if not isinstance(attributes, dict):
            raise ValueError("attributes must be an object, for the payload to be kept there")
        made["data"]["attributes"] = {**attributes, mapping.keep: payload}
    return made


def _covered(path: str, asked: set[str]) -> bool:
    """Whether the path, or what it is a part of, has been asked for."""
    while path:
        if path in asked:
            return True
        path = path.rpartition(".")[0]
    return False
