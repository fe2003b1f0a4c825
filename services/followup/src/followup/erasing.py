"""Giving the name of an erased customer to their messages and to what waits for intake, beside the daily work."""

import json
import re
from collections.abc import Sequence
from datetime import datetime
from functools import partial
from typing import Any, Final, NoReturn

from rapport.decision import Decision, Ref, States
from rapport.erasing import Erased
from rapport.runtime import telemetry
from rapport.runtime.clock import Clock
from rapport.runtime.lease import Lease
from rapport.runtime.patience import Patience
from rapport.runtime.processor import Processor
from rapport.runtime.pseudonyms import pseudonyms_of
from rapport.runtime.store import Store

from followup.domain.erasing import renamed
from followup.domain.followups import Followups
from followup.domain.state import CustomerState, Message, Posting

log = telemetry.logger()

_LOOK_EVERY: Final = 5.0
_AT_ONCE: Final = 50
"""Documents in one transaction."""


class Erasures:
    """
    Whoever holds the lease sees to customers whose erasure is not finished.

    Stopped half-way it begins that customer anew; doing it twice changes nothing. Messages and
    postings are found by reading all of them: erasures are rare, and an index would cost with each.
    """

    def __init__(self, store: Store, processor: Processor, domain: Followups, lease: Lease, clock: Clock) -> None:
        self._store = store
        self._processor = processor
        self._domain = domain
        self._lease = lease
        self._clock = clock

    async def prepare(self) -> None:
        """Have the secret of this database."""
        self._domain.pseudonyms = await pseudonyms_of(self._store)

    async def run(self) -> NoReturn:
        """Until cancelled."""
        await Patience("followup", self._clock).piece_by_piece("erasing", self._one, rest=_LOOK_EVERY)

    async def _one(self) -> bool:
        """One customer; False when there is none, or another replica sees to it."""
        found = await self._store.find(CustomerState, {"erasing": True}, limit=1)
        if not found or await self._lease.held() is None:
            return False
        [kept] = found
        if kept.erasure is not None and kept.erasure.customer_id is not None:
            for kind in (Message, Posting):
                await self._rename(kind, kept.id, kept.erasure, kept.erasure.customer_id)
            await self._processor.act(CustomerState, kept.id, partial(_done, kept.erasure), patient=True)
            log.info("what is held of an erased customer is renamed")
        return True

    async def _rename(self, kind: type[Message | Posting], place: str, erased: Erased, customer_id: str) -> None:
        where = {"s": {"$regex": _written(customer_id)}}
        rows = await self._store.collection(kind.collection).find(where, {"_id": 1}).to_list(None)
        for at in range(0, len(rows), _AT_ONCE):
            ids = [row["_id"] for row in rows[at : at + _AT_ONCE]]
            touches = [*self._domain.of_customer(customer_id), *(Ref(kind, name) for name in ids)]
            decide = partial(_renamed, kind, ids, erased)
            await self._processor.act(CustomerState, place, decide, touches=touches, patient=True)
            await self._lease.held()


def _written(customer_id: str) -> str:
    """How an id stands in a text that is kept: as JSON, or as JSON in JSON."""
    once = json.dumps(customer_id, ensure_ascii=False)[1:-1]
    return "|".join(re.escape(one) for one in dict.fromkeys((once, json.dumps(once, ensure_ascii=False)[1:-1])))


def _renamed(
    kind: type[Message | Posting],
    ids: Sequence[str],
    erased: Erased,
    _: CustomerState | None,
    states: States,
    _now: datetime,
) -> Decision[Any]:
    """Those of these that are still there."""
    return renamed(kind, ids, erased, states)


def _done(seen: Erased, kept: CustomerState | None, _: States, _now: datetime) -> Decision[Any]:
    """All is renamed that was to be when that was seen."""
    if kept is None or kept.erasure is None:
        return Decision()
    return Decision((kept.but(erasure=kept.erasure.rewritten(seen)),))
