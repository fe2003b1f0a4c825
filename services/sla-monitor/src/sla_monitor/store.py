"""The queries that only sla-monitor has: who waits how long, how far everything has been read."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Final

from rapport.contracts import format_instant
from rapport.runtime.clock import Clock
from rapport.runtime.mongo import Database
from rapport.runtime.store import Store

from sla_monitor.domain.board import Figures
from sla_monitor.domain.board_filter import SOON
from sla_monitor.domain.notifications import NotificationState
from sla_monitor.domain.risk import RiskState
from sla_monitor.domain.states import BOARD, AlertState, ContactState, CustomerState


class Queries:
    """Reads what the board, the lists and the pages show."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self._contacts = store.collection(ContactState.collection)
        self._alerts = store.collection(AlertState.collection)
        self._notifications = store.collection(NotificationState.collection)
        self._backfills = store.collection("backfills")

    async def figures(self, teams: Mapping[str, Any], now: datetime) -> Figures:
        """The board's numbers. `teams` is a condition on the team."""
        soon = {"$and": [{"$gt": ["$next_due_at", now]}, {"$lte": ["$next_due_at", now + SOON]}]}
        counted = {
            "breached_waiting": "$breached",
            "due_30m": soon,
            "unowned": {"$eq": ["$owner", None]},
            "no_policy": {"$eq": ["$policy", None]},
            "paused": "$paused",
        }
        group = {
            "_id": None,
            **{name: {"$sum": {"$cond": [condition, 1, 0]}} for name, condition in counted.items()},
            "oldest": {"$min": {"$cond": ["$breached", "$opened_at", None]}},
        }
        stages = [{"$match": {"in_work": True, **teams}}, {"$group": group}, {"$unset": "_id"}]
        found = await self._contacts.aggregate(stages, hint=BOARD.name).to_list(None)
        return Figures(
            **(found[0] if found else {**dict.fromkeys(counted, 0), "oldest": None}),
            unacknowledged=await self._alerts.count_documents({"active": True, "state": "breached", **teams}),
        )

    async def alerts(self, where: Mapping[str, Any], limit: int) -> tuple[list[AlertState], int]:
        """Alerts for the board, breached and waiting first, then by due; and how many there are in all."""
        sort = [("raised", -1), ("due_at", 1), ("_id", 1)]
        found = await self.store.find(AlertState, where, sort=sort, limit=limit)
        return found, len(found) if len(found) < limit else await self._alerts.count_documents(where)

    async def open_contacts(self, where: Mapping[str, Any], by: str, limit: int) -> tuple[list[ContactState], int]:
        """Contacts for the board, the next to fall due `by` that field first; and how many there are in all."""
        found = await self.store.find(ContactState, where, sort=[(by, 1), ("_id", 1)], limit=limit)
        return found, len(found) if len(found) < limit else await self._contacts.count_documents(where)

    async def customers(self, ids: Iterable[str]) -> dict[str, CustomerState]:
        found = await self.store.find(CustomerState, {"_id": {"$in": sorted(set(ids))}})
        return {customer.id: customer for customer in found}

    async def risks(self, ids: Iterable[str]) -> list[RiskState]:
        """What is known of a conflict with these customers, of those of whom anything is."""
        return await self.store.find(RiskState, {"_id": {"$in": sorted(set(ids))}, "at_risk": True})

    async def at_risk(self, limit: int) -> list[RiskState]:
        """Customers of whom a risk has been told, whether it stands or not."""
        return await self.store.find(RiskState, {"at_risk": True}, limit=limit)

    async def customers_of(self, teams: Iterable[str], ids: Sequence[str]) -> set[str]:
        """Those of these customers of whom one of the teams has or had a contact."""
        where = {"customer_id": {"$in": list(ids)}, "team": {"$in": list(teams)}}
        return set(await self._contacts.distinct("customer_id", where))

    async def messages_about(self, contact: ContactState) -> list[NotificationState]:
        """What has been sent about its alerts."""
        ids = [f"{contact.id}/{name}" for name in contact.alerts]
        return await self.store.find(NotificationState, {"alert_id": {"$in": ids}, "status": "sent"}) if ids else []

    async def messages_still_needed(self, ids: Sequence[str]) -> set[str]:
        """
        Those of alerts that stand, or whose end is still to be told.

        Whoever was told of an alert hears that it is over, under the name by which their product knows it.
        """
        found = self._notifications.find({"_id": {"$in": list(ids)}}, {"alert_id": 1})
        alert_of = {row["_id"]: row["alert_id"] async for row in found}
        alerts = {"$in": sorted(set(alert_of.values()))}
        standing = set(await self._alerts.distinct("_id", {"_id": alerts, "active": True}))
        waiting = {"alert_id": alerts, "status": {"$in": ["pending", "sending"]}}
        standing |= set(await self._notifications.distinct("alert_id", waiting))
        return {name for name, alert in alert_of.items() if alert in standing}

    async def teams(self) -> list[str]:
        """The teams that have something open."""
        return sorted(team for team in await self._contacts.distinct("team", {"in_work": True}) if team)

    async def owners(self, teams: Mapping[str, Any]) -> list[str]:
        """Who owns something that is open."""
        return sorted(owner for owner in await self._contacts.distinct("owner", {"in_work": True, **teams}) if owner)

    async def policies(self) -> list[str]:
        """The policies that something open runs under."""
        return sorted(name for name in await self._contacts.distinct("policy", {"in_work": True}) if name)

    async def workload(
        self, by: str, teams: Mapping[str, Any], now: datetime, midnight: datetime
    ) -> list[dict[str, Any]]:
        """Contacts in work by owner or team: how many, due from now until midnight, and beyond a deadline."""
        today = {"$and": [{"$gte": ["$next_due_at", now]}, {"$lt": ["$next_due_at", midnight]}]}
        stages = [
            {"$match": {"in_work": True, **teams}},
            {
                "$group": {
                    "_id": f"${by}",
                    "open": {"$sum": 1},
                    "due_today": {"$sum": {"$cond": [today, 1, 0]}},
                    "overdue": {"$sum": {"$cond": ["$breached", 1, 0]}},
                    "paused": {"$sum": {"$cond": ["$paused", 1, 0]}},
                }
            },
            {"$sort": {"overdue": -1, "due_today": -1, "open": -1, "_id": 1}},
        ]
        return [{"name": row.pop("_id"), **row} async for row in self._contacts.aggregate(stages, hint=BOARD.name)]

    async def backfills(self, limit: int, after: tuple[datetime, str] | None) -> list[dict[str, Any]]:
        """What history brought that was past already, the newest hour first; `after` is an entry's hour and source."""
        rest: dict[str, Any] = {}
        if after is not None:
            hour, source = after
            rest = {"$or": [{"hour": {"$lt": hour}}, {"hour": hour, "source": {"$gt": source}}]}
        stages = [
            {"$match": rest},
            {"$group": {"_id": {"source": "$source", "hour": "$hour"}, "breached": {"$sum": "$breached"}}},
            {"$sort": {"_id.hour": -1, "_id.source": 1}},
            {"$limit": limit},
        ]
        return [
            {
                "source": row["_id"]["source"],
                "hour": format_instant(row["_id"]["hour"]),
                "breached": row["breached"],
            }
            async for row in self._backfills.aggregate(stages)
        ]


