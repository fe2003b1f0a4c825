"""What a group of notifications says to its receiver, in the form that the receiver takes."""

import hashlib
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any, Final

from rapport.runtime.addresses import kind_of
from rapport.runtime.clock import Clock
from rapport.runtime.store import Store

from sla_monitor.delivery import Letter
from sla_monitor.domain.grouping import GroupKey
from sla_monitor.domain.message import LISTED, Message, worst_first
from sla_monitor.domain.notifications import NotificationState
from sla_monitor.domain.signals import STORM_KEY
from sla_monitor.domain.states import AlertState, CustomerState
from sla_monitor.links import Link, Links
from sla_monitor.policies import Policies
from sla_monitor.receivers import Place, place_of

Alerts = Mapping[str, AlertState]
Heard = Mapping[str, Sequence[NotificationState]]

OVER: Final = ("acknowledged", "cleared")
_AT_ONCE: Final = 5000


class Composer:
    """Reads what a message needs, and puts it together."""

    def __init__(self, store: Store, policies: Policies, links: Links, clock: Clock, public_url: str) -> None:
        self._store = store
        self._policies = policies
        self._links = links
        self._clock = clock
        self._public_url = public_url
        self._alerts = store.collection(AlertState.collection)

    def place(self, key: GroupKey, members: Sequence[NotificationState]) -> Place | None:
        return place_of(self._policies.book, key.receiver, key.entry, members[0].policy_version)

    async def heard(self, key: GroupKey, members: Sequence[NotificationState]) -> Heard:
        """What the receiver has had, or may have had, of each of these alerts since it last heard the end of it."""
        found: dict[str, list[NotificationState]] = defaultdict(list)
        ids = sorted({one.alert_id for one in members})
        for at in range(0, len(ids), _AT_ONCE):
            where = {"alert_id": {"$in": ids[at : at + _AT_ONCE]}, "receiver": key.receiver}
            rows = [one for one in await self._store.find(NotificationState, where) if one.entry == key.entry]
            ended: dict[str, datetime] = {}
            for one in rows:
                if one.kind == "cleared" and one.sent_at:
                    ended[one.alert_id] = max(one.sent_at, ended.get(one.alert_id, one.sent_at))
            for one in rows:
                had = one.sent_at or one.perhaps or (one.attempts and one.known_as)
                border = ended.get(one.alert_id)
                if one.kind not in OVER and had and not (border and one.sent_at and one.sent_at <= border):
                    found[one.alert_id].append(one)
        return found

    async def message(
        self, key: GroupKey, members: Sequence[NotificationState], alerts: Alerts, heard: Heard
    ) -> Message:
        """What they say, with a link to act on it by where the receiver may have one."""
        message = await self.plain(key, members, alerts, heard)
        if key.kind in OVER:
            ids = {alert.id for alert in message.alerts}
            return replace(message, settled=await self._settled(key, ids, message.known))
        if message.fields is not None and "url" not in message.fields:
            return message
        link = await self._links.offer(Link(message.name, key.receiver), [alert.id for alert in message.alerts])
        return replace(message, link=link)

    async def plain(self, key: GroupKey, members: Sequence[NotificationState], alerts: Alerts, heard: Heard) -> Message:
        """What they say to their receiver, in the fields that it may learn."""
        shown = worst_first([alerts[one.alert_id] for one in members])
        ids = sorted({alert.customer_id for alert in shown[:LISTED]})
        customers = await self._store.find(CustomerState, {"_id": {"$in": ids}})
        place = self.place(key, members)
        names = sorted(f"{one.id}#{one.repeats}" for one in members)
        known = {name: tuple({one.known_as: 1 for one in rows if one.known_as}) for name, rows in heard.items()}
        return Message(
            key=key,
            alerts=shown,
            customers={customer.id: customer for customer in customers},
            at=self._clock.now(),
            name=f"msg_{hashlib.sha256(chr(0).join(names).encode()).hexdigest()[:32]}",
            level=max(one.level for one in members),
            late=any(one.late for one in members),
            fields=place.fields if place else None,
            public_url=self._public_url,
            known=known,
        )

    async def _settled(self, key: GroupKey, ids: set[str], known: Mapping[str, Sequence[str]]) -> frozenset[str]:
        """Those of the names that stand for none but these alerts: a storm's ends with the last of it."""
        names = {name for known_names in known.values() for name in known_names}
        waits: dict[str, Any] = {"active": True} if key.kind == "cleared" else {"state": "breached"}
        standing = set()
        for name in (name for name in names if name.startswith(STORM_KEY)):
            rows = self._store.collection(NotificationState.collection).find({"known_as": name}, {"alert_id": 1})
            others = sorted({row["alert_id"] async for row in rows} - ids)
            for at in range(0, len(others), _AT_ONCE):
                if await self._alerts.find_one({"_id": {"$in": others[at : at + _AT_ONCE]}, **waits}, {"_id": 1}):
                    standing.add(name)
                    break
        return frozenset(names - standing)


def via(place: Place | None) -> str:
    """The kind of product that a place is."""
    return kind_of(place.url) if place else ""


def letter_of(message: Message, place: Place) -> Letter:
    return Letter(message.name, message.text, message.body(), tuple(message.posts(via(place))))
