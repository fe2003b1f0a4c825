"""What people look at besides the board: a contact, the workload, the policy; plain pages that work without scripts."""

from datetime import datetime, time, timedelta
from importlib.resources import files
from typing import Annotated, Any, Final, Literal
from zoneinfo import ZoneInfo

from fastapi import APIRouter, Depends, Query
from rapport.contracts import format_instant
from rapport.runtime.clock import Clock
from rapport.runtime.http import require
from rapport.runtime.keys import Key
from rapport.runtime.openapi import refusals
from rapport.runtime.problem import Problem
from rapport.runtime.store import Store
from starlette.responses import HTMLResponse, JSONResponse, Response

from sla_monitor.access import NO_CONTACT, contact_for, team_condition
from sla_monitor.domain.board import instants_in, name_of, web_link
from sla_monitor.domain.contact_view import detail
from sla_monitor.domain.history import in_short
from sla_monitor.domain.plain_words import promised
from sla_monitor.domain.risk import RiskState, causes_in_words
from sla_monitor.domain.rules import Spec
from sla_monitor.domain.states import CustomerState
from sla_monitor.domain.text import local, tier_of
from sla_monitor.drawing import Drawing
from sla_monitor.policies import Policies
from sla_monitor.store import Queries

Watcher = Annotated[Key, Depends(require("watch"))]
By = Annotated[Literal["agent", "team"], Query(description="whose work")]

_STATIC: Final = {
    "board.css": "text/css",
    "live.js": "text/javascript",
    "act.js": "text/javascript",
    "contact.js": "text/javascript",
    "icon.svg": "image/svg+xml",
}
_OWNED: Final = {"agent": "owner", "team": "team"}


def routes(store: Store, queries: Queries, drawing: Drawing, policies: Policies, clock: Clock) -> APIRouter:
    router = APIRouter(tags=["pages"], default_response_class=HTMLResponse)
    _add_contact(router, store, queries, drawing, policies, clock)
    _add_workload(router, queries, drawing, policies, clock)

    @router.get("/policy")
    async def show_policy(key: Watcher) -> Response:
        """The policy in force, readable."""
        version = policies.book.in_force(clock.now())
        return drawing.page(
            "policy.html",
            key=key,
            version=version,
            file=version.file,
            risks=causes_in_words(version.file.risk),
            promised=lambda name, target: promised(name, Spec.of(target)),
        )

    @router.get("/static/{name}", response_class=Response, responses=refusals({404: "there is no 'a.css' here"}))
    async def static(name: str) -> Response:
        """Styles and the board's scripts; nobody has to sign in for them."""
        if name not in _STATIC:
            raise Problem(404, f"there is no {name!r} here")
        content = files("sla_monitor").joinpath("static", name).read_bytes()
        return Response(content, media_type=_STATIC[name], headers={"Cache-Control": "max-age=300"})

    return router


def _add_contact(
    router: APIRouter, store: Store, queries: Queries, drawing: Drawing, policies: Policies, clock: Clock
) -> None:
    @router.get("/contacts/{contact_id:path}", responses=NO_CONTACT)
    async def show_contact(contact_id: str, key: Watcher, refused: str = "", done: str = "") -> Response:
        """One contact: its deadlines, each with its explanation, and what has happened."""
        contact = await contact_for(key, store, contact_id)
        customer = await store.get(CustomerState, contact.customer_id)
        messages = await queries.messages_about(contact)
        zone, now = policies.book.version(contact.policy_version).zone_of(contact.calendar), clock.now()
        view = detail(contact, policies.book, now, messages, await store.get(RiskState, contact.customer_id))
        return drawing.page(
            "contact.html",
            key=key,
            may_act=key.may("act"),
            contact=contact,
            view=view,
            history=in_short(view["history"]),
            who=name_of(customer, contact.customer_id),
            tier=tier_of(customer),
            zone=zone,
            link=web_link(contact.url),
            local=lambda text: local(datetime.fromisoformat(text), zone, now),
            exact=lambda text: local(datetime.fromisoformat(text), zone, now, seconds=True),
            readable=lambda text: instants_in(text, zone, now),
            refused=refused[:200],
            said=done[:200],
        )


def _add_workload(router: APIRouter, queries: Queries, drawing: Drawing, policies: Policies, clock: Clock) -> None:
    async def ask(key: Key, by: str, team: str | None) -> dict[str, Any]:
        now = clock.now()
        zone = policies.book.in_force(now).zone
        rows = await queries.workload(_OWNED[by], team_condition(key, team), now, _midnight(now, zone))
        return {"by": by, "as_of": format_instant(now), "tz": zone, "rows": rows}

    @router.get("/v1/workload", response_class=JSONResponse)
    async def get_workload(key: Watcher, by: By = "agent", team: str | None = None) -> dict[str, Any]:
        """Open contacts by agent or team: how many, due today (in the zone of the policy's first calendar), overdue."""
        return await ask(key, by, team)

    @router.get("/workload")
    async def show_workload(key: Watcher, by: By = "agent") -> Response:
        """The same, to look at."""
        found = await ask(key, by, None)
        at = local(datetime.fromisoformat(found["as_of"]), found["tz"], clock.now())
        return drawing.page("workload.html", key=key, by=by, rows=found["rows"], zone=found["tz"], as_of=at)


def _midnight(now: datetime, zone: str) -> datetime:
    """When the day of `now` ends there."""
    there = ZoneInfo(zone)
    return datetime.combine(now.astimezone(there).date() + timedelta(days=1), time(), there)
