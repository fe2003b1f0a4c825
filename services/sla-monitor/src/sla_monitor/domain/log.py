"""
A contact's log: what it keeps of each event, in the order that holds whatever the order of arrival.

Only what decides about clocks is kept, so that a typical contact stays near a kilobyte.
"""

from bisect import insort
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from rapport.contracts import Data, Event
from rapport.contracts.matching import leaves

from sla_monitor.domain.states import LOG_LIMIT, Entry

EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
MILLISECOND: Final = timedelta(milliseconds=1)

_CLASSIFYING = ("channel", "topic", "region", "location", "team", "language", "product", "agent_id")
_DEFAULTS = {"kind": "request", "priority": "normal", "direction": "inbound"}
_RECLASSIFYING = ("kind", "priority", "topic", "region", "location", "team", "product", "language")
_SELDOM = ("customer_id", "subject", "reference", "url", "purchase_id", "sentiment")
_KEPT = {
    "contact.responded": ("agent_id",),
    "contact.updated": ("agent_id",),
    "contact.promised": ("agent_id",),
    "contact.assigned": ("agent_id", "team"),
    "contact.escalated": ("to",),
    "contact.waiting": ("on",),
    "contact.resumed": (),
    "contact.resolved": ("outcome", "agent_id"),
    "contact.confirmed": (),
    "contact.reopened": (),
    "contact.merged": ("into",),
    "contact.abandoned": (),
}
CONTACT_TYPES: Final = frozenset({"contact.received", "contact.reclassified", *_KEPT})
_TALK = frozenset({"contact.received", "contact.responded", "contact.updated", "contact.promised", "contact.escalated"})
_BEGINNING = _TALK | {"contact.reopened"}
MARKS: Final = frozenset({"recorded", "heard", "sealed"})
"""
Facts about the entry itself, not about the contact.

`heard`: when news that came late was taken in. `sealed` lists the targets that one from before a cut begins.
"""
_LATE: Final = timedelta(seconds=1)
_ATTRIBUTES = 32
_ATTRIBUTE_LENGTH = 200
_ASKED_ITEMS = 256
"""So many items are kept of a list that some policy asks for."""


def instant(millis: int) -> datetime:
    return EPOCH + timedelta(0, 0, 0, millis)


def to_millis(at: datetime) -> int:
    since = at - EPOCH
    return since.days * 86_400_000 + since.seconds * 1000 + since.microseconds // 1000


def counts(event: Event[Data]) -> bool:
    """
    Whether an event can decide anything about a contact's clocks.

    An automated answer can't, nor can a message that we caused ourselves (the
    answer to a survey): it is no customer contact.
    """
    if event.type == "contact.responded":
        return not getattr(event.data, "automated", False)
    if event.type == "contact.received":
        return event.causationid is None
    return event.type in CONTACT_TYPES


def entry(event: Event[Data], asked: frozenset[str]) -> Entry:
    """What the log keeps of an event. `asked`: fields that some policy asks for, kept even where that is seldom."""
    data = vars(event.data)  # what a model lacks is slow to ask it for
    facts: dict[str, Any] = {}
    if event.type == "contact.received":
        facts = _given(data, _CLASSIFYING)
        for field, default in _DEFAULTS.items():
            value = data[field]
            if value != default:
                facts[field] = value
        for field in _SELDOM:
            if field in asked and (value := data[field]) is not None:
                facts[field] = value
        facts.update(flat(data["attributes"], asked))
    elif event.type == "contact.reclassified":
        facts = _given(data, _RECLASSIFYING)
        facts.update(flat(data["attributes"], asked))
    else:
        facts = _given(data, _KEPT[event.type])
    promised_by = data.get("promised_by")
    if promised_by is not None:
        facts["promised_by"] = to_millis(promised_by)
    if event.backfill:
        facts["recorded"] = to_millis(event.recorded)
    elif event.recordedtime is not None and event.recordedtime - event.time >= _LATE:
        facts["heard"] = to_millis(event.recordedtime)
    return Entry(*event.order, event.type, facts)


