"""
Putting a new version of the policy upon everything that is open, in batches, beside the daily work.

Somebody asks for it once; whichever replica holds the lease carries it out, and
another goes on where it stopped. What has changed is counted in the transactions
that change it, so the sums are right whoever was killed when.
"""

from collections.abc import Sequence
from datetime import datetime
from functools import partial
from typing import Any, Final, NoReturn

from rapport.contracts import Data, Event, format_instant
from rapport.decision import Decision, States
from rapport.runtime import telemetry as shared
from rapport.runtime.clock import Clock
from rapport.runtime.lease import Lease
from rapport.runtime.mongo import Database
from rapport.runtime.patience import Patience
from rapport.runtime.processor import Processor
from rapport.runtime.store import Store

from sla_monitor.domain.applying import KINDS, SUMS, apply
from sla_monitor.domain.states import ContactState, CustomerState
from sla_monitor.policies import Policies, announcement
from sla_monitor.walking import Document, touched, walk

log = shared.logger()

_LOOK_EVERY: Final = 1.0
_REST: Final = 0.01
"""Seconds between two transactions, which the events that came meanwhile have for themselves."""
_OPEN: Final = {"open": True}


class Superseded(Exception):
    """There is a newer version than the one to apply."""


class Applications:
    """What has been asked for, how far it is, and the work itself."""

    def __init__(
        self, database: Database, store: Store, processor: Processor, policies: Policies, clock: Clock
    ) -> None:
        self._rows = database["policy_applications"]
        self._sums = database[SUMS]
        self._contacts = store.collection(ContactState.collection)
        self._processor = processor
        self._policies = policies
        self._clock = clock
        self._lease = Lease(database, "policy", clock)

    async def ask(self, version: int, by: str) -> None:
        """Have the newest version put upon all that is open; `Superseded` when it is not the newest."""
        if version != self._policies.book.latest.number:
            raise Superseded
        asked = {
            "by": by,
            "asked_at": self._clock.now(),
            "after": "",
            "open": await self._contacts.count_documents(_OPEN),
            "finished_at": None,
            "superseded": False,
        }
        await self._rows.update_one({"_id": version}, {"$set": asked}, upsert=True)

    async def shown(self, version: int) -> dict[str, Any] | None:
        """How far it is, and what it has changed so far; None if nobody has asked for it."""
        row = await self._rows.find_one({"_id": version})
        if row is None:
            return None
        sums = dict.fromkeys(("contacts", *KINDS), 0)
        async for found in self._sums.find({"version": version}):
            for name in sums:
                sums[name] += int(found.get(name, 0))
        return {
            "version": version,
            "by": row["by"],
            "asked_at": format_instant(row["asked_at"]),
            "open": row["open"],
            "finished_at": format_instant(row["finished_at"]) if row["finished_at"] else None,
            "superseded": row["superseded"],
            **sums,
        }

    async def run(self) -> NoReturn:
        """Carry out what has been asked for, until cancelled."""
        await Patience("sla-monitor", self._clock).piece_by_piece("applying the policy", self.go_on, rest=_LOOK_EVERY)

    async def go_on(self) -> bool:
        """One batch of the oldest unfinished; False when there is nothing to do here."""
        row = await self._rows.find_one({"finished_at": None}, sort=[("_id", 1)])
        if row is None or await self._lease.held() is None:
            return False
        newest = self._policies.book.latest.number
        if row["_id"] > newest:
            return False  # this replica has not read it yet
        if row["_id"] < newest:
            await self._finish(row["_id"], superseded=True)
            return True
        after = await walk(self._contacts, _OPEN, row["after"], self._apply)
        if after is None:
            await self._finish(row["_id"])
            return True
        await self._rows.update_one({"_id": row["_id"], "after": row["after"]}, {"$set": {"after": after}})
        return True

    async def _apply(self, documents: Sequence[Document]) -> None:
        ids = [document["_id"] for document in documents]
        published = announcement(self._policies.book.latest)
        decide = partial(_decide, ids=ids, published=published, policies=self._policies)
        await self._processor.act(ContactState, ids[0], decide, touches=touched(documents), patient=True)
        await self._clock.sleep(_REST)

    async def _finish(self, version: int, *, superseded: bool = False) -> None:
        done = {"finished_at": self._clock.now(), "superseded": superseded}
        await self._rows.update_one({"_id": version}, {"$set": done})
        log.info("policy applied", version=version, superseded=superseded)


def _decide(
    _: ContactState | None,
    states: States,
    now: datetime,
    *,
    ids: Sequence[str],
    published: Event[Data],
    policies: Policies,
) -> Decision[Any]:
    contacts = [contact for contact_id in ids if (contact := states.get(ContactState, contact_id)) is not None]
    customers = {customer.id: customer for customer in states.of(CustomerState)}
    return apply(contacts, customers, policies.book, published.model_copy(update={"time": now}), now)
