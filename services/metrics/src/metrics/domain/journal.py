"""Every event is kept as it came, and counted: taken in = kept + repeated, kept = folded + too late."""

from datetime import datetime
from typing import Any, Final

from rapport.contracts import Data, Event
from rapport.decision import Counted, Decision, State, Tell
from rapport.erasing import is_erased

from metrics.domain.digest import digest_of
from metrics.domain.naming import identity_of
from metrics.domain.states import Fate, JournalEntry, Repeat, Repeated

BALANCE: Final = "balance"
_REPEATS_KEPT: Final = 20


def text_of(event: Event[Data]) -> bytes:
    """The whole event as JSON: the record as it came, with fields that no version of ours knows yet."""
    return event.raw or event.__pydantic_serializer__.to_json(event, exclude_unset=True)


def hour_of(event: Event[Data]) -> datetime:
    """The hour in which the event was taken in."""
    return event.recorded.replace(minute=0, second=0, microsecond=0)


def taken(
    event: Event[Data],
    partition: int,
    states: tuple[State, ...] = (),
    counts: tuple[Counted, ...] = (),
    *,
    events: tuple[Tell, ...] = (),
    fate: Fate = "folded",
    why: str = "",
) -> Decision[Any]:
    """The event enters the journal, together with what it changes."""
    data = event.data
    entry = JournalEntry(
        id=identity_of(event),
        partition=partition,
        backfill=event.backfill,
        source=event.source,
        event_id=event.id,
        type=event.type,
        time=event.time,
        recorded=event.recorded,
        customer_id=getattr(data, "customer_id", None),
        contact_id=getattr(data, "contact_id", None),
        cause=event.causationid,
        fate=fate,
        why=why,
        text=text_of(event).decode(),
    )
    return Decision((entry, *states), events, (_balance(event, fate), *counts), why)


def again(known: JournalEntry, event: Event[Data], now: datetime) -> Decision[Any]:
    """
    An identity that the journal has already changes nothing but the note that it came again.

    Of an erased customer's nobody knows what it said.
    """
    is_same = is_erased(known.customer_id) or digest_of(text_of(event), event.type, event.time) == known.digest
    fate: Repeated = "duplicate" if is_same else "duplicate (differs)"
    repeat = Repeat(event.recordedtime or now, fate)
    entry = known.but(
        duplicates=known.duplicates + 1,
        differing=known.differing + (fate != "duplicate"),
        repeats=(*known.repeats, repeat)[-_REPEATS_KEPT:],
    )
    return Decision((entry,), counts=(_balance(event, "duplicate" if fate == "duplicate" else "differing"),), why=fate)


def _balance(event: Event[Data], what: str) -> Counted:
    return Counted(BALANCE, {"hour": hour_of(event)}, {"taken": 1, what: 1})
