"""The on-call board as a page: rows, their changes as they happen, and what its buttons do."""

from typing import Annotated, Any, Final
from urllib.parse import parse_qs, urlencode

from fastapi import APIRouter, Depends, Query, Request
from rapport.runtime.clock import Clock
from rapport.runtime.http import require
from rapport.runtime.keys import Key
from rapport.runtime.openapi import BACK
from rapport.runtime.pages import here_or_home
from rapport.runtime.problem import Problem
from starlette.responses import HTMLResponse, JSONResponse, RedirectResponse, Response, StreamingResponse

from sla_monitor.access import NO_CONTACT, may_see, team_condition, teams_looked_at
from sla_monitor.board import ROWS, Board
from sla_monitor.commands import Command, Commands, Refused, command_of
from sla_monitor.domain.board_filter import STATUSES, BoardFilter
from sla_monitor.drawing import Drawing, packed
from sla_monitor.live import Live
from sla_monitor.paging import Sought
from sla_monitor.streaming import streamed

Watcher = Annotated[Key, Depends(require("watch"))]
Actor = Annotated[Key, Depends(require("act"))]

_MOST_FORM: Final = 1_000_000
_DONE: Final = {"acknowledge": "acknowledged", "snooze": "snoozed", "assign": "assigned", "close": "closed"}


def _filter(
    team: Annotated[str, Query(max_length=200)] = "",
    status: str = "",
    agent: Annotated[str, Query(max_length=200)] = "",
    policy: Annotated[str, Query(max_length=200)] = "",
    q: Sought = "",
) -> BoardFilter:
    if status and status not in STATUSES:
        raise Problem(422, f"status must be one of {', '.join(STATUSES)}")
    return BoardFilter(team=team, status=status, agent=agent.strip(), policy=policy, q=q.strip())


Wanted = Annotated[BoardFilter, Depends(_filter)]


def routes(board: Board, live: Live, drawing: Drawing, commands: Commands, clock: Clock) -> APIRouter:
    router = APIRouter(tags=["pages"], default_response_class=HTMLResponse)

    @router.get("/")
    async def show_board(request: Request, key: Watcher, wanted: Wanted, refused: str = "", done: str = "") -> Response:
        """The on-call board: who waits beyond the deadline, who is next, what nobody has taken."""
        teams = team_condition(key, wanted.team or None)
        figures, rows, choices = await board.figures(teams), await board.rows(teams, wanted), await board.choices(teams)
        page = drawing.page(
            "board.html",
            key=key,
            may_act=key.may("act"),
            figures=figures,
            doubts=await board.doubts(teams_looked_at(key, wanted.team)),
            oldest=drawing.oldest(figures),
            rows=rows,
            most=ROWS,
            wanted=wanted,
            teams=[name for name in choices.teams if may_see(key, name)],
            agents=choices.agents,
            policies=choices.policies,
            statuses=STATUSES,
            refused=refused[:200],
            said=done[:200],
        )
        return packed(page, request)

    @router.get("/board/stream", response_class=StreamingResponse)
    async def stream(key: Watcher, wanted: Wanted) -> StreamingResponse:
        """Server-sent events for the board with these filters: rows and figures, drawn."""
        team_condition(key, wanted.team or None)
        return streamed(live.follow(wanted, key))

    @router.get("/board/contact", response_class=StreamingResponse, responses=NO_CONTACT)
    async def stream_contact(key: Watcher, contact_id: Annotated[str, Query(max_length=200)]) -> StreamingResponse:
        """Server-sent events for a contact's page: `changed` when to read it again."""
        if not await live.shows(contact_id, key):
            raise Problem(404, f"there is no contact {contact_id!r} here")
        return streamed(live.follow_contact(contact_id))

    @router.post("/act", responses={**BACK, 200: {"content": {"application/json": {"schema": {}}}}})
    async def act(request: Request, key: Actor) -> Response:
        """What a button of these pages does, to one alert or to all selected; then back to where it was."""
        form = await form_of(request)
        one = form.get("acknowledge")
        ids = one or list(dict.fromkeys(form.get("id", [])))
        field = {name: values[0] for name, values in form.items()}
        if one:
            field["action"] = "acknowledge"
        done, refused = await _carry_out(commands, ids, field, key, clock)
        said = f"{done} {_DONE.get(field.get('action', ''), 'done')}" if done else ""
        if "application/json" in request.headers.get("accept", ""):
            return JSONResponse({"done": done, "said": said, "refused": refused})
        return RedirectResponse(back(field.get("next", "/"), said, refused), status_code=303)

    return router


async def form_of(request: Request) -> dict[str, list[str]]:
    body = await request.body()
    if len(body) > _MOST_FORM:
        raise Problem(413, f"at most {_MOST_FORM} bytes")
    return parse_qs(body.decode("utf-8", "replace"))


async def _carry_out(
    commands: Commands, ids: list[str], field: dict[str, str], key: Key, clock: Clock
) -> tuple[int, list[dict[str, str]]]:
    """How many were done, and which were not and why; one that can't be done hinders no other."""
    try:
        command: Command = command_of(field, clock.now())
    except Refused as error:
        return 0, [{"id": "", "reason": str(error)}]
    if not ids:
        return 0, [{"id": "", "reason": "nothing is selected"}]
    done, refused = 0, []
    for alert_id in ids[:ROWS]:
        try:
            await commands.carry_out(alert_id, command, key)
            done += 1
        except Refused as error:
            refused.append({"id": alert_id, "reason": str(error)})
    return done, refused


def back(following: str, said: str, refused: list[dict[str, str]]) -> str:
    """The page that the form came from, told what became of it; never another site."""
    local = here_or_home(following)
    told: dict[str, Any] = {"done": said} if said else {}
    if refused:
        told["refused"] = refused[0]["reason"] + (f" (and {len(refused) - 1} more)" if len(refused) > 1 else "")
    return local + (("&" if "?" in local else "?") + urlencode(told) if told else "")
