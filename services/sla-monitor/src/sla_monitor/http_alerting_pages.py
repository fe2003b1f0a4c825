"""Pages about alerting itself: what is muted, who can be reached, and what is wrong; they work without scripts."""

from datetime import datetime, timedelta
from typing import Annotated, Any, Final, get_args
from zoneinfo import ZoneInfo

from fastapi import APIRouter, Depends, Request
from pydantic import ValidationError
from rapport.contracts.fields import Target
from rapport.runtime.clock import Clock
from rapport.runtime.http import require
from rapport.runtime.keys import Key
from rapport.runtime.openapi import BACK
from rapport.runtime.problem import Problem
from starlette.responses import HTMLResponse, RedirectResponse, Response

from sla_monitor.access import may_see, team_condition
from sla_monitor.domain.silences import FIELDS
from sla_monitor.drawing import Drawing
from sla_monitor.http_board import back, form_of
from sla_monitor.http_receivers import receivers_shown, tried
from sla_monitor.http_silences import Asked, begin, end, is_of
from sla_monitor.outward import Outward
from sla_monitor.policies import Policies
from sla_monitor.store import Queries

Watcher = Annotated[Key, Depends(require("watch"))]
Actor = Annotated[Key, Depends(require("act"))]

_ENDED_SHOWN: Final = 20
_SPANS: Final = {
    30: "30 min",
    60: "1 h",
    240: "4 h",
    480: "8 h",
    1440: "1 day",
    4320: "3 days",
    10_080: "7 days",
}
"""Minutes that a silence may last, in words."""


def routes(outward: Outward, queries: Queries, policies: Policies, drawing: Drawing, clock: Clock) -> APIRouter:
    router = APIRouter(tags=["pages"], default_response_class=HTMLResponse)
    _add_silences(router, outward, queries, policies, drawing, clock)
    _add_receivers(router, outward, policies, drawing, clock)
    return router


def _add_silences(
    router: APIRouter, outward: Outward, queries: Queries, policies: Policies, drawing: Drawing, clock: Clock
) -> None:
    silences = outward.silences

    @router.get("/silences")
    async def show_silences(key: Watcher, refused: str = "", done: str = "") -> Response:
        """What is muted, by whom, until when and why; and what was lately."""
        now = clock.now()
        mine = [one for one in await silences.all() if not key.teams or is_of(key, one)]
        by_state = {state: [one for one in mine if one.state(now) == state] for state in ("active", "pending", "ended")}
        by_state["ended"] = by_state["ended"][:_ENDED_SHOWN]
        teams = [name for name in await queries.teams() if may_see(key, name)]
        choices = {
            "team": sorted({*teams, *key.teams}),
            "policy": [policy.name for policy in policies.book.latest.file.policies],
            "target": get_args(Target),
            "owner": await queries.owners(team_condition(key)),
        }
        return drawing.page(
            "silences.html",
            key=key,
            may_act=key.may("act"),
            by_state=by_state,
            choices=choices,
            fields=FIELDS,
            spans=_SPANS,
            local=_local_to(policies, clock),
            refused=refused[:200],
            said=done[:200],
        )

    @router.post("/silences", responses=BACK)
    async def begin_silence(request: Request, key: Actor) -> Response:
        """Mute what matches; without `ends_at`, for so many minutes from now."""
        field = {name: values[0].strip() for name, values in (await form_of(request)).items()}
        match = {name: field[name] for name in FIELDS if field.get(name)}
        minutes, now = field.get("minutes", ""), clock.now()
        lasts = timedelta(minutes=int(minutes)) if minutes in map(str, _SPANS) else timedelta()
        try:
            asked = Asked.model_validate({"match": match, "ends_at": now + lasts, "comment": field.get("comment", "")})
            made = await begin(silences, asked, key, now)
        except ValidationError:
            return _to("/silences", refused="a silence needs a reason of at most 1,000 characters")
        except Problem as problem:
            return _to("/silences", refused=problem.detail)
        return _to("/silences", said=f"silenced until {_local_to(policies, clock)(made.ends_at)}")

    @router.post("/silences/{name}/end", responses=BACK)
    async def end_silence(name: str, key: Actor) -> Response:
        """End it now; what it held back is told."""
        try:
            await end(silences, name, key)
        except Problem as problem:
            return _to("/silences", refused=problem.detail)
        return _to("/silences", said="ended; what it held back is told now")


def _add_receivers(router: APIRouter, outward: Outward, policies: Policies, drawing: Drawing, clock: Clock) -> None:
    @router.get("/receivers")
    async def show_receivers(key: Watcher, refused: str = "", done: str = "") -> Response:
        """Who can be reached and how each fares; and what the auditor finds wrong with alerting."""
        return drawing.page(
            "receivers.html",
            key=key,
            may_act=key.may("act"),
            receivers=await receivers_shown(policies, outward),
            trouble=await outward.auditor.shown(),
            local=_local_to(policies, clock),
            refused=refused[:200],
            said=done[:200],
        )

    @router.post("/receivers", responses=BACK)
    async def test_receiver(request: Request, key: Actor) -> Response:
        """Send a message that says it is a test."""
        name = (await form_of(request)).get("name", [""])[0]
        try:
            results = await tried(name, key, policies, outward, clock)
        except Problem as problem:
            return _to("/receivers", refused=problem.detail)
        wrong = [str(result["detail"]) for result in results if not result["ok"]]
        if wrong:
            return _to("/receivers", refused=f"{name} has not taken the test message: {wrong[0]}")
        return _to("/receivers", said=f"{name} has taken the test message")


def _local_to(policies: Policies, clock: Clock) -> Any:
    """Shows an instant as it reads where the policy's first calendar is, with the date."""
    there = ZoneInfo(policies.book.in_force(clock.now()).zone)

    def local(instant: datetime | str) -> str:
        at = datetime.fromisoformat(instant) if isinstance(instant, str) else instant
        return at.astimezone(there).strftime("%-d %b %H:%M %Z")

    return local


def _to(page: str, *, said: str = "", refused: str = "") -> Response:
    told = [{"id": "", "reason": refused}] if refused else []
    return RedirectResponse(back(page, said, told), status_code=303)
