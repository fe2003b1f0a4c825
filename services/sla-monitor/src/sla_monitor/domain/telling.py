"""
What has become true of a contact and not been told yet.

Every event is dated by when it became true and carries an id that follows from
what it says, so a run that comes late or twice tells the same story.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Final, Literal

from rapport.contracts import Data, Event, tell
from rapport.contracts.sla_events import (
    WITHDRAWN,
    SlaBreached,
    SlaCancelled,
    SlaCorrected,
    SlaMet,
    SlaOpened,
    SlaRescheduled,
    SlaWarned,
)
from rapport.decision import Tell

from sla_monitor.domain.clocks import Clock
from sla_monitor.domain.fold import Folding
from sla_monitor.domain.log import MILLISECOND, instant, to_millis
from sla_monitor.domain.rules import Facts
from sla_monitor.domain.states import NEVER, ContactState, Told, Verdict

SOURCE: Final = "/rapport/sla-monitor"

Happening = Literal["warned", "breached", "corrected", "answered"]
"""`answered`: the answer to what had been missed turns out to have come at another time."""


@dataclass(slots=True)
class Numbered:
    """A clock with its cycle's number, and what is new about it."""

    cycle: int
    clock: Clock
    verdict: Verdict
    warned: tuple[datetime, ...]
    key: str
    """`target/cycle`."""
    news: tuple[Happening, ...] = ()


@dataclass(slots=True)
class Said:
    """The events to tell, and what has been told with them."""

    events: list[tuple[datetime, int, str, Data, str, bool]]
    told: dict[str, Told]
    opened: bool
    folding: Folding
    """What they are told of."""
    breaches_of_old: int = 0
    """Breaches that were past when their backfilled event arrived."""


def number(folding: Folding, known: dict[str, int], horizon: datetime) -> tuple[list[Numbered], dict[str, int]]:
    """
    The clocks with the numbers of their cycles.

    A cycle is keyed by the event that opened it and keeps its number; when an
    earlier event turns out to have opened it, the number goes with it.
    """
    numbers, found = known, list[Numbered]()
    used: dict[str, set[int]] = {}
    for clock in folding.clocks:
        target = clock.target
        if clock.spec is None and target != "promise":
            continue
        taken = used.get(target)
        if taken is None:
            taken = used[target] = set()
        cycle = numbers.get(f"{target}:{clock.key}", 0) if clock.key else 1
        if not cycle or cycle in taken:
            prefix = f"{target}:"
            inherited = [n for name in clock.joined if (n := numbers.get(prefix + name)) and n not in taken]
            last = max((n for key, n in numbers.items() if key.startswith(prefix)), default=0)
            cycle = min(inherited) if inherited else max(last, *taken, target == "resolution") + 1
            numbers = {**numbers, prefix + clock.key: cycle}
        taken.add(cycle)
        passed = clock.breached_at is None or clock.breached_at < horizon
        verdict = clock.verdict if passed else "running"
        warned = clock.warned
        if warned and max(warned) > horizon:
            warned = tuple(at for at in warned if at <= horizon)
        found.append(Numbered(cycle, clock, verdict, warned, f"{target}/{cycle}"))
    return found, numbers


def say(contact: ContactState, folding: Folding, clocks: list[Numbered], cause: Event[Data] | None) -> Said:
    """What to tell, given what has been told. `cause` is the event that has just been taken in."""
    common: Facts = {
        "contact_id": contact.id,
        "customer_id": contact.customer_id,
        "policy": folding.rule.name if folding.rule else None,
        "policy_version": folding.version.number if folding.version else None,
        "owner": folding.owner,
        "team": folding.team,
    }
    said = Said([], dict(contact.told), contact.opened, folding)
    moved: list[Numbered] = []
    unseen = len(contact.told)
    for one in clocks:
        known = contact.told.get(one.key)
        due = _due(one.clock)
        if known is not None:
            unseen -= 1
            as_told = known.verdict == one.verdict and known.due == due and known.took == _took(one.clock)
            if as_told and known.warned >= len(one.warned):
                continue
        if known is None or (known.verdict == "cancelled" and one.verdict == "running"):
            moved.append(one)
            known = Told("running", due, known.warned, known.revision + 1) if known else Told("running", due)
        elif known.verdict == "running" and known.due != due:
            moved.append(one)
        said.told[one.key] = _one(said, contact.id, common, one, known, cause)
    _deadlines(said, contact, common, folding, moved, cause)
    if unseen:
        derived = {one.key for one in clocks}
        for key, known in contact.told.items():
            if key not in derived and known.due >= contact.cut:
                said.told[key] = _withdraw(said, contact.id, common, key, known, cause)
    return said