class Reading:
    """
    Up to which instant every partition has been read, as all replicas say.

    A partition that nobody reads stands still, and the lag grows.
    """

    ID: Final = "reading"
    EVERY: Final = 1.0
    FRESH: Final = timedelta(seconds=3)
    """As of so lately counts as now: it is said once a second."""

    def __init__(self, database: Database, clock: Clock, partitions: int) -> None:
        self._rows = database["reading"]
        self._clock = clock
        self._partitions = partitions

    async def note(self, horizons: Mapping[int, datetime]) -> None:
        if horizons:
            stamps = {f"p{partition}": horizon for partition, horizon in horizons.items()}
            await self._rows.update_one({"_id": self.ID}, {"$max": stamps}, upsert=True)

    async def stamps(self) -> dict[int, datetime]:
        """Up to which instant each partition has been read, of those that ever were."""
        row = await self._rows.find_one({"_id": self.ID}) or {}
        return {p: row[f"p{p}"] for p in range(self._partitions) if row.get(f"p{p}") is not None}

    async def as_of(self) -> tuple[datetime | None, float | None]:
        """The instant up to which everything has been read, and how many seconds that is ago; None: not yet."""
        known = list((await self.stamps()).values())
        if len(known) < self._partitions:
            return None, None
        now, as_of = self._clock.now(), min(known)
        return as_of, 0.0 if now - as_of <= self.FRESH else (now - as_of).total_seconds()
