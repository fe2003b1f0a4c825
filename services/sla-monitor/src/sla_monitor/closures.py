"""
Unplanned closings put upon what is open, in batches, beside the daily work.

Whichever replica holds the lease does it; another goes on where it stopped. It
waits until every replica has read the closure, so that none takes it back.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from functools import partial
from typing import Any, Final, NoReturn

from rapport.contracts import format_instant
from rapport.decision import Decision, States
from rapport.runtime import telemetry as shared
from rapport.runtime.clock import Clock
from rapport.runtime.lease import Lease
from rapport.runtime.mongo import Database
from rapport.runtime.patience import Patience
from rapport.runtime.processor import Processor
from rapport.runtime.store import Store

from sla_monitor.domain.closing import close
from sla_monitor.domain.policy_book import Closure
from sla_monitor.domain.states import ContactState, CustomerState
from sla_monitor.policies import Policies
from sla_monitor.walking import Document, touched, walk

log = shared.logger()

_LOOK_EVERY: Final = 1.0
_READ_BY_ALL: Final = timedelta(seconds=3)


class Closures:
    """The closures there are, how far they have been carried out, and the work itself."""

    def __init__(
        self, database: Database, store: Store, processor: Processor, policies: Policies, clock: Clock
    ) -> None:
        self._rows = database["closures"]
        self._contacts = store.collection(ContactState.collection)
        self._processor = processor
        self._policies = policies
        self._clock = clock
        self._lease = Lease(database, "closures", clock)

    async def shown(self) -> list[dict[str, Any]]:
        """The newest first."""
        return [
            {
                "id": row["_id"],
                "calendar": row["calendar"],
                "from": format_instant(row["starts_at"]),
                "to": format_instant(row["ends_at"]),
                "reason": row["reason"],
                "by": row["by"],
                "finished_at": format_instant(row["finished_at"]) if row["finished_at"] else None,
            }
            async for row in self._rows.find({}).sort([("starts_at", -1), ("_id", 1)]).limit(1000)
        ]

    async def run(self) -> NoReturn:
        """Carry out what has been made known, until cancelled."""
        await Patience("sla-monitor", self._clock).piece_by_piece("closures", self._some, rest=_LOOK_EVERY)

    async def _some(self) -> bool:
        """One batch of the oldest unfinished; False when there is nothing to do here."""
        now = self._clock.now()
        row = await self._rows.find_one(
            {"finished_at": None, "asked_at": {"$lte": now - _READ_BY_ALL}}, sort=[("asked_at", 1)]
        )
        if row is None or await self._lease.held() is None:
            return False
        closure = next((one for one in self._policies.book.latest.closures if one.id == row["_id"]), None)
        if closure is None:
            return False  # this replica has not read it yet
        after = await walk(self._contacts, concerned(closure), row["after"], partial(self._close, closure))
        if after is None:
            await self._rows.update_one({"_id": closure.id}, {"$set": {"finished_at": now}})
            log.info("closure carried out", closure=closure.id, calendar=closure.calendar)
            return True
        await self._rows.update_one({"_id": closure.id}, {"$set": {"after": after}})
        return True

    async def _close(self, closure: Closure, documents: Sequence[Document]) -> None:
        ids = [document["_id"] for document in documents]
        decide = partial(_decide, ids=ids, closure=closure, policies=self._policies)
        await self._processor.act(ContactState, ids[0], decide, touches=touched(documents), patient=True)


def concerned(closure: Closure) -> dict[str, Any]:
    """The condition for contacts of which it may change something (see `domain.closing.concerns`)."""
    return {"$or": [{"open": True}, {"recalls": True, "closed_at": {"$gte": closure.starts_at}}]}


def _decide(
    _: ContactState | None, states: States, now: datetime, *, ids: Sequence[str], closure: Closure, policies: Policies
) -> Decision[Any]:
    contacts = [contact for name in ids if (contact := states.get(ContactState, name)) is not None]
    customers = {customer.id: customer for customer in states.of(CustomerState)}
    return close(contacts, customers, policies.book, closure, now)
