"""The moment a follow-up is let go: everything is checked again, and a slot reserved before anything is sent."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from followup.domain.budget import free_at
from followup.domain.draft import Draft, Rules, finished, in_order, owners, slot_of
from followup.domain.folding import anything_open, standing
from followup.domain.reach import consents, route, unreachable
from followup.domain.state import HEARD, CustomerState, Followup, Message, Slot, from_millis
from followup.domain.timetable import let_go_at, quiet_until

LATE = timedelta(minutes=5)
"""Whoever looks later than this after the due instant judges by when they look, not by when it was due."""

_MOST_MOVES = 60


def release_due(draft: Draft, now: datetime) -> None:
    """Let go all that has fallen due by `now`, in the order in which it did."""
    while True:
        due = [f for f in draft.customer.followups.values() if f.status in _LET_GO and f.release_at <= now]
        if not due:
            return
        release(draft, in_order(due)[0], now)


def release(draft: Draft, followup: Followup, now: datetime) -> None:
    """
    Send it, owe it, put it off or drop it, and say why.

    What is looked at in time is dated by its due instant, so that a second look
    tells the same. A slot that is found too late is reserved for now: what counts
    for the customer is when they hear from us.
    """
    if followup.status == "watched":
        if followup.needs_risk and not _at_risk(draft.customer, followup):
            draft.drop(followup)
            return
        followup = followup.but(status="planned")
        draft.tell("followup.scheduled", followup, followup.release_at, due_at=followup.due_at)
    at = followup.release_at if now - followup.release_at <= LATE else now
    owner, team = owners(followup, draft.customer)
    followup = followup.but(owner=owner, team=team)
    if reason := refusal(followup, draft.customer, draft.rules):
        suppress(draft, followup, reason, at)
        return
    if at > followup.patient_until or _promises_what_is_past(followup, at, draft.rules):
        suppress(draft, followup, "too_late", at)
        return
    free, why = earliest(followup, at, now, draft.customer, draft.rules)
    if why is None:
        _go(draft, followup, at)
    elif free > followup.patient_until:
        suppress(draft, followup, why, at, until=free)
    else:
        put_off = followup.but(status="deferred", release_at=free, reason=why, until=free)
        draft.put(put_off)
        mark = str(int(free.timestamp() * 1000))
        draft.tell("followup.deferred", put_off, at, mark=mark, until=free, reason=why)


def _promises_what_is_past(followup: Followup, at: datetime, rules: Rules) -> bool:
    """Whether it was to say by when the customer will hear from us, and has been put off until after that."""
    promised = followup.promised_at
    if followup.do != "message" or promised is None or followup.template in rules.timeless:
        return False
    return followup.due_at <= promised < at


def _at_risk(customer: CustomerState, followup: Followup) -> bool:
    """Whether there has been a sign of risk since the customer fell silent, or not longer before than the play asks."""
    oldest = followup.triggered_at - timedelta(seconds=followup.risk_within)
    return any(from_millis(key[0]) >= oldest for key in customer.signs.values())


def suppress(draft: Draft, followup: Followup, reason: str, at: datetime, until: datetime | None = None) -> None:
    draft.put(finished(followup, "suppressed", at, reason, until=until))
    draft.tell("followup.suppressed", followup, at, reason=reason, until=until)


def refusal(followup: Followup, customer: CustomerState, rules: Rules) -> str | None:
    """Why this customer must not get this at all, as things stand; None when they may."""
    way = None if followup.do == "check_in" else route(followup, customer, rules)
    allowed = consents(followup.purpose, customer, rules, way.channel if way else "phone")
    reasons = [_who_not(customer), None if allowed else "no_consent"]
    if followup.do == "survey":
        reasons.append(_no_survey(followup, customer))
    if way:
        reasons.append(unreachable(way, customer, rules))
    return next((reason for reason in reasons if reason), None)


def _who_not(customer: CustomerState) -> str | None:
    audience = customer.text("audience")
    return "erased" if customer.erased else audience if audience in {"staff", "test"} else None


def _no_survey(followup: Followup, customer: CustomerState) -> str | None:
    if anything_open(customer):
        return "contact_open"
    return "already_surveyed" if _already_surveyed(followup, customer) else None


def earliest(
    followup: Followup, at: datetime, now: datetime, customer: CustomerState, rules: Rules
) -> tuple[datetime, str | None]:
    """The first instant that quiet time and budget leave, and what first stood in the way; None when nothing does."""
    taken = [slot for slot in customer.slots if slot.followup_id != followup.id]
    wanted = slot_of(followup, at, rules.plays)
    if not wanted.exempt:
        taken += _kept_for_more_important(followup, at, customer, rules)
    quiet = quiet_until(now, customer, rules.plays)
    if quiet is None:
        return _first_chance(followup, wanted, taken, customer, rules)
    moment = let_go_at(followup.id, quiet[0], customer, rules.plays)
    return _first_chance(followup, wanted.but(at=moment), taken, customer, rules)[0], quiet[1]


def _first_chance(
    followup: Followup, wanted: Slot, taken: Sequence[Slot], customer: CustomerState, rules: Rules
) -> tuple[datetime, str | None]:
    """The first instant, from the wanted one on, that is neither quiet nor taken, and what first stood in the way."""
    moment, why = wanted.at, None
    for _ in range(_MOST_MOVES):
        if quiet := quiet_until(moment, customer, rules.plays):
            moment, why = let_go_at(followup.id, quiet[0], customer, rules.plays), why or quiet[1]
        free, rule = free_at(wanted.but(at=moment), taken, rules.plays.budget)
        if rule is None:
            return moment, why
        moment, why = free, why or rule
        if moment > followup.patient_until:
            break
    return max(moment, followup.patient_until + timedelta(milliseconds=1)), why


def _kept_for_more_important(followup: Followup, at: datetime, customer: CustomerState, rules: Rules) -> list[Slot]:
    """The slots that what is planned and matters more will have; what has fallen due meanwhile has its own now."""
    kept: list[Slot] = []
    ahead = [
        one
        for one in customer.followups.values()
        if one.status in {"planned", "deferred"} and one.priority > followup.priority
    ]
    for other in sorted(ahead, key=lambda one: (-one.priority, one.release_at, one.id)):
        if refusal(other, customer, rules) is None:
            wanted = slot_of(other, max(other.release_at, at), rules.plays)
            free, _ = _first_chance(other, wanted, [*customer.slots, *kept], customer, rules)
            if free <= other.patient_until:
                kept.append(wanted.but(at=free))
    return kept


def _already_surveyed(followup: Followup, customer: CustomerState) -> bool:
    contact = customer.contacts.get(followup.contact_id or "")
    if contact is None:
        return False
    over = standing(contact).over(followup.trigger_key)
    return any(
        other.id != followup.id
        and other.do == "survey"
        and other.contact_id == followup.contact_id
        and (other.status in HEARD or (other.status == "failed" and other.reason == "unknown"))
        and (over is None or over.covers(other.trigger_key))
        for other in customer.followups.values()
    )


def _go(draft: Draft, followup: Followup, at: datetime) -> None:
    draft.reserve(slot_of(followup, at, draft.rules.plays))
    if followup.do == "check_in":
        due = at + timedelta(seconds=followup.within)
        draft.put(followup.but(status="owed", until=due, reason=None, release_at=at))
        draft.tell("followup.owed", followup, at, due_at=due)
        return
    draft.put(followup.but(status="reserved", until=None, reason=None, release_at=at))
    customer = draft.customer
    draft.write(Message(id=followup.id, partition=customer.partition, customer_id=customer.id, next_at=at, first_at=at))


_LET_GO = frozenset({"watched", "planned", "deferred"})
