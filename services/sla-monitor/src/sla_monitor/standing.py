"""Tells Alertmanager again of what stands: it keeps alerts in memory alone, and what it hears no more of is over."""

from collections import defaultdict
from collections.abc import Collection, Sequence
from datetime import datetime, timedelta
from typing import Any, Final, NoReturn

from rapport.runtime import telemetry as shared

from sla_monitor.composing import Composer
from sla_monitor.delivery import Letter
from sla_monitor.domain.grouping import GroupKey, key_of
from sla_monitor.domain.message import LISTED
from sla_monitor.domain.notifications import NotificationState
from sla_monitor.domain.signals import STANDS_FOR, labels_in
from sla_monitor.domain.states import AlertState
from sla_monitor.means import Means
from sla_monitor.receivers import Place, forgetful_in
from sla_monitor.sender import Sender

log = shared.logger()

_AT_ONCE: Final = LISTED
"""Alerts of one piece: as many as have their customers named in a message."""


class Standing:
    """Works on the replica that sends."""

    def __init__(
        self,
        means: Means,
        *,
        composer: Composer,
        sender: Sender,
        every: timedelta,
    ) -> None:
        self._means = means
        self._alerts = means.store.collection(AlertState.collection)
        self._composer = composer
        self._sender = sender
        self._every = every

    async def run(self) -> NoReturn:
        """Until cancelled."""
        while True:
            await self._means.clock.sleep(self._every.total_seconds())
            if self._sender.token is not None:
                await self._means.processor.patiently("standing alerts", self._tell_all)

    async def _tell_all(self) -> None:
        products = forgetful_in(self._means.policies.book.latest.file)
        if not products:
            return
        ids = [row["_id"] async for row in self._alerts.find({"active": True}, {"_id": 1})]
        for at, place in products.items():
            name, _, entry = at.rpartition("#")
            if self._means.health.closed_until(name) is None:
                await self._tell(name, int(entry), place, ids)

    async def _tell(self, name: str, entry: int, place: Place, ids: Sequence[str]) -> None:
        """All that one of them has been told, in pieces; the first that it does not take ends the round."""
        for at in range(0, len(ids), _AT_ONCE):
            where = {"alert_id": {"$in": list(ids[at : at + _AT_ONCE])}, "receiver": name}
            rows = [one for one in await self._means.store.find(NotificationState, where) if _stands(one, entry)]
            latest = {one.alert_id: one for one in sorted(rows, key=lambda one: (one.due, one.level))}
            if not latest:
                continue
            now = self._means.clock.now()
            if not await self._post(name, place, latest.values(), now + STANDS_FOR):
                return
            over = {"_id": {"$in": list(latest)}, "active": False}
            gone = [latest[row["_id"]] async for row in self._alerts.find(over, {"_id": 1})]
            if gone and not await self._post(name, place, gone, now):
                return

    async def _post(self, name: str, place: Place, rows: Collection[NotificationState], until: datetime) -> bool:
        ids = [one.alert_id for one in rows]
        alerts = {alert.id: alert for alert in await self._means.store.find(AlertState, {"_id": {"$in": ids}})}
        groups: dict[GroupKey, list[NotificationState]] = defaultdict(list)
        for one in rows:
            known = alerts.get(one.alert_id)
            if known and not (one.kind == "breach" and known.state == "warned"):
                groups[key_of(one)].append(one)
        post: list[Any] = []
        for key, members in groups.items():
            heard = {one.alert_id: [one] for one in members}
            post += (await self._composer.plain(key, members, alerts, heard)).again(until)
        outcome = await self._means.delivery.send(place.url, Letter("standing", "standing", {}, (post,)))
        await self._means.health.note(name, outcome)
        if not outcome.ok:
            log.warning("not told again of what stands", receiver=name, detail=outcome.detail)
        return outcome.ok


def _stands(one: NotificationState, entry: int) -> bool:
    return one.entry == entry and one.sent_at is not None and labels_in(one.known_as) is not None
