"""Writing anew what is held of erased customers, however many contacts they have, beside the daily work."""

import re
from collections.abc import Sequence
from datetime import datetime
from functools import partial
from typing import Any, Final, NoReturn

from rapport.decision import Decision, Ref, States
from rapport.erasing import Erased
from rapport.runtime import telemetry as shared
from rapport.runtime.clock import Clock
from rapport.runtime.lease import Lease
from rapport.runtime.mongo import Database
from rapport.runtime.patience import Patience
from rapport.runtime.processor import Processor
from rapport.runtime.pseudonyms import pseudonyms_of
from rapport.runtime.store import Store

from sla_monitor.domain.erasing import Forgetting, done, erase, regrouped
from sla_monitor.domain.log import instant
from sla_monitor.domain.notifications import NotificationState
from sla_monitor.domain.risk import RiskState
from sla_monitor.domain.states import AlertState, ContactState, CustomerState, alerts_of
from sla_monitor.domain.watch import WatchDomain
from sla_monitor.walking import Document, walk

log = shared.logger()

_LOOK_EVERY: Final = 5.0
_AT_ONCE: Final = 50
"""Alerts or messages in one transaction."""


class Erasures:
    """
    Whoever holds the lease goes through the contacts of customers whose erasure is not finished.

    Stopped half-way it begins that customer anew; doing it twice changes nothing.
    """

    def __init__(
        self, database: Database, store: Store, processor: Processor, domain: WatchDomain, clock: Clock
    ) -> None:
        self._store = store
        self._contacts = store.collection(ContactState.collection)
        self._silences = database["silences"]
        self._groups = database["groups"]
        self._processor = processor
        self._domain = domain
        self._clock = clock
        self._lease = Lease(database, "erasing", clock)

    async def prepare(self) -> None:
        """Have the secret of this database."""
        self._domain.pseudonyms = await pseudonyms_of(self._store)

    async def run(self) -> NoReturn:
        """Until cancelled."""
        await Patience("sla-monitor", self._clock).piece_by_piece("erasing", self._one, rest=_LOOK_EVERY)

    async def _one(self) -> bool:
        """One customer; False when there is none, or another replica sees to it."""
        found = await self._store.find(CustomerState, {"erasing": True}, limit=1)
        if not found or await self._lease.held() is None:
            return False
        [kept] = found
        erased = kept.erasure
        if erased is None:
            await self._as_today(kept)
        elif erased.customer_id is not None:
            await self._contacts_of(erased)
            await self._elsewhere(erased.customer_id, erased.periods[-1].name)
            await self._processor.act(CustomerState, kept.id, done(erased), patient=True)
            log.info("what is held of an erased customer is rewritten")
        return True

    async def _as_today(self, kept: CustomerState) -> None:
        """Somebody whom the version before had only begun to forget, under their id."""
        place, name = self._domain.pseudonyms.place_of(kept.id), self._domain.pseudonyms.fresh(kept.id)

        def decide(_: CustomerState | None, states: States, now: datetime) -> Decision[Any]:
            return erase(kept.id, kept.partition, instant(kept.erased), name, place, states, now)

        touches = [Ref(CustomerState, place), Ref(RiskState, kept.id)]
        await self._processor.act(CustomerState, kept.id, decide, touches=touches, patient=True)

    async def _contacts_of(self, erased: Erased) -> None:
        where = {"customer_id": {"$in": [erased.customer_id, *sorted(erased.names)]}}
        forgetting = Forgetting(erased, self._domain.book)
        after: str | None = ""
        while after is not None:
            after = await walk(self._contacts, where, after, partial(self._forget, forgetting))
            await self._lease.held()

    async def _forget(self, forgetting: Forgetting, documents: Sequence[Document]) -> None:
        """Some contacts; then what was written of them before, for all that is written from then on has the name."""
        ids = [document["_id"] for document in documents]
        refs = [Ref(ContactState, name) for name in ids]
        await self._processor.act(ContactState, ids[0], forgetting.contacts(ids), touches=refs, patient=True)
        alerts = [alerts_of(contact_id) for contact_id in ids]
        await self._about(forgetting, AlertState, alerts, refs)
        await self._about(forgetting, NotificationState, [{"alert_id": one["_id"]} for one in alerts], refs)

    async def _about(
        self,
        forgetting: Forgetting,
        kind: type[AlertState | NotificationState],
        where: Sequence[Document],
        contacts: Sequence[Ref],
    ) -> None:
        rows = await self._store.collection(kind.collection).find({"$or": where}, {"_id": 1}).to_list(None)
        for at in range(0, len(rows), _AT_ONCE):
            ids = [row["_id"] for row in rows[at : at + _AT_ONCE]]
            touches = [*contacts, *(Ref(kind, name) for name in ids)]
            about = forgetting.about(kind, ids)
            await self._processor.act(ContactState, contacts[0].id, about, touches=touches, patient=True)

    async def _elsewhere(self, customer_id: str, name: str) -> None:
        """Silences of theirs, and when groups of theirs were told something."""
        match = "match.customer_id"
        renamed = {"$set": {f"{match}.$[theirs]": name}}
        await self._silences.update_many({match: customer_id}, renamed, array_filters=[{"theirs": customer_id}])
        async for row in self._groups.find({"_id": {"$regex": re.escape(customer_id)}}):
            text = regrouped(row["_id"], customer_id, name)
            if text != row["_id"]:
                await self._groups.update_one({"_id": text}, {"$set": {"sent_at": row["sent_at"]}}, upsert=True)
                await self._groups.delete_one({"_id": row["_id"]})
