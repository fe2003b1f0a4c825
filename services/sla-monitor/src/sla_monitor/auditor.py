"""
The auditor: looks from outside whether alerting does its duty, and says so where it does not.

It reads what has been written rather than asking the sender, so that a sender
that stands still is found too. What is wrong twice in a row is told, once (where
it is forgotten, again and again), and told again when it is over.
"""

from collections import Counter
from collections.abc import AsyncIterator, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Final

from rapport.contracts import format_instant
from rapport.runtime import telemetry as shared
from rapport.runtime.addresses import Unreachable, expand, kind_of
from rapport.runtime.alarms import asleep_since, failing_since
from rapport.runtime.lease import Lease

from sla_monitor import telemetry
from sla_monitor.delivery import Letter
from sla_monitor.domain.audit import CAUSES, Cause, Finding, Report, listeners
from sla_monitor.domain.log import EPOCH
from sla_monitor.domain.notifications import NotificationState
from sla_monitor.domain.policy_checks import missing
from sla_monitor.domain.risk import receiver_of
from sla_monitor.domain.risk_message import AtRisk
from sla_monitor.domain.silences import FIELDS
from sla_monitor.domain.states import AlertState, ContactState
from sla_monitor.domain.text import length
from sla_monitor.means import Means
from sla_monitor.receivers import Place, forgets, names_in, places_in
from sla_monitor.risk_waiting import PLACES, over, row_of, unheard
from sla_monitor.silences import IS_SILENT, LAGS, Holding

log = shared.logger()

_COUNTED: Final = 10_000
_LOOKED_AT: Final = 2_000
_FAILING_FROM: Final = 3
"""Failures in a row after which a receiver counts as failing rather than as having stumbled."""
_UNREACHED_FOR: Final = timedelta(days=2)
"""So long after it could first ring an alert that reached nobody is still spoken of."""
_TRIED_FOR: Final = timedelta(days=1)
"""So long it is tried to tell whoever heard of a trouble that it is over."""


