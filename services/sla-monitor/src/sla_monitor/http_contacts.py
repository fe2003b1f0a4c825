"""`/v1/contacts`: where a contact stands, and why."""

from datetime import datetime
from typing import Annotated, Any, get_args

from fastapi import APIRouter, Depends, Query
from rapport.runtime.clock import Clock
from rapport.runtime.http import require
from rapport.runtime.instants import SomeInstant
from rapport.runtime.keys import Key
from rapport.runtime.store import Store

from sla_monitor.access import NO_CONTACT, contact_for, team_condition
from sla_monitor.domain.contact_view import detail, summary
from sla_monitor.domain.risk import RiskState
from sla_monitor.domain.states import ContactState, Status
from sla_monitor.paging import Part, Sought, order_of, page, prefix, words_of
from sla_monitor.policies import Policies
from sla_monitor.store import Queries

_LATE = {"in_work": True, "breached": True}
_AHEAD = {"in_work": True, "breached": False, "next_due_at": {"$ne": None}}
_AS_THEY_FALL_DUE = (Part(_LATE, "due_at"), Part(_AHEAD, "next_due_at"), Part({"$nor": [_LATE, _AHEAD]}))
"""By the board's index; what is not late has nothing due before what is due next."""
_SORTABLE = ("due_at", "opened_at", "status", "team", "owner", "policy")

STATUSES: tuple[str, ...] = get_args(Status)

Watcher = Annotated[Key, Depends(require("watch"))]


def routes(store: Store, queries: Queries, policies: Policies, clock: Clock) -> APIRouter:
    router = APIRouter(prefix="/v1/contacts", tags=["contacts"])

    @router.get("")
    async def list_contacts(
        key: Watcher,
        status: Annotated[list[str], Query(description=", ".join(STATUSES)), words_of(STATUSES)] = [],  # noqa: B006 - never changed
        team: str | None = None,
        agent: str | None = None,
        customer_id: str | None = None,
        policy: str | None = None,
        q: Sought | None = None,
        due_before: SomeInstant = None,
        sort: str | None = None,
        limit: Annotated[int, Query(ge=1, le=1000)] = 100,
        cursor: str | None = None,
    ) -> dict[str, Any]:
        """
        Contacts by what is asked for: late ones, what falls due next, and what has no deadline ahead.

        `status` may come several times. An order of your own reads all that is asked for.
        """
        where = {"$and": [team_condition(key, team), *_filters(status, agent, customer_id, policy, q, due_before)]}
        order = order_of(sort, _SORTABLE) if sort else _AS_THEY_FALL_DUE
        found, following = await page(store, ContactState, where, order, limit=limit, cursor=cursor)
        return {"contacts": [summary(contact) for contact in found], "cursor": following}

    @router.get("/{contact_id:path}", responses=NO_CONTACT)
    async def get_contact(contact_id: str, key: Watcher) -> dict[str, Any]:
        """One contact: every target with its deadline, which explains itself second by second, and the history."""
        contact = await contact_for(key, store, contact_id)
        messages = await queries.messages_about(contact)
        risk = await store.get(RiskState, contact.customer_id)
        return detail(contact, policies.book, clock.now(), messages, risk)

    return router


def _filters(
    status: list[str],
    agent: str | None,
    customer_id: str | None,
    policy: str | None,
    q: str | None,
    due_before: datetime | None,
) -> list[dict[str, Any]]:
    given: list[dict[str, Any]] = []
    if status:
        given.append({"status": {"$in": status}})
    for name, value in (("owner", agent), ("customer_id", customer_id), ("policy", policy)):
        if value:
            given.append({name: value})
    if q:
        given.append({"$or": [{name: prefix(q)} for name in ("_id", "customer_id", "reference")]})
    if due_before:
        given.append({"due_at": {"$lt": due_before}})
    return given
