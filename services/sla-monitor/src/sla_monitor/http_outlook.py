"""`/v1/forecast` and `/v1/risks`: what will be missed if nobody acts, and with whom a conflict is near."""

from collections import Counter, defaultdict
from collections.abc import AsyncIterator, Sequence
from datetime import datetime, timedelta
from typing import Annotated, Any, Final

from fastapi import APIRouter, Depends, Query
from pydantic import AwareDatetime
from rapport.contracts import format_instant
from rapport.runtime.clock import Clock
from rapport.runtime.http import require
from rapport.runtime.keys import Key
from rapport.runtime.problem import Problem
from rapport.runtime.store import Store

from sla_monitor.access import team_condition
from sla_monitor.domain.log import instant, to_millis
from sla_monitor.domain.outlook import Due, coming
from sla_monitor.domain.policy import Risk
from sla_monitor.domain.risk import RiskState, raised
from sla_monitor.domain.states import ContactState
from sla_monitor.policies import Policies

Watcher = Annotated[Key, Depends(require("watch"))]

_FARTHEST: Final = timedelta(days=14)
_PAGE: Final = 500
_SHOWN: Final = 100


def routes(store: Store, policies: Policies, clock: Clock) -> APIRouter:
    router = APIRouter(prefix="/v1", tags=["outlook"])

    @router.get("/forecast")
    async def get_forecast(key: Watcher, until: AwareDatetime, team: str | None = None) -> dict[str, Any]:
        """What will be missed before `until` if nobody acts, by team and owner, the first hundred one by one."""
        now = clock.now()
        if not now < until <= now + _FARTHEST:
            raise Problem(422, "until must lie ahead, by 14 days at most")
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
        cursor: str = "",
    ) -> dict[str, Any]:
        """Customers with whom a conflict may be near, since when and why; what has cleared is left out."""
        if key.teams:
            raise Problem(403, "a customer belongs to no team: this needs a key that may see all teams")
        where: dict[str, Any] = {"_id": customer_id} if customer_id else {"_id": {"$gt": cursor}}
        states = await store.find(RiskState, {"at_risk": True, **where}, limit=limit)
        rules, now = policies.book.latest.file.risk, to_millis(clock.now())
        listed = [(state, standing) for state in states if (standing := _standing(state, rules, now))]
        return {
            "risks": [{"customer_id": state.id, "causes": standing} for state, standing in listed],
            "cursor": states[-1].id if len(states) == limit else None,
        }

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


def _standing(state: RiskState, rules: Risk, now: int) -> list[dict[str, Any]]:
    return [
        {
            "cause": one.cause,
            "since": format_instant(instant(one.millis)),
            "reasons": list(one.reasons),
            "contact_id": one.contact,
        }
        for one in raised(state.signals, rules)
        if one.until is None or one.until >= now
    ]
