"""Which plays an event starts, and which of their follow-ups it ends."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from rapport.contracts import Data, Event, identity, identity_of
from rapport.contracts.envelope import OrderKey
from rapport.contracts.matching import plain
from rapport.contracts.sla_events import SlaOpened, SlaRescheduled

from followup.domain.draft import SOURCE, Draft, finished, owners
from followup.domain.durations import RISK_LASTS
from followup.domain.folding import (
    RESOLVED,
    Resolution,
    Standing,
    is_caused_by_us,
    is_from_us,
    is_no_contact,
    standing,
)
from followup.domain.plays import Play, Plays, Step
from followup.domain.rule_book import RuleBook
from followup.domain.state import CANCELLABLE, WAITING, Contact, CustomerState, Followup, Value, from_millis
from followup.domain.timetable import due_at, zone_of

OPENED = "sla.opened"


@dataclass(frozen=True, slots=True)
class Trigger:
    """What starts a play: an event's place in the order, and what is known of it."""

    type: str
    key: OrderKey
    contact_id: str | None
    facts: Mapping[str, Value]
    promised_at: datetime | None = None


def follow_contact(draft: Draft, contact_id: str, book: RuleBook) -> None:
    """
    Bring the follow-ups of a contact's resolutions in line with how the contact stands now.

    Each resolution that is news starts the plays it fits once, by the version in force
    at its own time, whichever of its events came first; one that has ended, is none after all
    or fits no longer cancels what it started, and withdraws the survey that has already gone out.
    """
    contact = draft.customer.contacts[contact_id]
    stands = standing(contact)
    for followup in _of_resolutions(draft.customer, contact_id):
        _keep_in_line(draft, followup, contact, stands, book)
    for resolution in stands.resolutions:
        if resolution.live and not resolution.ended:
            _start_for(draft, contact_id, contact, resolution, _plays_at(resolution.key, book))


def _plays_at(key: OrderKey, book: RuleBook) -> tuple[Play, ...]:
    return book.at(from_millis(key[0])).plays.plays


def _keep_in_line(draft: Draft, followup: Followup, contact: Contact, stands: Standing, book: RuleBook) -> None:
    """End a follow-up whose resolution has ended, is none, or has another place in time than it was known to have."""
    over = next((one for one in reversed(stands.resolutions) if one.key <= followup.trigger_key), None)
    if over is None:
        if any(entry.key == followup.trigger_key for entry in contact.entries):
            end(draft, followup, "contact.merged", None, for_good=False)
    elif over.ended_by:
        end(draft, followup, over.ended_by, over.ended, for_good=False)
    elif over.confirmed and followup.silent:
        end(draft, followup, "contact.confirmed", over.key)
    elif not fits(_judged_by(followup, contact), {**contact.fields, "outcome": over.outcome}):
        end(draft, followup, "no_longer_matches", None, for_good=False)
    elif over.key != followup.trigger_key and _nothing_let_go(draft, followup, _plays_at(over.key, book)):
        end(draft, followup, "resolved_before", None, for_good=False)


def _judged_by(followup: Followup, contact: Contact) -> dict[str, Any]:
    """What of its match a follow-up can still fall by: what is asked of the contact; once let go, the outcome alone."""
    said = contact.fields.keys() if followup.status in WAITING else frozenset[str]()
    return {name: wanted for name, wanted in followup.match.items() if name == "outcome" or name in said}


def _nothing_let_go(draft: Draft, followup: Followup, plays: Sequence[Play]) -> bool:
    """Whether the play, as this trigger started it, waits still, so that it may as well be started by another."""
    siblings = [
        f
        for f in draft.customer.followups.values()
        if f.play == followup.play and f.trigger_key == followup.trigger_key
    ]
    return any(play.name == followup.play for play in plays) and all(
        f.may_return or f.status in WAITING for f in siblings
    )


