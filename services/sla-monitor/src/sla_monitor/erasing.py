"""Forgetting what is held of erased customers' contacts, however many they have, beside the daily work."""

from collections.abc import Sequence
from datetime import datetime
from functools import partial
from typing import Any, Final, NoReturn

from rapport.decision import Decision, Ref, States
from rapport.runtime import telemetry as shared
from rapport.runtime.clock import Clock
from rapport.runtime.lease import Lease
from rapport.runtime.mongo import Database
from rapport.runtime.patience import Patience
from rapport.runtime.processor import Processor
from rapport.runtime.store import Store

from sla_monitor.domain.erasing import forget_contacts
from sla_monitor.domain.states import AlertState, ContactState, CustomerState, alerts_of
from sla_monitor.policies import Policies
from sla_monitor.walking import Document, touched, walk

log = shared.logger()

_LOOK_EVERY: Final = 5.0
_WANTED: Final = {"erasing": True}


class Erasures:
    """
    Whoever holds the lease goes through the contacts of customers that are marked as being erased.

    Stopped half-way it begins that customer anew; forgetting twice changes nothing.
    """

    def __init__(
        self, database: Database, store: Store, processor: Processor, policies: Policies, clock: Clock
    ) -> None:
        self._customers = store.collection(CustomerState.collection)
        self._contacts = store.collection(ContactState.collection)
        self._alerts = store.collection(AlertState.collection)
        self._processor = processor
        self._policies = policies
        self._clock = clock
        self._lease = Lease(database, "erasing", clock)

    async def run(self) -> NoReturn:
        """Until cancelled."""
        patiently = Patience("sla-monitor", self._clock)
        while True:
            if not await patiently("erasing", self._one):
                await self._clock.sleep(_LOOK_EVERY)

    async def _one(self) -> bool:
        """One customer; False when there is none, or another replica sees to it."""
        row = await self._customers.find_one(_WANTED, {"_id": 1})
        if row is None or await self._lease.held() is None:
            return False
        after: str | None = ""
        while after is not None:
            after = await walk(self._contacts, {"customer_id": row["_id"]}, after, self._forget)
            await self._lease.held()
        await self._processor.act(CustomerState, row["_id"], _done, patient=True)
        log.info("a customer's contacts are forgotten")
        return True

    async def _forget(self, documents: Sequence[Document]) -> None:
        ids = [document["_id"] for document in documents]
        alerts = self._alerts.find({"$or": [alerts_of(contact_id) for contact_id in ids]}, {"_id": 1})
        touches = [*touched(documents), *[Ref(AlertState, row["_id"]) async for row in alerts]]
        decide = partial(_decide, ids=frozenset(ids), asked=self._policies.book.asked)
        await self._processor.act(ContactState, ids[0], decide, touches=touches, patient=True)


def _decide(
    _: ContactState | None, states: States, _now: datetime, *, ids: frozenset[str], asked: frozenset[str]
) -> Decision[Any]:
    contacts = [one for one in states.of(ContactState) if one.id in ids]
    return forget_contacts(contacts, states.of(AlertState), asked)


def _done(customer: CustomerState | None, _: States, _now: datetime) -> Decision[Any]:
    return Decision(states=(customer.but(erasing=False),)) if customer else Decision()