def classification(facts: dict[str, Any]) -> dict[str, Any]:
    """What an opening entry says the contact is, with the contract's defaults."""
    return {**_DEFAULTS, **{field: value for field, value in facts.items() if field not in MARKS}}


def flat(attributes: dict[str, Any] | None, asked: frozenset[str] = frozenset()) -> dict[str, Any]:
    """Attributes as `attributes.x.y`: short texts, numbers, truths, lists of them; what is asked for and 32 more."""
    found: dict[str, Any] = {}
    room = _ATTRIBUTES
    for path, value in leaves({"attributes": attributes} if attributes else {}):
        if path in asked:
            if isinstance(value, list):
                found[path] = [item for item in value if _is_single(item)][:_ASKED_ITEMS]
            elif _is_single(value):
                found[path] = value
        elif room and _is_short(value):
            found[path] = value
            room -= 1
    return found


def _is_short(value: object) -> bool:
    if isinstance(value, list):
        return len(value) <= _ATTRIBUTES and all(map(_is_single, value))
    return _is_single(value)


def _is_single(value: object) -> bool:
    return isinstance(value, bool | int | float) or (isinstance(value, str) and len(value) <= _ATTRIBUTE_LENGTH)


def _given(data: dict[str, Any], fields: tuple[str, ...]) -> dict[str, Any]:
    return {field: value for field in fields if (value := data[field]) is not None}


def with_entry(log: list[Entry], new: Entry) -> list[Entry] | None:
    """The log with one more event; None if it has that event already, whose first version then holds."""
    for known in log:
        if known.name == new.name:
            return None
    longer = log.copy()
    if not log or log[-1][:5] < new[:5]:
        longer.append(new)
    else:
        insort(longer, new, key=lambda known: known[:5])
    return longer


def cut(log: list[Entry], border: int, needed: Mapping[str, Iterable[str]]) -> list[Entry]:
    """
    A log without what was said before the border (milliseconds) and is over.

    Kept are the first of each kind (of answers also the first that had something to answer),
    what ended waiting for the customer, and what is `needed`: the entries that clocks began
    or ended with, each with the targets that it began and that still run at the border. It
    begins nothing else any more; everything but talk keeps its effect. Past the limit, the
    oldest goes.
    """
    kept: list[Entry] = []
    spare: list[Entry] = []
    seen: set[tuple[str, Any]] = set()
    opened = awaited = False
    for known in log:
        kind = (known.type, opened if known.type == "contact.responded" else known.facts.get("direction"))
        opened = opened or known.type == "contact.received"
        first = kind not in seen
        seen.add(kind)
        spoken = kind == ("contact.received", None)
        ends_wait, awaited = awaited and spoken, _awaits(known, before=awaited and not spoken)
        if known.millis >= border:
            kept.append(known)
            continue
        stays = first or ends_wait or known.name in needed
        if stays or known.type not in _TALK:
            sealed = {"sealed": sorted(needed.get(known.name, ()))} if known.type in _BEGINNING else {}
            kept.append(known._replace(facts={**known.facts, **sealed}))
            if not stays:
                spare.append(kept[-1])
    gone = {known.name for known in spare[: max(0, len(kept) - LOG_LIMIT)]}
    return [known for known in kept if known.name not in gone]


def _awaits(known: Entry, *, before: bool) -> bool:
    """Whether the customer is waited for after that."""
    if known.type == "contact.waiting":
        return bool(known.facts["on"] == "customer")
    return before and known.type != "contact.resumed"


def is_backfilled(log: list[Entry]) -> bool:
    """Whether all that is known of the contact is history."""
    return all("recorded" in known.facts for known in log if known.type in CONTACT_TYPES)


def arrived(log: list[Entry]) -> datetime:
    """When the newest piece of history was taken in."""
    return instant(max((known.facts.get("recorded", 0) for known in log), default=0))
