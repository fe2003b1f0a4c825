"""What the HTTP answers look like."""

from collections.abc import Collection, Iterable
from datetime import datetime
from typing import Any

from rapport.contracts import format_instant
from rapport.contracts.fields import Channel

from followup.domain.budget import free_at, left_at
from followup.domain.draft import Rules, in_order
from followup.domain.reach import consents, purposes_spoken_of
from followup.domain.state import CheckIn, CustomerState, Followup, Slot
from followup.domain.timetable import quiet_until, zone_of

_DONE = {"sent", "done", "sending", "reserved"}
_PLANNED = {"planned", "deferred", "owed"}
_PURPOSES = ("survey", "check_in", "message", "marketing", "service")


def visible(customer: CustomerState, teams: Collection[str]) -> list[Followup]:
    """The follow-ups that somebody of these teams may see, in order; all of them where no team is named."""
    told = (one for one in customer.followups.values() if one.status != "watched")
    return in_order(one for one in told if not teams or one.team in teams)


def followups_answer(
    customer: CustomerState, followups: Iterable[Followup], rules: Rules, now: datetime
) -> dict[str, Any]:
    """What of this a customer has heard, will hear and won't, and how much more they may."""
    lists: dict[str, list[dict[str, Any]]] = {"done": [], "planned": [], "suppressed": []}
    for one in followups:
        place = "done" if one.status in _DONE else "planned" if one.status in _PLANNED else "suppressed"
        lists[place].append(_followup(one))
    quiet = quiet_until(now, customer, rules.plays)
    purposes = {p for p in _PURPOSES if p != "message"} | purposes_spoken_of(customer)
    return {
        "customer_id": customer.id,
        **lists,
        "slots": _slots(customer, rules, now),
        "consent": {one: consents(one, customer, rules, _channel(one)) for one in sorted(purposes)},
        "timezone": zone_of(customer, rules.plays).key,
        "quiet": {"until": format_instant(quiet[0]), "reason": quiet[1]} if quiet else None,
    }


def _channel(purpose: str) -> Channel:
    return "phone" if purpose == "check_in" else "email"


def check_in_answer(one: CheckIn, now: datetime) -> dict[str, Any]:
    return {
        "id": one.id,
        "customer_id": one.customer_id,
        "contact_id": one.contact_id,
        "play": one.play,
        "owner": one.owner,
        "team": one.team,
        "due_at": format_instant(one.due_at),
        "overdue": one.status == "owed" and one.due_at < now,
        "status": one.status,
        "outcome": one.outcome,
        "note": one.note,
        "by": one.by,
    }


def _followup(one: Followup) -> dict[str, Any]:
    return {
        "id": one.id,
        "play": one.play,
        "step": one.step,
        "do": one.do,
        "survey": one.survey,
        "purpose": one.purpose,
        "channel": "phone" if one.do == "check_in" else one.channel,
        "contact_id": one.contact_id,
        "trigger": one.trigger_type,
        "triggered_at": format_instant(one.triggered_at),
        "due_at": format_instant(one.until if one.status == "owed" and one.until else one.due_at),
        "release_at": format_instant(one.release_at),
        "status": one.status,
        "reason": one.reason,
        "until": format_instant(one.until) if one.until else None,
        "finished_at": format_instant(one.finished_at) if one.finished_at else None,
        "withdrawn": one.withdrawn,
        "owner": one.owner,
        "team": one.team,
        "outcome": one.outcome,
    }


def _slots(customer: CustomerState, rules: Rules, now: datetime) -> dict[str, Any]:
    budget = rules.plays.budget
    taken = sorted(customer.slots, key=lambda slot: slot.at)
    free, why = free_at(Slot(followup_id="", at=now), taken, budget)
    surveys = {}
    for survey in budget.per:
        instant, rule = free_at(Slot(followup_id="", at=now, survey=survey), taken, budget)
        surveys[survey] = {"cap": str(budget.per[survey]), "next_free": format_instant(instant), "reason": rule}
    return {
        "max": str(budget.max) if budget.max else None,
        "left": left_at(now, taken, budget),
        "next_free": format_instant(free),
        "reason": why,
        "per": surveys,
        "used": [
            {"followup_id": s.followup_id, "at": format_instant(s.at), "survey": s.survey, "exempt": s.exempt}
            for s in taken
        ],
    }