def sequenced(
    contact: ContactState, events: Iterable[tuple[str, Data, str, datetime, bool]], cause: Event[Data] | None = None
) -> tuple[list[Tell], int]:
    sequence, found, trace = contact.sequence, [], contact.trace
    for event_type, data, name, at, old in events:
        sequence += 1
        event = tell(
            event_type, data, source=SOURCE, id=name, time=at, sequence=sequence, backfill=old, cause=cause, trace=trace
        )
        found.append(Tell(contact.customer_id, event))
    return found, sequence


def _due(clock: Clock) -> int:
    return to_millis(clock.due_at) if clock.due_at else 0


def _took(clock: Clock) -> int:
    return NEVER if clock.met_at is None else (clock.met_at - clock.started_at) // MILLISECOND


def _is_old(clock: Clock, at: datetime) -> bool:
    """Whether that was past already when the backfilled event that led to it arrived."""
    return clock.recorded is not None and at <= clock.recorded


def _deadlines(
    said: Said,
    contact: ContactState,
    common: Facts,
    folding: Folding,
    moved: list[Numbered],
    cause: Event[Data] | None,
) -> None:
    if not moved:
        return
    data: Facts = {
        **common,
        "deadlines": [
            {
                "target": one.clock.target,
                "cycle": one.cycle,
                "started_at": one.clock.started_at,
                "due_at": one.clock.due_at,
            }
            for one in moved
            if one.clock.due_at is not None
        ],
    }
    old = all(one.clock.recorded is not None for one in moved)
    if not contact.opened:
        at = folding.opened_at or moved[0].clock.started_at
        opened = SlaOpened(**data, calendar=folding.calendar, in_hours=_in_hours(folding, at))
        said.events.append((at, 0, "sla.opened", opened, f"{contact.id}/all/0/opened/0", old))
        said.opened = True
        return
    why = cause.type if cause else moved[0].clock.cause
    at = cause.time if cause else moved[0].clock.started_at
    revision = cause.identity if cause else str(contact.sequence)
    rescheduled = SlaRescheduled(**data, cause=why, in_hours=_in_hours(folding, folding.opened_at))
    said.events.append((at, 1, "sla.rescheduled", rescheduled, f"{contact.id}/all/0/rescheduled/{revision}", old))


def _in_hours(folding: Folding, opened_at: datetime | None) -> bool | None:
    """Whether the contact's calendar was open then; None where there is none, or no opening is known."""
    hours = folding.version.calendars.get(folding.calendar or "") if folding.version else None
    return hours.is_open(opened_at) if hours and opened_at else None


def _one(said: Said, contact_id: str, common: Facts, one: Numbered, known: Told, cause: Event[Data] | None) -> Told:
    """What is new about one clock."""
    clock, revision = one.clock, known.revision
    for ordinal, at in enumerate(one.warned[known.warned :], known.warned):
        warned = SlaWarned(**_facts(common, one, at))
        said.events.append(
            (at, 2, "sla.warned", warned, f"{contact_id}/{one.key}/warned/{ordinal}", _is_old(clock, at))
        )
        one.news += ("warned",)
    due, took = _due(clock), _took(clock)
    other_due, other_end = known.due != due, took != NEVER and known.took not in (NEVER, took)
    other_breach = known.verdict == one.verdict == "breached" and other_due
    if known.verdict not in ("running", one.verdict) or other_breach:
        revision += 1
        _correct(said, contact_id, common, one, known, revision, cause)
        one.news += ("corrected",)
    elif known.verdict != one.verdict:
        _verdict(said, contact_id, common, one, revision)
    elif (one.verdict in ("met", "cancelled") and other_due) or (one.verdict == "met" and other_end):
        revision += 1
        _correct(said, contact_id, common, one, known, revision, cause)
    elif one.verdict == "breached" and other_end:
        one.news += ("answered",)
    return Told(one.verdict, due, max(known.warned, len(one.warned)), revision, took)


