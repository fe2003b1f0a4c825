"""What waits to be sent, as the one replica that sends knows it."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, Final

from rapport.runtime.clock import Clock
from rapport.runtime.mongo import Database
from rapport.runtime.store import Store

from sla_monitor import telemetry
from sla_monitor.domain.grouping import Batch, GroupKey, batches, key_of, to_repeat
from sla_monitor.domain.notifications import NotificationState
from sla_monitor.domain.policy import Grouping
from sla_monitor.domain.silences import FIELDS
from sla_monitor.domain.states import AlertState
from sla_monitor.silences import OUTSIDE_HOURS, Holding

_FACTS: Final = dict.fromkeys(FIELDS, 1)
_REPEATED_AT_ONCE: Final = 10_000
_RENEWED_AT_ONCE: Final = 1000


class Waiting:
    """
    Notifications that are pending, in memory; MongoDB is asked for what has come since.

    Only the sender makes them fewer. When each group was last told something is
    kept in MongoDB, for whoever sends next.
    """

    def __init__(self, store: Store, database: Database, clock: Clock) -> None:
        self._store = store
        self._notifications = store.collection(NotificationState.collection)
        self._alerts = store.collection(AlertState.collection)
        self._groups = database["groups"]
        self._clock = clock
        self._pending: list[NotificationState] = []
        self._facts: dict[str, Mapping[str, Any]] = {}
        self._seen: dict[GroupKey, datetime] = {}
        self._sent: dict[str, datetime] = {}
        self._renewed_up_to = ""

    async def take_over(self) -> None:
        """Begin anew, where the sender before stopped; what it sent in our future, by its clock, was sent by now."""
        now = self._clock.now()
        self._sent = {row["_id"]: min(row["sent_at"], now) async for row in self._groups.find({})}
        self._seen.clear()
        self._facts.clear()
        self._pending = []

    async def on_their_way(self, *, but: Iterable[str]) -> list[NotificationState]:
        """What somebody is about to send, but for that to these receivers."""
        return await self._store.find(NotificationState, {"status": "sending", "receiver": {"$nin": sorted(but)}})

    async def refresh(self) -> None:
        """Read what has come to wait, if it is another number than we know."""
        count = await self._notifications.count_documents({"status": "pending"})
        telemetry.WAITING.set(count)
        if count != len(self._pending):
            rows = await self._notifications.find({"status": "pending"}, {"_id": 1}).to_list(None)
            ids = {row["_id"] for row in rows}
            missing = sorted(ids.difference(one.id for one in self._pending))
            found = await self._store.find(NotificationState, {"_id": {"$in": missing}, "status": "pending"})
            come = await self._grouped(found)
            kept = (one for one in self._pending if one.id in ids)  # less what was sent meanwhile
            self._pending = [*kept, *come]
        now = self._clock.now()
        keys = {key_of(one) for one in self._pending}
        self._seen = {key: self._seen.get(key, now) for key in keys}

    async def renew(self, holding: Holding) -> None:
        """Look again what the next few alerts are that a silence mutes: they may have been given to others since."""
        muted = [one for one in self._pending if holding.silencing(self._facts.get(one.alert_id, {}))]
        rest = sorted((one for one in muted if one.id > self._renewed_up_to), key=lambda one: one.id)
        some = rest[:_RENEWED_AT_ONCE]
        self._renewed_up_to = some[-1].id if len(some) < len(rest) else ""
        if some:
            renewed = {one.id: one for one in await self._grouped(some)}
            self._pending = [renewed.get(one.id, one) for one in self._pending]

    async def _grouped(self, found: Sequence[NotificationState]) -> list[NotificationState]:
        """Each with the group that its alert is in now."""
        ids = sorted({one.alert_id for one in found})
        facts = {row["_id"]: row async for row in self._alerts.find({"_id": {"$in": ids}}, _FACTS)}
        known = {one.alert_id for one in self._pending}
        self._facts = {name: row for name, row in self._facts.items() if name in known} | facts
        return [one.but(group=facts.get(one.alert_id, {}).get("group", one.group)) for one in found]

    def batches(self, grouping: Grouping, holding: Holding) -> list[Batch]:
        """All that nothing holds back, as messages; what may go first comes first."""
        reasons = [holding.why(one, self._facts.get(one.alert_id, {})) for one in self._pending]
        telemetry.HELD.set(sum(why not in {"", OUTSIDE_HOURS} for why in reasons))
        free = [one for one, why in zip(self._pending, reasons, strict=True) if not why]
        return batches(free, grouping, self._seen, self._sent)

    async def due_again(self, grouping: Grouping) -> list[NotificationState]:
        """What has been sent, nobody has taken, and is to be told again by now."""
        again: list[NotificationState] = []
        for text in to_repeat(self._sent, grouping, self._clock.now()):
            receiver, _, rest = text.partition("#")
            entry, _, rest = rest.partition("/")
            group = rest.partition("/")[2]
            where = {"group": group, "active": True, "state": "breached"}
            ids = [row["_id"] async for row in self._alerts.find(where, {"_id": 1}).limit(_REPEATED_AT_ONCE)]
            rows = await self._store.find(
                NotificationState, {"alert_id": {"$in": ids}, "receiver": receiver, "status": "sent"}
            )
            newest = {
                one.alert_id: one
                for one in sorted(rows, key=lambda one: (one.due, one.level))
                if one.kind == "breach" and str(one.entry) == entry
            }
            again += newest.values()
            if not newest:
                await self._groups.delete_one({"_id": text})
                del self._sent[text]
        return again

    def since(self, key: GroupKey) -> datetime | None:
        """Since when that group has had something to send."""
        return self._seen.get(key)

    def forget(self, members: Iterable[NotificationState], key: GroupKey, since: datetime | None = None) -> None:
        """What was just dealt with is read anew, as it then is; `since` keeps the group's place."""
        gone = {one.id for one in members}
        self._pending = [one for one in self._pending if one.id not in gone]
        self._seen.pop(key, None)
        if since:
            self._seen[key] = since

    async def note_sent(self, key: GroupKey, members: Iterable[NotificationState], at: datetime) -> None:
        """That the group was told of these; not of a group that they left while it was, whose name may be an id."""
        self._sent[key.text] = at
        await self._groups.update_one({"_id": key.text}, {"$set": {"sent_at": at}}, upsert=True)
        still = {"_id": {"$in": sorted({one.alert_id for one in members})}, "group": key.group}
        if await self._alerts.find_one(still, {"_id": 1}) is None:
            await self._groups.delete_one({"_id": key.text})
