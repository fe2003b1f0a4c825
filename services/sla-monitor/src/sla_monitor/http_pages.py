"""What people look at: the board, a contact, the policy; plain pages that work without scripts."""

from collections.abc import Callable
from datetime import datetime
from importlib.resources import files
from typing import Annotated, Any, Final
from urllib.parse import parse_qs, urlencode

from fastapi import APIRouter, Depends, Request
from rapport.contracts import format_instant
from rapport.runtime.clock import Clock
from rapport.runtime.http import require
from rapport.runtime.keys import Key
from rapport.runtime.pages import templates
from rapport.runtime.problem import Problem
from rapport.runtime.store import Store
from starlette.responses import HTMLResponse, RedirectResponse, Response

from sla_monitor.access import may_see, team_condition
from sla_monitor.board import ROWS, STATUSES, Board
from sla_monitor.commands import Commands, Refused, command_of
from sla_monitor.domain.board import WORDS, duration, local, name_of, tier_of, web_link
from sla_monitor.domain.contact_view import detail
from sla_monitor.domain.states import ContactState, CustomerState, NotificationState
from sla_monitor.policies import Policies

Render = Callable[..., HTMLResponse]
Watcher = Annotated[Key, Depends(require("watch"))]
Actor = Annotated[Key, Depends(require("act"))]

_STATIC: Final = {"board.css": "text/css", "board.js": "text/javascript", "icon.svg": "image/svg+xml"}
_MOST_FORM: Final = 20_000
_SAFE: Final = {
    "Content-Security-Policy": "default-src 'self'; img-src 'self' data:; frame-ancestors 'none'; form-action 'self'",
    "Cache-Control": "no-store",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
}


def routes(store: Store, board: Board, commands: Commands, policies: Policies, clock: Clock) -> APIRouter:
    router = APIRouter(tags=["pages"], default_response_class=HTMLResponse)
    pages = templates("sla_monitor")

    def render(template: str, **facts: Any) -> HTMLResponse:
        text = pages.get_template(template).render(now=clock.now(), iso=format_instant, duration=duration, **facts)
        return HTMLResponse(text, headers=_SAFE)

    _add_board(router, board, clock, render)
    _add_contact(router, store, policies, clock, render)
    _add_actions(router, commands, clock)

    @router.get("/policy")
    async def show_policy(key: Watcher) -> Response:
        """The policy in force, readable."""
        version = policies.book.in_force(clock.now())
        return render("policy.html", key=key, version=version, file=version.file)

    return router


def _add_board(router: APIRouter, board: Board, clock: Clock, render: Render) -> None:
    @router.get("/")
    async def show_board(key: Watcher, team: str = "", status: str = "", refused: str = "") -> Response:
        """The on-call board: who waits beyond the deadline, who is next, what nobody has taken."""
        if status not in STATUSES:
            raise Problem(422, f"status must be one of {', '.join(filter(None, STATUSES))}")
        teams = team_condition(key, team or None)
        figures, lines = await board.figures(teams), await board.lines(teams, status)
        return render(
            "board.html",
            key=key,
            may_act=key.may("act"),
            figures=figures,
            oldest=duration((clock.now() - datetime.fromisoformat(figures["oldest"])).total_seconds())
            if figures["oldest"]
            else None,
            lines=lines,
            cut=len(lines) >= ROWS,
            team=team,
            teams=[name for name in await board.teams() if may_see(key, name)],
            status=status,
            statuses={name: WORDS[name] for name in STATUSES if name},  # type: ignore[index] # the same words
            here="/?" + urlencode({"team": team, "status": status}),
            refused=refused[:200],
        )


def _add_contact(router: APIRouter, store: Store, policies: Policies, clock: Clock, render: Render) -> None:
    @router.get("/contacts/{contact_id:path}")
    async def show_contact(contact_id: str, key: Watcher, refused: str = "") -> Response:
        """One contact: its deadlines, each with its explanation, and what has happened."""
        contact = await store.get(ContactState, contact_id)
        if contact is None or not may_see(key, contact.team):
            raise Problem(404, f"there is no contact {contact_id!r} here")
        customer = await store.get(CustomerState, contact.customer_id)
        ids = [f"{contact.id}/{name}" for name in contact.alerts]
        messages = await store.find(NotificationState, {"alert_id": {"$in": ids}, "status": "sent"}) if ids else []
        calendar = policies.book.version(contact.policy_version).calendars.get(contact.calendar or "")
        zone, now = calendar.timezone if calendar else "UTC", clock.now()
        return render(
            "contact.html",
            key=key,
            may_act=key.may("act"),
            contact=contact,
            view=detail(contact, policies.book, now, messages),
            who=name_of(customer, contact.customer_id),
            tier=tier_of(customer),
            zone=zone,
            link=web_link(contact.url),
            local=lambda text: local(datetime.fromisoformat(text), zone, now),
            exact=lambda text: local(datetime.fromisoformat(text), zone, now, seconds=True),
            refused=refused[:200],
        )


def _add_actions(router: APIRouter, commands: Commands, clock: Clock) -> None:
    @router.post("/act")
    async def act(request: Request, key: Actor) -> Response:
        """What a button of these pages does; then back to where it was."""
        form = parse_qs((await request.body())[:_MOST_FORM].decode("utf-8", "replace"))
        field = {name: values[0] for name, values in form.items()}
        following = field.get("next", "/")
        local = following if following.startswith("/") and not following.startswith(("//", "/\\")) else "/"
        try:
            await commands.carry_out(field.get("id", ""), command_of(field, clock.now()), key)
        except Refused as error:
            local += ("&" if "?" in local else "?") + urlencode({"refused": str(error)})
        return RedirectResponse(local, status_code=303)

    @router.get("/static/{name}", response_class=Response)
    async def static(name: str) -> Response:
        """Styles and the board's script; nobody has to sign in for them."""
        if name not in _STATIC:
            raise Problem(404, f"there is no {name!r} here")
        content = files("sla_monitor").joinpath("static", name).read_bytes()
        return Response(content, media_type=_STATIC[name], headers={"Cache-Control": "max-age=300"})
