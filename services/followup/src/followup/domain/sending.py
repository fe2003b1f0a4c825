"""What becomes of a message: taken, sent, tried again, or failed; never sent twice unknowingly."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from rapport.decision import Decision

from followup.domain.addresses import address_key
from followup.domain.draft import Draft, Rules, finished
from followup.domain.reach import Route, route
from followup.domain.release import LATE, refusal, release, suppress
from followup.domain.state import Contact, CustomerState, Followup, Message, SurveyLink
from followup.domain.timetable import quiet_until

UNKNOWN = "unknown"
"""Why a message failed of which nobody can say whether it went out."""

_WAITS = (60, 300, 900, 3600, 4 * 3600)
_GIVE_UP = timedelta(hours=24)


@dataclass(frozen=True, slots=True)
class Taken:
    """A message that may go out now, and what it is made from."""

    followup: Followup
    customer: CustomerState
    contact: Contact | None
    link: SurveyLink | None
    way: Route


def take(
    message: Message, customer: CustomerState, rules: Rules, now: datetime, *, fence: int, token: str
) -> tuple[Decision[Any], Taken | None]:
    """
    Mark a message as being sent, if it still may be.

    Everything is checked once more: whoever was asked, resolved and reserved for may
    have changed since. `token` is the hash of the one in a survey's link.
    """
    draft = Draft(customer, rules)
    followup = customer.followups.get(message.id)
    if message.status != "pending":
        return Decision(), None
    if followup is None or followup.status != "reserved":
        return _withdraw(draft, message), None
    if reason := refusal(followup, customer, rules):
        draft.free(followup)
        suppress(draft, followup, reason, now)
        return _withdraw(draft, message), None
    if now - followup.release_at > LATE or quiet_until(now, customer, rules.plays):
        draft.free(followup)
        release(draft, followup.but(release_at=now, status="planned"), now)
        followup = draft.customer.followups[message.id]
        if followup.status != "reserved":
            return _withdraw(draft, message), None
    way = route(followup, draft.customer, rules)
    followup = draft.put(followup.but(status="sending", channel=way.channel))
    draft.write(message.but(status="sending", fence=fence, attempts=message.attempts + 1))
    link = _link(followup, draft.customer, rules, now, token) if followup.do == "survey" else None
    if link:
        draft.write(link)
    contact = customer.contacts.get(followup.contact_id or "")
    return draft.decision("taken"), Taken(followup, draft.customer, contact, link, way)


def sent(
    message: Message, customer: CustomerState, link: SurveyLink | None, rules: Rules, now: datetime
) -> Decision[Any]:
    """It has gone out."""
    draft = Draft(customer, rules)
    followup = customer.followups.get(message.id)
    if message.status != "sending" or followup is None:
        return Decision()
    draft.write(message.but(status="sent"))
    draft.put(finished(followup, "sent", now))
    draft.tell("followup.sent", followup, now, channel=followup.channel)
    if link:
        draft.tell_survey_sent(followup, link, now)
    return draft.decision("sent")


def failed(
    message: Message, customer: CustomerState, rules: Rules, now: datetime, reason: str, dead: str | None = None
) -> Decision[Any]:
    """
    It has not gone out and won't, or nobody knows whether it has.

    The slot is given back only where it is certain that the customer heard nothing.
    A `dead` address is nobody's, and counts as one whose mails come back; of an erased customer no address is kept.
    """
    draft = Draft(customer, rules)
    followup = customer.followups.get(message.id)
    if message.status != "sending" or followup is None:
        return Decision()
    if dead and not customer.erased:
        draft.customer = draft.customer.but(blocked={address_key(dead): "bounced", **customer.blocked})
    draft.write(message.but(status="failed", reason=reason))
    if reason != UNKNOWN:
        draft.free(followup)
    draft.put(finished(followup, "failed", now, reason))
    draft.tell("followup.failed", followup, now, reason=reason)
    return draft.decision(reason)


def try_again(message: Message, customer: CustomerState, rules: Rules, now: datetime, reason: str) -> Decision[Any]:
    """Keep it for a later try, waiting longer each time; after a day it has failed."""
    draft = Draft(customer, rules)
    followup = customer.followups.get(message.id)
    if message.status != "sending" or followup is None:
        return Decision()
    if followup.withdrawn:
        draft.free(followup)
        draft.put(finished(followup, "cancelled", now, "withdrawn"))
        draft.tell("followup.cancelled", followup, now, reason="withdrawn")
        return _withdraw(draft, message)
    if now - message.first_at > _GIVE_UP:
        return failed(message, customer, rules, now, f"unreachable: {reason}")
    wait = timedelta(seconds=_WAITS[min(message.attempts, len(_WAITS)) - 1])
    draft.put(followup.but(status="reserved"))
    draft.write(message.but(status="pending", next_at=now + wait, reason=reason))
    return draft.decision(reason)


def _withdraw(draft: Draft, message: Message) -> Decision[Any]:
    draft.write(message.but(status="withdrawn"))
    return draft.decision("withdrawn")


def _link(followup: Followup, customer: CustomerState, rules: Rules, now: datetime, token: str) -> SurveyLink:
    return SurveyLink(
        id=followup.id,
        partition=customer.partition,
        customer_id=customer.id,
        token=token,
        survey=followup.survey or "csat",
        contact_id=followup.contact_id,
        expires_at=now + rules.plays.links.survey_ttl,
    )