def _of_resolutions(customer: CustomerState, contact_id: str) -> list[Followup]:
    return [f for f in customer.followups.values() if f.contact_id == contact_id and f.trigger_type == RESOLVED]


def _start_for(draft: Draft, contact_id: str, contact: Contact, resolution: Resolution, plays: Sequence[Play]) -> None:
    facts = _facts(draft.customer, contact, {"outcome": resolution.outcome})
    trigger = Trigger(RESOLVED, resolution.key, contact_id, facts)
    of_contact = _of_resolutions(draft.customer, contact_id)
    started = {f.play for f in of_contact if resolution.covers(f.trigger_key) and not f.may_return}
    for play in plays:
        silent = play.on.silent is not None and play.on.silent.resolved_unconfirmed is not None
        if play.name in started or not (play.on.type == RESOLVED or silent) or not matches(play, facts):
            continue
        if not (silent and resolution.confirmed) and not _called_off(draft.customer, contact_id, play, resolution.key):
            start(draft, play, trigger)


def follow_event(draft: Draft, event: Event[Data]) -> None:
    """Start the plays that this event starts by itself, and cancel what it cancels."""
    key = event.order
    data = event.data
    contact_id: str | None = getattr(data, "contact_id", None)
    if not is_from_us(data) and not is_no_contact(event):
        cancel_by(draft, event.type, key, contact_id)
    is_first = draft.customer.firsts.get(event.type) == key
    welcomed = _take_back_later_firsts(draft, event.type, key) if is_first else frozenset()
    if isinstance(data, SlaRescheduled):
        _follow_promise(draft, data.contact_id, _promised(event))
    if event.backfill or is_caused_by_us(event):
        return
    contact = draft.customer.contacts.get(contact_id or "")
    given: dict[str, Value] = {n: v for n, v in data if isinstance(v, str | int | float | bool)}
    given["first"] = is_first
    trigger = Trigger(event.type, key, contact_id, _facts(draft.customer, contact, given), _promised(event))
    for play in draft.rules.plays.plays:
        fits = play.on.type == event.type != RESOLVED and matches(play, trigger.facts)
        if fits and play.name not in welcomed and not _called_off(draft.customer, contact_id, play, key):
            start(draft, play, trigger)


def _follow_promise(draft: Draft, contact_id: str, promised: datetime | None) -> None:
    """What has not gone out yet and says by when somebody will hear from us says the new time."""
    for followup in list(draft.customer.followups.values()):
        waits = followup.status in WAITING or followup.status == "reserved"
        if promised and waits and followup.contact_id == contact_id and followup.trigger_type == OPENED:
            draft.put(followup.but(promised_at=promised))


def _take_back_later_firsts(draft: Draft, event_type: str, key: OrderKey) -> frozenset[str]:
    """
    Call off what was started for a purchase that turns out not to have been the first.

    Answers the plays of which something has been let go: these stay as they are, and
    don't start once more.
    """
    by_play: dict[str, list[Followup]] = {}
    for followup in draft.customer.followups.values():
        of_first = followup.trigger_type == event_type and fits({"first": followup.match.get("first")}, {"first": True})
        if of_first and followup.trigger_key > key:
            by_play.setdefault(followup.play, []).append(followup)
    waiting = {play: all(f.may_return or f.status in WAITING for f in found) for play, found in by_play.items()}
    for play, found in by_play.items():
        for followup in found if waiting[play] else ():
            end(draft, followup, "no_longer_matches", None, for_good=False)
    return frozenset(play for play, waits in waiting.items() if not waits)


