"""`/v1/closures`: unplanned closings, such as a snow day, which stop clocks."""

import secrets
from datetime import timedelta
from typing import Annotated, Any, Final

from fastapi import APIRouter, Depends
from pydantic import BaseModel, ConfigDict, Field
from rapport.contracts import format_instant
from rapport.runtime.clock import Clock
from rapport.runtime.http import require
from rapport.runtime.instants import AskedInstant
from rapport.runtime.keys import Key
from rapport.runtime.problem import Problem

from sla_monitor.closures import Closures, concerned
from sla_monitor.domain.closing import Moved, moved
from sla_monitor.domain.policy_book import Closure
from sla_monitor.domain.states import ContactState
from sla_monitor.policies import Policies
from sla_monitor.store import Queries

Watcher = Annotated[Key, Depends(require("watch"))]
Admin = Annotated[Key, Depends(require("admin"))]

LONGEST: Final = timedelta(days=31)
_LOOKED_AT: Final = 2000
_SHOWN: Final = 100


class Asked(BaseModel):
    """Which calendar is closed from when to when, and why. With `preview` nothing is changed."""

    model_config = ConfigDict(extra="forbid")

    calendar: str
    starts_at: Annotated[AskedInstant, Field(alias="from")]
    ends_at: Annotated[AskedInstant, Field(alias="to")]
    reason: Annotated[str, Field(min_length=1, max_length=1000)]
    preview: bool = False

    def closure(self, by: str) -> Closure:
        if not timedelta(0) < self.ends_at - self.starts_at <= LONGEST:
            raise Problem(422, f"a closure ends after it begins, and after {LONGEST.days} days at the latest")
        return Closure(
            id=secrets.token_hex(8),
            calendar=self.calendar,
            starts_at=self.starts_at,
            ends_at=self.ends_at,
            reason=self.reason,
            by=by,
        )


def routes(closures: Closures, policies: Policies, queries: Queries, clock: Clock) -> APIRouter:
    router = APIRouter(prefix="/v1", tags=["policy"])

    @router.get("/closures")
    async def list_closures(_: Watcher) -> dict[str, Any]:
        """All there were, and whether they have been put upon what is open."""
        return {"closures": await closures.shown()}

    @router.post("/closures")
    async def post_closure(asked: Asked, key: Admin) -> dict[str, Any]:
        """Stop the clocks of a calendar for a while; with `preview` say only what that would move."""
        if not any(asked.calendar in version.calendars for version in policies.book.versions):
            raise Problem(422, f"there is no calendar {asked.calendar!r}", errors=[("/calendar", "unknown")])
        closure = asked.closure(key.name)
        before = policies.book
        after = before.with_closures([*before.latest.closures, closure])
        contacts = await queries.store.find(
            ContactState, concerned(closure), sort=[("open", -1), ("due_at", 1)], limit=_LOOKED_AT
        )
        now = clock.now()
        found = [(contact, one) for contact in contacts for one in moved(contact, before, after, now)]
        if not asked.preview:
            await policies.close(closure)
        return {
            "id": None if asked.preview else closure.id,
            "preview": asked.preview,
            "contacts": len(contacts),
            "moves": len(found),
            "withdrawn": sum(one.withdrawn for _, one in found),
            "changes": [_shown(contact, one) for contact, one in found[:_SHOWN]],
            "as_of": format_instant(now),
        }

    return router


def _shown(contact: ContactState, one: Moved) -> dict[str, Any]:
    return {
        "contact_id": contact.id,
        "target": one.target,
        "due_before": format_instant(one.due_before),
        "due_after": format_instant(one.due_after),
        "withdrawn": one.withdrawn,
    }
