"""Where a contact stands and why: its targets with their explanations, and its history, as the API shows it."""

from collections.abc import Iterable
from datetime import datetime
from typing import Any, Final

from rapport.contracts import format_instant

from sla_monitor.domain.clocks import NEVER_OPENS
from sla_monitor.domain.history import Happened, clocks_of, history
from sla_monitor.domain.log import instant
from sla_monitor.domain.notifications import NotificationState
from sla_monitor.domain.plain_words import TO_DO, promised
from sla_monitor.domain.policy import Risk
from sla_monitor.domain.policy_book import PolicyBook
from sla_monitor.domain.risk import RiskState, standing
from sla_monitor.domain.risk_notices import heard
from sla_monitor.domain.states import ContactState
from sla_monitor.domain.telling import Numbered

_HIDDEN: Final = {
    "id",
    "partition",
    "wake_at",
    "log",
    "cut",
    "told",
    "cycles",
    "sequence",
    "opened",
    "swept",
    "alerts",
}


def summary(contact: ContactState) -> dict[str, Any]:
    """A contact as lists show it."""
    return {"contact_id": contact.id, **contact.shown(without=_HIDDEN)}


def risks_shown(state: RiskState | None, rules: Risk, now: datetime) -> list[dict[str, Any]]:
    """What speaks for a conflict with a customer at that instant, as the API shows it."""
    return [
        {
            "cause": one.cause,
            "since": format_instant(instant(one.millis)),
            "reasons": list(one.reasons),
            "contact_id": one.contact,
            "told": heard(state, one),
        }
        for one in standing(state, rules, now)
    ]


def detail(
    contact: ContactState,
    book: PolicyBook,
    now: datetime,
    messages: Iterable[NotificationState] = (),
    risk: RiskState | None = None,
) -> dict[str, Any]:
    """
    A contact with all its targets and its history, seen from `now`.

    `messages` are those that were sent, `risk` is what is known of a conflict with its customer.
    """
    folding, clocks = clocks_of(contact, book, now)
    lines = [*history(contact, clocks), *map(_sent, messages)]
    return {
        **summary(contact),
        "targets": [_target(one, now) for one in clocks],
        "risks": risks_shown(risk, book.latest.file.risk, now),
        "without_deadline": [
            {"target": clock.target, "started_at": format_instant(clock.started_at), "why": clock.cause}
            for clock in folding.clocks
            if clock.cause == NEVER_OPENS and not clock.ended
        ],
        "history": [
            {"at": format_instant(line.at), "event": line.event, "what": line.what, "why": line.why}
            for line in sorted(lines, key=lambda line: line.at)
        ],
    }


def _target(one: Numbered, now: datetime) -> dict[str, Any]:
    clock = one.clock
    return {
        "target": clock.target,
        "cycle": one.cycle,
        "status": "paused" if clock.status == "paused" else one.verdict,
        "open": not clock.ended,
        "started_at": format_instant(clock.started_at),
        "due_at": _maybe(clock.due_at),
        "met_at": _maybe(clock.met_at),
        "breached_at": _maybe(clock.breached_at if one.verdict == "breached" else None),
        "cancelled_at": _maybe(clock.cancelled_at),
        "without_response": clock.without_response,
        "open_seconds": clock.open_seconds(now),
        "calendar": clock.calendar,
        "policy": clock.rule.name if clock.rule else None,
        "policy_version": clock.rule.version if clock.rule else None,
        "promised": promised(clock.target, clock.spec) if clock.spec else None,
        "to_do": None if clock.ended else TO_DO[clock.target],
        "cause": clock.cause,
        "explain": [
            {
                "from": format_instant(stretch.start),
                "to": format_instant(stretch.end),
                "counted_seconds": stretch.counted_seconds,
                "why": stretch.why,
            }
            for stretch in clock.explain(now)
        ],
    }


def _sent(message: NotificationState) -> Happened:
    name = f"{message.target.replace('_', ' ')} #{message.cycle}"
    late = ", late" if message.late else ""
    what = f"{message.kind} told to {message.receiver}"
    return Happened(message.sent_at or message.due, "alert.notified", what, f"{name}, step {message.level}{late}")


def _maybe(at: datetime | None) -> str | None:
    return format_instant(at) if at else None