def watch_silence(draft: Draft, *, begins: bool) -> None:
    """
    Count the silence of `quiet_for` plays anew from the last time that the customer was heard.

    History `begins` no silence, but what it shows to have been none ends.
    """
    heard = draft.customer.heard
    if heard is None:
        return
    for play in draft.rules.plays.plays:
        if play.on.silent is None or play.on.silent.quiet_for is None:
            continue
        for followup in list(draft.customer.followups.values()):
            if followup.play == play.name and followup.trigger_key < heard:
                end(draft, followup, "customer_heard", heard)
        trigger = Trigger("silent", heard, None, _facts(draft.customer, None, {}))
        if begins and matches(play, trigger.facts) and not _called_off(draft.customer, None, play, heard):
            start(draft, play, trigger)


def start(draft: Draft, play: Play, trigger: Trigger) -> None:
    """Plan the steps of a play; nothing where they are planned already."""
    silent = play.on.silent
    for index, step in enumerate(play.steps):
        name = _name(play, index, draft.customer, trigger)
        before = draft.customer.followups.get(name) or _begun_under_another_name(draft.customer, play, index, trigger)
        if before and not before.may_return:
            continue
        name = before.id if before else name
        due = due_at(step, from_millis(trigger.key[0]) + _silence(play), draft.customer, draft.rules.plays)
        followup = _planned(name, play, index, step, trigger, due)
        followup = followup.but(returned=before.returned + 1 if before else 0)
        owner, team = owners(followup, draft.customer)
        followup = draft.put(followup.but(owner=owner, team=team))
        if not silent:
            draft.tell("followup.scheduled", followup, followup.triggered_at, mark=_again(followup), due_at=due)


def _begun_under_another_name(customer: CustomerState, play: Play, index: int, trigger: Trigger) -> Followup | None:
    """A step of a contact that had no name: its id was made of another than the customer's."""
    contact = customer.contacts.get(trigger.contact_id or "")
    if contact is None or contact.named is None:
        return None
    same = (play.name, index, trigger.key)
    return next((f for f in customer.followups.values() if (f.play, f.step, f.trigger_key) == same), None)


def follow_clock(draft: Draft, before: CustomerState, event: Event[Data]) -> None:
    """Move what is planned by the customer's clock or calendar, where an event has shown that they live by another."""
    customer, plays = draft.customer, draft.rules.plays
    if _lives_by(before, plays) == _lives_by(customer, plays):
        return
    by_name = {play.name: play for play in plays.plays}
    for followup in list(customer.followups.values()):
        play = by_name.get(followup.play)
        if followup.status not in {"watched", "planned"} or play is None or followup.step >= len(play.steps):
            continue
        step, since = play.steps[followup.step], followup.triggered_at + _silence(play)
        due = due_at(step, since, customer, plays)
        if due == followup.due_at or followup.due_at != due_at(step, since, before, plays):
            continue
        moved = draft.put(followup.but(due_at=due, release_at=due, patient_until=due + step.patient_for))
        if followup.status == "planned":
            at = max(event.time, followup.triggered_at)
            draft.tell("followup.scheduled", moved, at, mark=event.identity, due_at=due)


def _lives_by(customer: CustomerState, plays: Plays) -> tuple[str, str | None]:
    return zone_of(customer, plays).key, customer.text("region")


def _silence(play: Play) -> timedelta:
    """How long it must have been quiet before the first of its steps counts."""
    silent = play.on.silent
    return (silent.resolved_unconfirmed or silent.quiet_for or timedelta()) if silent else timedelta()


def end(draft: Draft, followup: Followup, reason: str, key: OrderKey | None, *, for_good: bool = True) -> None:
    """
    What it was for has gone: cancel what is not done, withdraw what was asked.

    Unless `for_good`, what nobody has heard of may be planned anew.
    """
    at = max(from_millis(key[0]), followup.triggered_at) if key else followup.triggered_at
    if followup.status == "watched":
        draft.drop(followup)
    elif followup.status in CANCELLABLE:
        draft.free(followup)
        may_return = not for_good and followup.status in WAITING
        draft.put(finished(followup, "cancelled", at, reason, may_return=may_return))
        draft.tell("followup.cancelled", followup, at, mark=_again(followup), reason=reason)
    elif not followup.withdrawn and (
        followup.status == "sending" or (followup.do == "survey" and followup.status in {"sent", "failed"})
    ):
        draft.put(followup.but(withdrawn=True))