class Auditor:
    """Runs on every replica; the one that holds the lease looks."""

    def __init__(
        self,
        means: Means,
        *,
        holding: Holding,
        public_url: str,
        every: timedelta,
        overdue: timedelta,
        tell_again_every: timedelta,
    ) -> None:
        self._means = means
        self._holding = holding
        self._public_url = public_url
        self._every = every
        self._overdue = overdue
        self._tell_again_every = tell_again_every
        self._contacts = means.store.collection(ContactState.collection)
        self._alerts = means.store.collection(AlertState.collection)
        self._notifications = means.store.collection(NotificationState.collection)
        self._trouble = means.database["trouble"]
        self._lease = Lease(means.database, "auditor", means.clock)

    async def run(self) -> None:
        """Until cancelled."""
        try:
            while True:
                if await self._means.processor.patiently("auditor", self._lease.held) is not None:
                    await self._means.processor.patiently("auditor", self._look)
                else:
                    _show({}, 0)
                await self._means.clock.sleep(self._every.total_seconds())
        finally:
            await self._lease.release()

    async def shown(self) -> list[dict[str, Any]]:
        """What is wrong now and has been told, the oldest first."""
        rows = self._trouble.find({"confirmed": True}).sort([("since", 1), ("_id", 1)])
        return [
            {
                "id": row["_id"],
                "cause": row["cause"],
                "receiver": row["about"] or None,
                "says": row["says"],
                "since": format_instant(row["since"]),
                "told": sorted(row.get("told", [])),
            }
            async for row in rows
        ]

    # --- looking ----------------------------------------------------------------------

    async def _look(self) -> None:
        now = self._means.clock.now()
        await self._holding.refresh()
        found = {finding.id: finding async for finding in self._findings(now)}
        known = {row["_id"]: row async for row in self._trouble.find({})}
        for name, row in known.items():
            if name not in found:
                await self._end(row, now)
        for name, finding in found.items():
            row = known.get(name)
            if row is None:
                new = {"_id": name, "cause": finding.cause, "about": finding.about, "since": now, "confirmed": False}
                await self._trouble.insert_one({**new, "says": finding.says, "told": []})
            elif row.get("ended_at"):
                anew = {"since": now, "says": finding.says}
                await self._trouble.update_one({"_id": name}, {"$set": anew, "$unset": {"ended_at": 1, "again_at": 1}})
            else:
                await self._trouble.update_one({"_id": name}, {"$set": {"confirmed": True, "says": finding.says}})
                await self._begin(finding, row, now)
        stood = {name for name, row in known.items() if not row.get("ended_at")}
        confirmed = Counter(finding.cause for name, finding in found.items() if name in stood)
        _show(confirmed, await self._means.health.failing(names_in(self._means.policies.book.latest.file)))

    async def _findings(self, now: datetime) -> AsyncIterator[Finding]:
        file, rows = self._means.policies.book.latest.file, await self._means.health.rows()
        names = names_in(file)
        failing = {name for name in names if rows.get(name, {}).get("failures", 0) >= _FAILING_FROM}
        async for finding in self._held_back(now):
            yield finding
        async for finding in self._steps(now):
            yield finding
        for name, reason in missing(file).items():
            yield Finding("receiver_missing", f"{name} can't be reached: {reason}", name)
        for name in names:
            for place in places_in(file, name):
                if reason := _unreachable(place):
                    yield Finding("receiver_missing", f"{name} can't be reached: {reason}", name)
                    break
        for name in sorted(failing):
            error = rows[name].get("last_error", {})
            says = f"{name} has not taken {rows[name]['failures']} messages in a row: {error.get('error', '')}"
            yield Finding("receiver_failing", says, name)
        border = now - self._overdue - file.grouping.wait - file.grouping.interval
        late = [*await self._overdue_messages(border, failing), *await self._overdue_risks(border, failing)]
        if late:
            says = f"{len(late)} messages wait that should have been sent, the oldest for {length(now - min(late))}"
            yield Finding("messages_overdue", says)
        if unreached := await self._unreached(now):
            says = f"nobody could be reached about {len(unreached)} alerts: {', '.join(unreached[:3])}"
            yield Finding("unreached", f"{says} …" if len(unreached) > 3 else says)  # noqa: PLR2004 - as many as shown

    async def _held_back(self, now: datetime) -> AsyncIterator[Finding]:
        """What keeps breaches from being paged: this is the one page that says so."""
        lagging, silent = self._holding.lagging, self._holding.silent
        held: Counter[str] = Counter()
        if lagging or silent:
            waiting = {"status": "pending", "due": {"$lte": now}}
            held.update([why async for _, why, _ in self._with_reasons(waiting)])
        if lagging:
            says = f"events lag by {length(now - min(lagging.values()))} in {len(lagging)} partitions"
            yield Finding("events_lag", f"{says}; {held[LAGS]} breaches are held back until they have been read")
        if held[IS_SILENT]:
            names = ", ".join(f"{name} since {at:%Y-%m-%d %H:%M} UTC" for name, at in sorted(silent.items()))
            says = f"nothing has come from {names}"
            yield Finding("source_silent", f"{says}; {held[IS_SILENT]} breaches are held back for a while")

    async def _steps(self, now: datetime) -> AsyncIterator[Finding]:
        """Deadlines and steps that nobody has looked at though their partitions are read, or can't be decided about."""
        border = now - self._overdue
        asleep = {**asleep_since(border), "p": {"$nin": sorted(self._holding.lagging)}}
        where = {"$or": [asleep, failing_since(border, now)]}
        count = await self._contacts.count_documents(where, limit=_COUNTED)
        if count:
            yield Finding("steps_overdue", f"{count} contacts have deadlines or steps that are overdue to be looked at")

    async def _overdue_messages(self, border: datetime, failing: set[str]) -> list[datetime]:
        """Since when those wait that might have been told before the border and are held back by nothing."""
        where = {"status": "pending", "due": {"$lt": border}, "receiver": {"$nin": sorted(failing)}}
        return [
            since
            async for one, why, facts in self._with_reasons(where)
            if not why and (since := self._holding.waits_since(one, facts)) < border
        ]

    async def _overdue_risks(self, border: datetime, failing: set[str]) -> list[datetime]:
        """The same of messages about customers at risk; whoever has just been told of others has to wait a little."""
        told = {row["_id"]: row["told_at"] async for row in self._means.database[PLACES].find({})}
        since = [
            max(
                one.since,
                self._holding.silenced_until(one.facts),
                told.get(row_of(place, over=one.is_over), EPOCH),
            )
            async for place, one in self._risks()
            if receiver_of(place) not in failing
        ]
        return [instant for instant in since if instant < border]

    async def _risks(self) -> AsyncIterator[tuple[str, AtRisk]]:
        """What is to be told of customers at risk, with the place that is to hear it."""
        async for one in unheard(self._means):
            if one.at_risk:
                for place in one.notice.waiting:
                    yield place, one.at_risk
        async for place, at_risk in over(self._means):
            yield place, at_risk

    async def _with_reasons(
        self, where: Mapping[str, Any]
    ) -> AsyncIterator[tuple[NotificationState, str, Mapping[str, Any]]]:
        """Of the messages that wait the oldest that are still true: what holds it back, if anything, and its facts."""
        waiting = await self._means.store.find(NotificationState, where, sort=[("due", 1)], limit=_LOOKED_AT)
        ids = [one.alert_id for one in waiting]
        fields = dict.fromkeys((*FIELDS, "state"), 1)
        rows = self._alerts.find({"_id": {"$in": ids}}, fields)
        alerts: dict[str, Mapping[str, Any]] = {row["_id"]: row async for row in rows}
        for one in waiting:
            alert = alerts.get(one.alert_id, {})
            if one.kind != "breach" or alert.get("state") == "breached":
                yield one, self._holding.why(one, alert), alert

    async def _unreached(self, now: datetime) -> list[str]:
        """Alerts whose last step has rung and of which nobody has a message, nor will have one."""
        where = {
            "active": True,
            "state": "breached",
            "rings_from": {"$gt": now - _UNREACHED_FOR, "$lt": now - self._overdue},
        }
        alerts = await self._means.store.find(AlertState, where, sort=[("rings_from", -1)], limit=_LOOKED_AT)
        at_the_end = [alert.id for alert in alerts if alert.exhausted]
        if not at_the_end:
            return []
        reached = {"alert_id": {"$in": at_the_end}, "status": {"$in": ["pending", "sending", "sent"]}}
        known = set(await self._notifications.distinct("alert_id", reached))
        return [name for name in at_the_end if name not in known]

    # --- telling -----------------------------------------------------------------------

    async def _begin(self, finding: Finding, row: Mapping[str, Any], now: datetime) -> None:
        file = self._means.policies.book.latest.file
        names = listeners(file, finding.about)
        report = Report(finding, row["since"], now, self._public_url)
        told = await self._tell(report, [name for name in names if name not in row["told"]])
        if told:
            log.warning("trouble", cause=finding.cause, about=finding.about, says=finding.says, told=told)
            await self._trouble.update_one({"_id": finding.id}, {"$addToSet": {"told": {"$each": told}}})
        if now - row.get("again_at", row["since"]) >= self._tell_again_every:
            forgetful = [name for name in row["told"] if any(forgets(place) for place in places_in(file, name)[:1])]
            await self._tell(report, forgetful)
            await self._trouble.update_one({"_id": finding.id}, {"$set": {"again_at": now}})

    async def _end(self, row: Mapping[str, Any], now: datetime) -> None:
        """Over: whoever heard of it hears that; who can't be told now is tried for a day."""
        file, ended_at = self._means.policies.book.latest.file, row.get("ended_at") or now
        finding = Finding(row["cause"], row["says"], row["about"])
        told = await self._tell(Report(finding, row["since"], now, self._public_url, ended_at=ended_at), row["told"])
        left = [name for name in row["told"] if name not in told and places_in(file, name)]
        if left and now - ended_at < _TRIED_FOR:
            kept = {"told": left, "ended_at": ended_at, "confirmed": False}
            await self._trouble.update_one({"_id": row["_id"]}, {"$set": kept})
        else:
            await self._trouble.delete_one({"_id": row["_id"]})

    async def _tell(self, report: Report, names: Sequence[str]) -> list[str]:
        """Whom it could be told, of these."""
        told = []
        for name in names:
            place = next(iter(places_in(self._means.policies.book.latest.file, name)), None)
            if place is None or self._means.health.closed_until(name) is not None:
                continue
            posts = tuple(report.posts(kind_of(place.url)))
            letter = Letter(report.name, report.text, report.body(name), posts)
            outcome = await self._means.delivery.send(place.url, letter)
            await self._means.health.note(name, outcome)
            if outcome.ok:
                told.append(name)
        return told


def _show(confirmed: Mapping[Cause, int], failing: int) -> None:
    """The figures of the one replica that looks; the others have none."""
    for cause in CAUSES:
        telemetry.TROUBLE.labels(cause).set(confirmed.get(cause, 0))
    telemetry.FAILING.set(failing)


def _unreachable(place: Place) -> str:
    """Why a place can't even be tried; empty when it can."""
    try:
        expand(place.url)
    except Unreachable as error:
        return str(error)
    return ""
