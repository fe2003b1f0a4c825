"""`/v1/forecast` and `/v1/risks`: what will be missed if nobody acts, and with whom a conflict is near."""

from collections import Counter, defaultdict
from collections.abc import AsyncIterator, Sequence
from datetime import datetime, timedelta
from typing import Annotated, Any, Final

from fastapi import APIRouter, Depends, Query
from rapport.contracts import format_instant
from rapport.runtime.clock import Clock
from rapport.runtime.http import require
from rapport.runtime.instants import AskedInstant
from rapport.runtime.keys import Key
from rapport.runtime.problem import Problem
from rapport.runtime.store import Store

from sla_monitor.access import team_condition
from sla_monitor.domain.contact_view import risks_shown
from sla_monitor.domain.outlook import Due, coming
from sla_monitor.domain.risk import RiskState
from sla_monitor.domain.states import ContactState
from sla_monitor.paging import Part, page
from sla_monitor.policies import Policies
from sla_monitor.store import Queries

Watcher = Annotated[Key, Depends(require("watch"))]

_FARTHEST: Final = timedelta(days=366)
_PAGE: Final = 500
_SHOWN: Final = 100
_BY_ID: Final = (Part({}),)


def routes(store: Store, queries: Queries, policies: Policies, clock: Clock) -> APIRouter:
    router = APIRouter(prefix="/v1", tags=["outlook"])

    @router.get("/forecast")
    async def get_forecast(key: Watcher, until: AskedInstant, team: str | None = None) -> dict[str, Any]:
        """What will be missed before `until` if nobody acts, by team and owner, the first hundred one by one."""
        now = clock.now()
        if not now < until <= now + _FARTHEST:
            raise Problem(422, "until must lie ahead, by a year at most")
        found: list[Due] = []
        async for contact in _falling_due(store, team_condition(key, team), until):
            found += coming(contact, policies.book, now, until)
        found.sort(key=lambda due: (due.at, due.contact_id, due.target))
        return {
            "until": format_instant(until),
            "as_of": format_instant(now),
            "breaches": len(found),
            "contacts": len({due.contact_id for due in found}),
            "teams": _by_team(found),
            "first": [_shown(due) for due in found[:_SHOWN]],
        }

    @router.get("/risks")
    async def list_risks(
        key: Watcher,
        customer_id: str | None = None,
        limit: Annotated[int, Query(ge=1, le=1000)] = 100,
        cursor: str | None = None,
    ) -> dict[str, Any]:
        """
        Customers with whom a conflict may be near, since when, why and who was told; what has cleared is left out.

        A key that is limited to teams sees the customers of whom these teams have or had contacts.
        """
        where = {"at_risk": True, **({"_id": customer_id} if customer_id else {})}
        states, following = await page(store, RiskState, where, _BY_ID, limit=limit, cursor=cursor)
        rules, now = policies.book.latest.file.risk, clock.now()
        own = await queries.customers_of(key.teams, [state.id for state in states]) if key.teams else None
        seen = [one for one in states if own is None or one.id in own]
        listed = [{"customer_id": one.id, "causes": risks_shown(one, rules, now)} for one in seen]
        return {"risks": [one for one in listed if one["causes"]], "cursor": following}

    return router


async def _falling_due(store: Store, teams: dict[str, Any], until: datetime) -> AsyncIterator[ContactState]:
    """Contacts of which something falls due by then, page by page."""
    after = ""
    while True:
        where = {"$and": [{"in_work": True, "next_due_at": {"$lte": until}, "_id": {"$gt": after}}, teams]}
        contacts = await store.find(ContactState, where, limit=_PAGE)
        for contact in contacts:
            yield contact
        if len(contacts) < _PAGE:
            return
        after = contacts[-1].id


def _by_team(found: Sequence[Due]) -> list[dict[str, Any]]:
    """Teams with the most to lose first, each with its owners."""
    teams: dict[str | None, list[Due]] = defaultdict(list)
    for due in found:
        teams[due.team].append(due)
    return [
        {
            "team": team,
            "breaches": len(some),
            "first_at": format_instant(some[0].at),
            "owners": [
                {"owner": owner, "breaches": count} for owner, count in Counter(due.owner for due in some).most_common()
            ],
        }
        for team, some in sorted(teams.items(), key=lambda item: (-len(item[1]), item[0] or ""))
    ]


def _shown(due: Due) -> dict[str, Any]:
    return {
        "contact_id": due.contact_id,
        "target": due.target,
        "cycle": due.cycle,
        "due_at": format_instant(due.at),
        "team": due.team,
        "owner": due.owner,
        "policy": due.policy,
    }