def matches(play: Play, facts: Mapping[str, Value]) -> bool:
    return fits(play.on.match, facts)


def fits(match: Mapping[str, Any], facts: Mapping[str, Value]) -> bool:
    """Whether every field asked for is what is asked, or one of it; of a field that is a list one value will do."""
    return all(not _words(facts.get(name)).isdisjoint(_words(wanted)) for name, wanted in match.items())


def _words(value: object) -> frozenset[str | None]:
    """The values as they compare; nothing is a value, too."""
    return frozenset(None if one is None else plain(one) for one in (value if isinstance(value, list) else [value]))


def _again(followup: Followup) -> str:
    """Tells what is planned or cancelled once more from the first time."""
    return str(followup.returned) if followup.returned else ""


def cancel_by(draft: Draft, event_type: str, key: OrderKey, contact_id: str | None) -> None:
    """Cancel what is waiting for this type of event: of the same contact, where it is about one."""
    for followup in list(draft.customer.followups.values()):
        same = not (contact_id and followup.contact_id) or followup.contact_id == contact_id
        if event_type in followup.cancel_on and same and followup.trigger_key < key:
            end(draft, followup, event_type, key)


def _called_off(customer: CustomerState, contact_id: str | None, play: Play, key: OrderKey) -> bool:
    """Whether an event that came before its turn has already cancelled this play."""
    contact = customer.contacts.get(contact_id or "")
    heard = [customer.at_large, *([contact.latest] if contact else [])] if contact_id else [customer.latest]
    return any(name in known and known[name] > key for known in heard for name in play.cancel_on)


def _facts(customer: CustomerState, contact: Contact | None, given: Mapping[str, Value]) -> dict[str, Value]:
    """What a play's match is asked of: the event's own fields, then the contact's, then the customer's."""
    profile = {name: customer.says(name) for name in (*customer.profile, "tier")}
    return {**profile, **(contact.fields if contact else {}), **given}


def _promised(event: Event[Data]) -> datetime | None:
    if isinstance(event.data, SlaOpened | SlaRescheduled):
        by_target = {deadline.target: deadline.due_at for deadline in event.data.deadlines}
        soonest = min(by_target.values(), default=None) if isinstance(event.data, SlaOpened) else None
        return by_target.get("first_response") or soonest
    promised = getattr(event.data, "promised_by", None)
    return promised if isinstance(promised, datetime) else None


def _name(play: Play, index: int, customer: CustomerState, trigger: Trigger) -> str:
    return "fu-" + identity(f"{SOURCE}/{play.name}/{index}", f"{customer.id}\0{identity_of(trigger.key[4])}")


def _planned(name: str, play: Play, index: int, step: Step, trigger: Trigger, due: datetime) -> Followup:
    silent = play.on.silent
    return Followup(
        id=name,
        play=play.name,
        step=index,
        do=step.do,
        survey=step.survey,
        template=step.template,
        by=step.by,
        purpose=step.purpose,
        sender=step.sender,
        via=step.via,
        priority=play.priority,
        within=int(step.within.total_seconds()),
        match=dict(play.on.match),
        cancel_on=play.cancel_on,
        silent=None if silent is None else "quiet" if silent.quiet_for else "unconfirmed",
        needs_risk=silent is not None and silent.risk is not None,
        risk_within=int((silent.risk if silent and silent.risk is not None else RISK_LASTS).total_seconds()),
        trigger_type=trigger.type,
        trigger_key=trigger.key,
        contact_id=trigger.contact_id,
        promised_at=trigger.promised_at,
        due_at=due,
        patient_until=due + step.patient_for,
        release_at=due,
        status="watched" if silent else "planned",
    )
