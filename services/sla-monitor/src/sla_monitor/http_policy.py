"""`/v1/quote`, `/v1/backfills`: what the policy promises, and what history brought."""

from datetime import datetime
from typing import Annotated, Any, Final

from fastapi import APIRouter, Depends, Query
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from rapport.contracts import cut_to_milliseconds, format_instant
from rapport.runtime.clock import Clock
from rapport.runtime.http import require
from rapport.runtime.instants import AskedInstant
from rapport.runtime.keys import Key
from rapport.runtime.openapi import refusals
from rapport.runtime.problem import wrong_body

from sla_monitor.access import emitter_or_watcher
from sla_monitor.domain.quote import quote
from sla_monitor.domain.states import CustomerState
from sla_monitor.paging import no_cursor
from sla_monitor.policies import Policies
from sla_monitor.store import Queries

Watcher = Annotated[Key, Depends(require("watch"))]


class Asked(BaseModel):
    """
    A contact that has not come yet: any field of contact.received or of its customer, and when (else now).

    With a `customer_id` that is known here, what is known of that customer counts too.
    """

    model_config = ConfigDict(extra="allow")

    customer_id: Annotated[str | None, Field(min_length=1, max_length=200)] = None
    at: AskedInstant | None = None

    @property
    def fields(self) -> dict[str, Any]:
        return {**(self.model_extra or {}), **({"customer_id": self.customer_id} if self.customer_id else {})}


_NEITHER: Final = refusals(
    {401: "send `Authorization: Bearer <key>`, or sign in at /login", 403: "the key 'board' has not the role 'watch'"}
)


def routes(policies: Policies, queries: Queries, clock: Clock) -> APIRouter:
    router = APIRouter(prefix="/v1", tags=["policy"])

    @router.post("/quote", responses=_NEITHER)
    async def post_quote(asked: Asked, _: Annotated[Key, Depends(emitter_or_watcher)]) -> dict[str, Any]:
        """Which policy such a contact would get, and its deadlines, so that the customer can be told at once."""
        customer = await queries.store.get(CustomerState, asked.customer_id) if asked.customer_id else None
        try:
            found = quote(asked.fields, asked.at or cut_to_milliseconds(clock.now()), policies.book, customer)
        except ValidationError as error:
            raise wrong_body(error) from None
        return {
            "policy": found.policy,
            "policy_version": found.policy_version,
            "calendar": found.calendar,
            "deadlines": [{"target": one.target, "due_at": format_instant(one.due_at)} for one in found.deadlines],
        }

    @router.get("/backfills")
    async def list_backfills(
        _: Watcher, limit: Annotated[int, Query(ge=1, le=1000)] = 100, cursor: str | None = None
    ) -> dict[str, Any]:
        """What history brought that was past already: one entry per source and hour, instead of pages."""
        found = await queries.backfills(limit + 1, _place(cursor) if cursor else None)
        following = None
        if len(found) > limit:
            found.pop()
            following = f"{found[-1]['hour']} {found[-1]['source']}"
        return {"backfills": found, "cursor": following}

    return router


def _place(cursor: str) -> tuple[datetime, str]:
    """The hour and the source of the last entry of the page before."""
    hour, _, source = cursor.partition(" ")
    try:
        return datetime.strptime(hour, "%Y-%m-%dT%H:%M:%S%z"), source
    except ValueError:
        raise no_cursor() from None