def _verdict(said: Said, contact_id: str, common: Facts, one: Numbered, revision: int) -> None:
    clock = one.clock
    name = f"{contact_id}/{one.key}/{one.verdict}/{revision}"
    if one.verdict == "breached" and clock.due_at is not None:
        old = _is_old(clock, clock.due_at)
        waiting = not clock.ended
        data: Data = SlaBreached(**_facts(common, one, clock.due_at), waiting=waiting)
        said.events.append((clock.due_at, 3, "sla.breached", data, name, old))
        one.news += ("breached",)
        said.breaches_of_old += old
    elif one.verdict == "met" and clock.met_at is not None:
        data = SlaMet(**_facts(common, one, clock.met_at), met_at=clock.met_at, without_response=clock.without_response)
        said.events.append((clock.met_at, 4, "sla.met", data, name, clock.ended_recorded is not None))
    elif one.verdict == "cancelled" and clock.cancelled_at is not None:
        data = SlaCancelled(**_facts(common, one, clock.cancelled_at), cause=clock.cause)
        said.events.append((clock.cancelled_at, 4, "sla.cancelled", data, name, clock.ended_recorded is not None))


def _correct(
    said: Said,
    contact_id: str,
    common: Facts,
    one: Numbered,
    known: Told,
    revision: int,
    cause: Event[Data] | None,
) -> None:
    clock = one.clock
    truth = {"met": clock.met_at, "breached": clock.due_at, "cancelled": clock.cancelled_at}.get(one.verdict)
    at = truth or (cause.time if cause else clock.started_at)
    data = SlaCorrected(
        **_facts(common, one, at),
        announced=known.verdict,
        verdict=one.verdict,
        met_at=clock.met_at,
        cause=cause.type if cause else clock.cause,
        in_hours=_in_hours(said.folding, said.folding.opened_at),
    )
    name = f"{contact_id}/{one.key}/corrected/{revision}"
    said.events.append((at, 5, "sla.corrected", data, name, bool(cause and cause.backfill)))


def _withdraw(said: Said, contact_id: str, common: Facts, key: str, known: Told, cause: Event[Data] | None) -> Told:
    """A cycle that a late event shows never to have been one."""
    target, _, cycle = key.partition("/")
    due = instant(known.due)
    at = cause.time if cause else due
    facts = {
        **common,
        "target": target,
        "cycle": int(cycle),
        "started_at": min(at, due),
        "due_at": due,
        "open_seconds": 0.0,
    }
    old = bool(cause and cause.backfill)
    if known.verdict == "running":
        data: Data = SlaCancelled(**facts, cause=WITHDRAWN)
        said.events.append((at, 4, "sla.cancelled", data, f"{contact_id}/{key}/cancelled/{known.revision}", old))
        return known._replace(verdict="cancelled", due=NEVER)
    data = SlaCorrected(**facts, announced=known.verdict, verdict="cancelled", met_at=None, cause=WITHDRAWN)
    revision = known.revision + 1
    said.events.append((at, 5, "sla.corrected", data, f"{contact_id}/{key}/corrected/{revision}", old))
    return known._replace(verdict="cancelled", due=NEVER, revision=revision)


def _facts(common: Facts, one: Numbered, at: datetime) -> Facts:
    clock = one.clock
    return {
        **common,
        "target": clock.target,
        "cycle": one.cycle,
        "started_at": clock.started_at,
        "due_at": clock.due_at,
        "open_seconds": clock.open_seconds(at),
    }
