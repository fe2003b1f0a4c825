"""
What a person does about an alert: acknowledge, snooze, assign, close, or let it climb past who can't be reached.

An action changes who is rung and when, never a clock and never a verdict. Doing
the same twice changes nothing.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from rapport.contracts import Data, format_instant
from rapport.contracts.sla_events import AlertAcknowledged, AlertAssigned, AlertClosed, AlertSnoozed
from rapport.decision import Decision

from sla_monitor.domain.alerts import Alerting, owner_of
from sla_monitor.domain.fold import fold
from sla_monitor.domain.monitor import horizon_of, wake_at
from sla_monitor.domain.policy_book import PolicyBook
from sla_monitor.domain.states import Alert, ContactState, Verb
from sla_monitor.domain.telling import Numbered, number, sequenced

_OVER = ("cleared", "closed")


class NotPossible(ValueError):
    """That can't be done to this alert, and why."""


def contact_of(alert_id: str) -> str:
    """The contact of an alert, whose id is `contact/target/cycle`."""
    return alert_id.rsplit("/", 2)[0]


def acknowledge(contact: ContactState, alert_id: str, *, by: str, now: datetime, book: PolicyBook) -> Decision[Any]:
    """Somebody has taken it: it stops climbing."""

    def change(alert: Alert, _: Numbered) -> _Change | None:
        if alert.state == "acknowledged":
            return None
        _must_be_active(alert)
        return _Change({"state": "acknowledged", "by": by, "until": None, "next_at": None}, AlertAcknowledged, {})

    return _act(contact, alert_id, by, now, book, change, "acknowledged")


def snooze(
    contact: ContactState, alert_id: str, *, until: datetime, by: str, now: datetime, book: PolicyBook
) -> Decision[Any]:
    """Quiet until then; after that it stands where it stood, and rings again."""
    if until <= now:
        raise NotPossible("an alert can only be snoozed until an instant that is still to come")

    def change(alert: Alert, _: Numbered) -> _Change | None:
        if alert.state == "snoozed" and alert.until == until:
            return None
        _must_be_active(alert)
        update = {"state": "snoozed", "by": by, "until": until, "next_at": None}
        return _Change(update, AlertSnoozed, {"until": until})

    return _act(contact, alert_id, by, now, book, change, "snoozed")


def assign(contact: ContactState, alert_id: str, *, to: str, by: str, now: datetime, book: PolicyBook) -> Decision[Any]:
    """Another owner of the alert; the contact's own stays, and one that has none is theirs."""

    def change(alert: Alert, _: Numbered) -> _Change | None:
        if alert.owner == to:
            return None
        _must_be_active(alert)
        return _Change({"owner": to}, AlertAssigned, {"to": to})

    return _act(contact, alert_id, by, now, book, change, "assigned")


def close(
    contact: ContactState, alert_id: str, *, reason: str | None, by: str, now: datetime, book: PolicyBook
) -> Decision[Any]:
    """Nobody need look at it any more. An unmet target needs a reason; the verdict stays what it is."""

    def change(alert: Alert, one: Numbered) -> _Change | None:
        if alert.state == "closed":
            return None
        if not one.clock.ended and not (reason or "").strip():
            raise NotPossible("somebody still waits: closing needs a reason")
        update = {"state": "closed", "by": by, "reason": reason, "until": None, "next_at": None}
        return _Change(update, AlertClosed, {"reason": reason or ""})

    return _act(contact, alert_id, by, now, book, change, "closed")


def climb(contact: ContactState, alert_id: str, *, past: int, now: datetime, book: PolicyBook) -> Decision[Any]:
    """
    Whom a step was to reach can't be reached: the next step rings at once, or as soon as it may ring at all.

    `past` is the step's level. Who has climbed further already, or stands at the
    top, stays where it is.
    """
    key = alert_id.removeprefix(f"{contact.id}/")
    alert = contact.alerts.get(key)
    if (
        alert is None
        or alert.state != "breached"
        or alert.next_at is None
        or alert.next_at <= now
        or alert.level > past
    ):
        return Decision(why="nothing left to climb")
    horizon = horizon_of(contact, now)
    folding = fold(contact.log, book, horizon)
    one = next((one for one in number(folding, contact.cycles, horizon)[0] if one.key == key), None)
    alerting = Alerting(contact, folding, horizon, now, contact.alerts)
    if one is None or alert.level >= len((escalation := alerting.escalation(one)).steps):
        return Decision(why="nobody above")
    following = min(escalation.may_ring(now), alert.next_at)
    sooner = alert.but(next_at=following)
    woken = min(following, contact.wake_at) if contact.wake_at else following
    state = contact.but(alerts={**contact.alerts, key: sooner}, wake_at=woken)
    return Decision(states=(state,), why="climb")


@dataclass(frozen=True, slots=True)
class _Change:
    update: dict[str, Any]
    event: type[Data]
    facts: dict[str, Any]

    @property
    def why(self) -> str:
        said = {name: format_instant(v) if isinstance(v, datetime) else v for name, v in self.facts.items()}
        return ", ".join(f"{name} {value}" for name, value in said.items() if value)


def _must_be_active(alert: Alert) -> None:
    if alert.state in _OVER:
        raise NotPossible(f"the alert is {alert.state}")


def _act(
    contact: ContactState,
    alert_id: str,
    by: str,
    now: datetime,
    book: PolicyBook,
    change: Callable[[Alert, Numbered], _Change | None],
    verb: Verb,
) -> Decision[Any]:
    key = alert_id.removeprefix(f"{contact.id}/")
    horizon = horizon_of(contact, now)
    folding = fold(contact.log, book, horizon)
    clocks, _ = number(folding, contact.cycles, horizon)
    one = next((one for one in clocks if one.key == key), None)
    alert = contact.alerts.get(key)
    if one is None or alert is None:
        raise NotPossible("there is no such alert")
    changed = change(alert, one)
    if changed is None:
        return Decision(why=f"{verb} already")
    deeds = alert.done(now, verb, by, changed.why)
    after = alert.but(**changed.update, revision=alert.revision + 1, deeds=deeds)
    others = {name: known for name, known in contact.alerts.items() if name != key or verb != "assigned"}
    alerting = Alerting(contact, folding, horizon, now, {**others, key: after})
    if verb in ("acknowledged", "closed"):
        after = alerting.tell_who_was_rung(one, after, "acknowledged" if verb == "acknowledged" else "cleared", now)
    facts = {**alerting.facts(key, after, one.clock.due_at or now), **changed.facts, "by": by}
    data = changed.event.model_validate(facts)
    name = f"{alert_id}/{verb}/{alert.revision}"
    tells, sequence = sequenced(contact, [(f"alert.{verb}", data, name, now, False)])
    update = {
        "alerts": alerting.alerts,
        "owner": owner_of(folding, alerting.alerts),
        "sequence": sequence,
        "wake_at": wake_at(clocks, alerting, horizon),
    }
    projected = alerting.project(one, after, alerting.escalation(one))
    states = (contact.but(**update), projected, *alerting.notifications)
    return Decision(states=states, events=tuple(tells), why=verb)
