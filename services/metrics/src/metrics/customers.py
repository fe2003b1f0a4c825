"""`/v1/customers`: what is known of one customer, their contacts, and all that is held of them."""

import json
from collections.abc import AsyncIterator, Mapping, Sequence
from datetime import datetime
from typing import Annotated, Any, Final

from fastapi import APIRouter, Depends, Query, Request
from rapport.contracts import format_instant
from rapport.runtime.clock import Clock
from rapport.runtime.http import require
from rapport.runtime.keys import Key
from rapport.runtime.mongo import Collection
from rapport.runtime.openapi import refusals
from rapport.runtime.problem import Problem
from rapport.runtime.store import Store
from starlette.responses import StreamingResponse

from metrics import answers
from metrics.domain import ContactFact, CustomerFact, JournalEntry
from metrics.domain.loyalty import Loyalty
from metrics.domain.profile import profile
from metrics.domain.search import words_of
from metrics.http import LIST_PARAMETERS, LISTED, Cursor, Limit, Watcher, allowed, paged, parameters_of, read
from metrics.settings import MetricsSettings
from metrics.store import Reports, entries_of

_SCORED: Final = ("csat", "nps", "ces")
_MOST_SCORED: Final = 1000
_READ_AT_ONCE: Final = 500
_BY_TIME: Final = (("time", 1), ("_id", 1))

Words = Annotated[
    str, Query(max_length=200, description="only contacts on which each of these words was said, whatever the case")
]
Admin = Annotated[Key, Depends(require("admin", all_teams=True))]


class Customers:
    """Reads what metrics keeps of one customer."""

    def __init__(self, store: Store, loyalty: Loyalty) -> None:
        self._store = store
        self._loyalty = loyalty

    @property
    def _contacts(self) -> Collection:
        return self._store.collection(ContactFact.collection)

    async def profile(self, customer_id: str, teams: Sequence[str], now: datetime) -> dict[str, Any] | None:
        """None of whom nothing has been taken in, or nothing that these teams may see."""
        contacts = await self._summary(customer_id)
        seen_by = contacts.pop("teams")
        if teams and not set(teams).intersection(seen_by):
            return None
        customer = await self._store.get(CustomerFact, customer_id)
        if customer is None and not contacts["total"]:
            return None
        scored = {"customer_id": customer_id, "marks.measure": {"$in": _SCORED}}
        newest = [("opened_at", -1), ("_id", 1)]
        facts = await self._store.find(ContactFact, scored, sort=newest, limit=_MOST_SCORED)
        given = [answer for fact in facts for answer in fact.answers.values()]
        known = customer or CustomerFact(id=customer_id, partition=0)
        return {**profile(known, given, self._loyalty, now), "contacts": contacts}

    async def _summary(self, customer_id: str) -> dict[str, Any]:
        group = {
            "_id": None,
            "total": {"$sum": 1},
            "open": {"$sum": {"$cond": [{"$eq": ["$status", "open"]}, 1, 0]}},
            "first_at": {"$min": "$opened_at"},
            "last_at": {"$max": "$opened_at"},
            "teams": {"$addToSet": "$team"},
        }
        found = await self._contacts.aggregate([{"$match": {"customer_id": customer_id}}, {"$group": group}]).to_list(1)
        row = found[0] if found else {"total": 0, "open": 0, "first_at": None, "last_at": None, "teams": []}
        ends = {name: format_instant(row[name]) if row[name] else None for name in ("first_at", "last_at")}
        return {"total": row["total"], "open": row["open"], **ends, "teams": row["teams"]}

    async def events(self, customer_id: str) -> AsyncIterator[str]:
        """Every event of theirs as it was taken in, the oldest first, and the nameless ones of their contacts."""
        theirs = await entries_of(self._store, customer_id)
        where = theirs
        while page := await self._store.find(JournalEntry, where, sort=_BY_TIME, limit=_READ_AT_ONCE):
            for entry in page:
                yield entry.text
            at, name = page[-1].time, page[-1].id
            where = {"$and": [theirs, {"$or": [{"time": {"$gt": at}}, {"time": at, "_id": {"$gt": name}}]}]}


_NOBODY: Final = refusals({404: "nothing has been taken in of this customer"})
_REFUSED: Final = refusals({422: "there is no dimension 'colour'"})


def routes(customers: Customers, reports: Reports, clock: Clock, settings: MetricsSettings) -> APIRouter:
    router = APIRouter(prefix="/v1/customers", tags=["customers"])

    @router.get(
        "/{customer_id:path}/timeline", openapi_extra={"parameters": LIST_PARAMETERS}, responses=_NOBODY | _REFUSED
    )
    async def get_timeline(
        customer_id: str, request: Request, key: Watcher, q: Words = "", limit: Limit = 100, cursor: Cursor = None
    ) -> Mapping[str, Any]:
        """Every contact of a customer, or those looked for, newest first: its nature, its outcome, its events."""
        asked = read(parameters_of(request), LISTED | {"q"}, "contacts")
        if asked.by:
            raise Problem(422, "a timeline is not grouped", errors=[("/by", "must not be given")])
        question = allowed(asked, key, settings)
        found = reports.timeline(customer_id, question, words_of(q), limit=limit, cursor=cursor)
        contacts, entries, following = await paged(found)
        if not contacts and cursor is None and not await reports.knows_customer(customer_id):
            raise _UNKNOWN
        told = [answers.contact(fact, entries[fact.id]) for fact in contacts]
        return {"customer_id": customer_id, "contacts": told, "cursor": following}

    @router.get("/{customer_id:path}/export", responses=_NOBODY, response_class=StreamingResponse)
    async def export(customer_id: str, _: Admin) -> StreamingResponse:
        """All that is held of a customer: the profile, and every event as it was taken in; one JSON document."""
        known = await customers.profile(customer_id, (), clock.now())
        if known is None and not await reports.knows_customer(customer_id):
            raise _UNKNOWN
        name = {"Content-Disposition": 'attachment; filename="customer.json"'}
        return StreamingResponse(_document(known, customers.events(customer_id)), 200, name, "application/json")

    @router.get("/{customer_id:path}", responses=_NOBODY)
    async def get_customer(customer_id: str, key: Watcher) -> Mapping[str, Any]:
        """One customer: tier and points, lifetime value, scores, risks as they were raised, own agent, contacts."""
        known = await customers.profile(customer_id, key.teams, clock.now())
        if known is None:
            raise _UNKNOWN
        return known

    return router


_UNKNOWN: Final = Problem(404, "nothing has been taken in of this customer")


async def _document(profile: Mapping[str, Any] | None, events: AsyncIterator[str]) -> AsyncIterator[str]:
    yield f'{{"profile":{json.dumps(profile)},"events":['
    first = True
    async for text in events:
        yield text if first else f",{text}"
        first = False
    yield "]}"
