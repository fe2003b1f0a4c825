"""
What becomes of a contact's alerts: opened by a warning, raised by a breach, cleared when nobody waits any more.

An alert lives inside its contact, one per target and cycle. Its steps are rows of
time: a step that is due writes the messages for those it reaches.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal

from rapport.contracts import Data
from rapport.contracts.sla_events import WITHDRAWN, AlertCleared, AlertEscalated

from sla_monitor.domain.clocks import Clock
from sla_monitor.domain.escalation import LATE, Escalation, hears_of_taking, keeps_alerts
from sla_monitor.domain.fold import Folding
from sla_monitor.domain.log import arrived, instant
from sla_monitor.domain.notifications import NotificationState
from sla_monitor.domain.policy_book import PolicyVersion
from sla_monitor.domain.rules import Facts
from sla_monitor.domain.states import DEEDS, Alert, AlertState, ContactState
from sla_monitor.domain.telling import Numbered

Taken = Literal["acknowledged", "cleared"]


def owner_of(folding: Folding, alerts: Mapping[str, Alert]) -> str | None:
    """Whose a contact is: as events say, else whoever one of its alerts was assigned to last, which stands last."""
    return folding.owner or next((alert.owner for alert in reversed(list(alerts.values())) if alert.owner), None)


@dataclass(slots=True)
class Alerting:
    """What is decided about the alerts of one contact in one go."""

    contact: ContactState
    folding: Folding
    horizon: datetime
    now: datetime
    alerts: dict[str, Alert]
    told_at: datetime | None = None
    """When the event that is being taken in was recorded."""
    states: list[AlertState] = field(default_factory=list)
    notifications: list[NotificationState] = field(default_factory=list)
    events: list[tuple[str, Data, str, datetime, bool]] = field(default_factory=list)

    def settle(self, clocks: list[Numbered], cause_at: datetime) -> None:
        """Bring every alert in line with its clock, then ring what is due."""
        seen = set()
        for one in clocks:
            seen.add(one.key)
            alert = self.alerts.get(one.key)
            if not one.news and (alert is None or alert.state == "closed" or _is_settled(one, alert)):
                continue
            self._follow(one, alert, cause_at)
        for key, alert in list(self.alerts.items()):
            if key not in seen and alert.state not in ("cleared", "closed"):
                self._withdraw(key, alert, cause_at)

    def _follow(self, one: Numbered, known: Alert | None, cause_at: datetime) -> None:
        escalation = self.escalation(one)
        alert = self._opened(one, known, escalation)
        if alert is None:
            return
        if "corrected" in one.news:
            alert = alert.but(deeds=alert.done(cause_at, "corrected", why=one.clock.cause))
        if alert.state not in ("cleared", "closed") or (alert.state == "cleared" and "answered" in one.news):
            alert = self._clear_if_over(one, alert, cause_at)
            if not _is_settled(one, alert) and alert.state == "cleared":
                alert = _warned(one, alert)
        if alert.state == "snoozed" and alert.until is not None and alert.until <= self.horizon:
            alert = _come_back(one, alert, escalation, alert.until)
        if alert.state == "breached":
            alert = self._ring(one, alert, escalation, cause_at)
        if alert.state == "warned" and ("warned" in one.news or _comes_near_anew(one, known, alert)):
            alert = self._warn_owner(one, alert, escalation)
        if alert is not known or alert.state not in ("cleared", "closed"):
            self.alerts[one.key] = alert
            self.states.append(self.project(one, alert, escalation))

    # --- states -------------------------------------------------------------------

    def _opened(self, one: Numbered, known: Alert | None, escalation: Escalation) -> Alert | None:
        """The alert with what is new or true again: that the deadline comes near, that it is missed."""
        alert = known
        again = known is not None and known.state == "cleared" and not _is_settled(one, known)
        if ("warned" in one.news and known is None) or (again and one.warned):
            alert = _warned(one, known)
        if one.verdict == "breached" and (again or "breached" in one.news or "corrected" in one.news):
            alert = self._raise(one, alert, escalation)
        return alert

    def _raise(self, one: Numbered, known: Alert | None, escalation: Escalation) -> Alert:
        """A breach that is news; pages unless nobody waits, or it was made by an edit or is history."""
        clock, due = one.clock, one.clock.due_at or self.horizon
        if known is not None and known.raised_at is not None and known.state not in ("cleared", "closed"):
            return known.but(raised_at=due)
        if known is not None and known.state == "snoozed" and known.until is not None and known.until > due:
            return known.but(raised_at=due)
        alert = known or Alert(state="breached")
        steps = {"base_at": None, "next_at": None} if _is_quiet(clock) else escalation.start(due)
        again = {"rounds": alert.rounds + 1} if alert.raised_at is not None or alert.state == "cleared" else {}
        update: Facts = {
            "state": "breached",
            "raised_at": due,
            "by": None,
            "until": None,
            "reason": None,
            **steps,
            **again,
        }
        return alert.but(**update)

    def _clear_if_over(self, one: Numbered, alert: Alert, cause_at: datetime) -> Alert:
        clock = one.clock
        if clock.ended:
            met: Facts = (
                {"met_at": clock.met_at, "open_seconds": clock.open_seconds(clock.met_at)} if clock.met_at else {}
            )
            at = clock.ended_at or cause_at
            return self._cleared(one.key, alert, clock.cause, at, due=clock.due_at or cause_at, **met)
        wrong = alert.raised_at is not None and one.verdict == "running"
        if wrong or (alert.raised_at is None and not clock.comes_near):
            why = clock.cause if clock.outdated and not wrong else WITHDRAWN
            return self._cleared(one.key, alert, why, cause_at, due=clock.due_at or cause_at)
        return alert

    def _cleared(self, key: str, alert: Alert, why: str, at: datetime, *, due: datetime, **met: Any) -> Alert:
        facts = self.facts(key, alert, due)
        self._tell("alert.cleared", AlertCleared, facts, f"cleared/{alert.revision}", at, cause=why, **met)
        for receiver in alert.notified if alert.active else ():
            name, _, entry = receiver.rpartition("#")
            self._notify(key, alert, due, "cleared", name, int(entry), at, f"cleared/{alert.rounds}/{receiver}")
        update: Facts = {
            "state": "cleared",
            "next_at": None,
            "until": None,
            "revision": alert.revision + 1,
            "deeds": alert.done(at, "cleared", why=why),
        }
        return alert.but(**update)

    def tell_who_was_rung(self, one: Numbered, alert: Alert, kind: Taken, at: datetime) -> Alert:
        """A person has taken or closed it: whoever was rung learns that nothing is asked of them any more."""
        due, file = one.clock.due_at or at, self.escalation(one).version.file
        word = "closed" if kind == "cleared" else kind  # not the name under which time or an answer clears it
        for receiver in alert.notified:
            name, _, entry = receiver.rpartition("#")
            if kind == "cleared" or hears_of_taking(file, name):
                self._notify(one.key, alert, due, kind, name, int(entry), at, f"{word}/{alert.revision}/{receiver}")
        self.alerts[one.key] = alert
        return alert

    def _withdraw(self, key: str, alert: Alert, at: datetime) -> None:
        """The cycle turned out never to have been one."""
        due = alert.raised_at or at
        self.alerts[key] = gone = self._cleared(key, alert, WITHDRAWN, at, due=due)
        facts, contact = self.facts(key, gone, due), self.contact
        facts["id"] = facts.pop("alert_id")
        version = self.folding.version or self.folding.book.latest
        self.states.append(
            AlertState(
                **facts,
                partition=contact.partition,
                backfill=contact.backfill,
                state="cleared",
                started_at=due,
                waiting=False,
                warned_at=alert.warned_at,
                group=self._group(facts["target"], facts["owner"], contact.policy, version),
                level=alert.level,
                paged=alert.paged,
                policy=contact.policy,
                policy_version=contact.policy_version,
                channel=contact.channel,
                subject=contact.subject,
                reference=contact.reference,
                url=contact.url,
            )
        )

    # --- steps --------------------------------------------------------------------

    def escalation(self, one: Numbered) -> Escalation:
        version = self.folding.version
        rule = one.clock.rule
        if version is None:
            version = self.folding.book.latest
        elif rule is not None and rule.version != version.number:
            version = self.folding.book.version(rule.version)
        calendar = version.calendars.get(self._calendar(one) or "") if rule else None
        facts = {**self.folding.facts, "team": self.folding.team}
        return Escalation(version, version.steps(rule, facts), rule.page if rule else "list", calendar)

    def _calendar(self, one: Numbered) -> str | None:
        return one.clock.calendar or self.folding.calendar

    def _ring(self, one: Numbered, alert: Alert, escalation: Escalation, cause_at: datetime) -> Alert:
        if alert.next_at is not None and not escalation.rings:
            return alert.but(next_at=None)
        if alert.base_at is None and not _is_quiet(one.clock):
            alert = alert.but(**escalation.start(one.clock.due_at or self.horizon))
        alert = escalation.goes_on(alert, cause_at)
        if opening := escalation.waits_for_opening(alert, self.now):
            return alert.but(next_at=opening)
        owner = alert.owner or self.folding.owner
        ring = escalation.ring(alert, owner, self.folding.team, self.horizon, self.now)
        if ring is None:
            return alert
        names = [f"{name}#{entry}" for name, entry in ring.reached]
        alert = alert.but(
            level=ring.level,
            repeats=ring.repeats,
            next_at=ring.next_at,
            paged=alert.paged or bool(names),
            notified=list(dict.fromkeys([*alert.notified, *names])),
        )
        due = one.clock.due_at or ring.at
        if ring.level > 1 and not ring.repeats:
            alert = alert.but(deeds=alert.done(ring.at, "escalated", why=f"to step {ring.level}"))
            step = f"escalated/{alert.rounds}.{ring.level}"
            self._tell(
                "alert.escalated", AlertEscalated, self.facts(one.key, alert, due), step, ring.at, level=ring.level
            )
        step = f"{alert.rounds}.{ring.level}.{ring.repeats}"
        known = self._heard_of(one)
        under = escalation.version.number, self._calendar(one) if escalation.page == "business_hours" else None
        for name, entry in ring.reached:
            self._notify(one.key, alert, due, "breach", name, entry, ring.at, f"{step}/{name}", known, under)
        return alert

    def _warn_owner(self, one: Numbered, alert: Alert, escalation: Escalation) -> Alert:
        """Warnings go to the owner and the list; they never page. Where they stand until the end, that is told, too."""
        at, clock = one.warned[-1], one.clock
        if clock.recorded is not None and at <= clock.recorded:
            return alert
        due = clock.due_at or at
        step = f"warned/{len(one.warned)}" + (f".{alert.rounds}" if alert.rounds else "")
        told = list(alert.notified)
        for name, entry in escalation.reached(("owner",), alert.owner or self.folding.owner, None, at):
            self._notify(one.key, alert, due, "warning", name, entry, at, step, self._heard_of(one))
            if keeps_alerts(escalation.version.file, name):
                told.append(f"{name}#{entry}")
        return alert.but(warned_of=[*alert.warned_of, due][-DEEDS:], notified=list(dict.fromkeys(told)))

    def _heard_of(self, one: Numbered) -> datetime | None:
        """When the event that its clock began with was taken in, where that came late."""
        name = one.clock.key or (self.folding.opening.name if self.folding.opening else "")
        began = next((entry for entry in self.contact.log if entry.name == name), None)
        return instant(began.facts["heard"]) if began and "heard" in began.facts else None

    # --- what is written ------------------------------------------------------------

    def project(self, one: Numbered, alert: Alert, escalation: Escalation) -> AlertState:
        """The alert as lists show it."""
        contact, clock = self.contact, one.clock
        rule = clock.rule
        owner = alert.owner or self.folding.owner
        return AlertState(
            id=f"{contact.id}/{one.key}",
            partition=contact.partition,
            backfill=contact.backfill,
            contact_id=contact.id,
            customer_id=contact.customer_id,
            target=clock.target,
            cycle=one.cycle,
            state=alert.state,
            started_at=clock.started_at,
            due_at=clock.due_at or clock.started_at,
            met_at=clock.met_at,
            warned_at=one.warned[clock.outdated] if len(one.warned) > clock.outdated else alert.warned_at,
            breached_at=alert.raised_at if one.verdict == "breached" else None,
            waiting=not clock.ended,
            paused=clock.status == "paused",
            group=self._group(clock.target, owner, rule.name if rule else None, escalation.version),
            level=alert.level,
            next_step_at=alert.next_at if alert.state == "breached" else None,
            next_receivers=escalation.next_names(alert, owner, self.folding.team) if alert.state == "breached" else [],
            owner=owner,
            team=self.folding.team,
            policy=rule.name if rule else None,
            policy_version=rule.version if rule else None,
            page=escalation.page,
            paged=alert.paged,
            rings_from=alert.base_at,
            exhausted=0 < len(escalation.steps) <= alert.level,
            timezone=escalation.calendar.timezone if escalation.calendar else "UTC",
            by=alert.by,
            until=alert.until,
            reason=alert.reason,
            channel=contact.channel,
            subject=contact.subject,
            reference=contact.reference,
            url=contact.url,
        )

    def _group(self, target: str, owner: str | None, policy: str | None, version: PolicyVersion) -> str:
        """What the policy groups such an alert by, as one text."""
        contact = self.contact
        facts = {
            "team": self.folding.team,
            "policy": policy,
            "owner": owner,
            "target": target,
            "channel": contact.channel,
            "kind": contact.kind,
            "priority": contact.priority,
            "customer_id": contact.customer_id,
        }
        grouped_by = version.file.grouping.by if version.number else ("team", "policy")
        return "/".join(str(facts.get(by) or "-") for by in grouped_by)

    def facts(self, key: str, alert: Alert, due: datetime) -> Facts:
        target, _, cycle = key.partition("/")
        return {
            "contact_id": self.contact.id,
            "customer_id": self.contact.customer_id,
            "alert_id": f"{self.contact.id}/{key}",
            "target": target,
            "cycle": int(cycle),
            "due_at": due,
            "owner": alert.owner or self.folding.owner,
            "team": self.folding.team,
        }

    def _tell(self, event_type: str, data: type[Data], facts: Facts, step: str, at: datetime, **more: Any) -> None:
        old = self.contact.backfill and at <= arrived(self.contact.log)
        name = f"{facts['alert_id']}/{step}"
        self.events.append((event_type, data.model_validate({**facts, **more}), name, at, old))

    def _notify(
        self,
        key: str,
        alert: Alert,
        due: datetime,
        kind: Any,
        receiver: str,
        entry: int,
        at: datetime,
        step: str,
        known: datetime | None = None,
        under: tuple[int, str | None] | None = None,
    ) -> None:
        facts = self.facts(key, alert, due)
        version, hours = under or (self.folding.version.number if self.folding.version else None, None)
        known = known or self.told_at
        self.notifications.append(
            NotificationState(
                id=f"{facts['alert_id']}/{step}",
                partition=self.contact.partition,
                deadline=facts.pop("due_at"),
                **facts,
                kind=kind,
                receiver=receiver,
                entry=entry,
                policy_version=version,
                calendar=hours,
                level=alert.level,
                due=at,
                known_at=known if known and known > at else None,
                late=self.now - at > LATE,
                source=self.contact.source,
            )
        )


def _warned(one: Numbered, known: Alert | None) -> Alert:
    """It comes near its deadline, for the first time or again."""
    alert = known.but(rounds=known.rounds + 1, raised_at=None) if known else Alert(state="warned")
    return alert.but(state="warned", warned_at=one.warned[-1], by=None, reason=None)


def _comes_near_anew(one: Numbered, known: Alert | None, alert: Alert) -> bool:
    """Whether it stands as a warning after its breach was withdrawn, of a deadline of which nobody was warned yet."""
    return known is not None and alert.rounds > known.rounds and one.clock.due_at not in alert.warned_of


def _is_settled(one: Numbered, alert: Alert) -> bool:
    """Whether it was cleared and there is nothing, or nothing any more, for which it should stand on the list."""
    stands = one.verdict == "breached" or len(one.warned) > one.clock.outdated
    return alert.state == "cleared" and (one.clock.ended or not stands)


def _is_quiet(clock: Clock) -> bool:
    """Whether its breach is only listed: nobody waits, an edit made it, or it was past when history brought it."""
    old = clock.recorded is not None and clock.due_at is not None and clock.due_at <= clock.recorded
    return clock.listed or clock.ended or old


def _come_back(one: Numbered, alert: Alert, escalation: Escalation, at: datetime) -> Alert:
    """A snooze has ended: it stands where it stood, and rings (again) if it was raised, be it meanwhile."""
    again: Facts = {"state": "warned" if alert.raised_at is None else "breached", "rounds": alert.rounds + 1}
    if alert.base_at is not None:
        again |= escalation.come_back(alert, at)
    elif alert.raised_at is not None and not _is_quiet(one.clock):
        again |= escalation.start(at)
    return alert.but(until=None, by=None, **again)
