"""What people and other systems of the company ask of followup, thin as handlers."""

from datetime import datetime, timedelta
from typing import Annotated, Any
from urllib.parse import parse_qs

from fastapi import APIRouter, Depends, Query, Request
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from rapport.contracts import format_instant
from rapport.decision import Decision, States
from rapport.runtime.clock import Clock
from rapport.runtime.http import require
from rapport.runtime.instants import SomeInstant
from rapport.runtime.keys import Key
from rapport.runtime.openapi import BACK, refusals
from rapport.runtime.pages import templates
from rapport.runtime.problem import Problem, wrong_body
from rapport.runtime.processor import Processor
from starlette.responses import HTMLResponse, JSONResponse, RedirectResponse, Response

from followup.answers import check_in_answer, followups_answer, visible
from followup.domain.draft import Rules
from followup.domain.followups import NotOwed, call_done
from followup.domain.plays import Plays
from followup.domain.state import CheckIn, CustomerState
from followup.domain.timetable import zone_of
from followup.playbook import Playbook
from followup.store import Followup, Wanted

_MOST_BYTES = 100_000

Watcher = Annotated[Key, Depends(require("watch"))]
Actor = Annotated[Key, Depends(require("act"))]
Limit = Annotated[int, Query(ge=1, le=500)]
Cursor = Annotated[str | None, Query(pattern=r"^\d{1,15}:", max_length=300)]


class Done(BaseModel):
    """How a call went."""

    model_config = ConfigDict(extra="forbid")

    outcome: str = Field(min_length=1, max_length=200)
    note: str | None = Field(None, max_length=20_000)


def routes(processor: Processor, store: Followup, playbook: Playbook, clock: Clock) -> APIRouter:
    router = APIRouter(tags=["follow-ups"])

    @router.get(
        "/v1/customers/{customer_id:path}/followups", responses=refusals({404: "nothing is known of a customer 'K-5'"})
    )
    async def customer_followups(customer_id: str, key: Watcher) -> dict[str, Any]:
        """
        What was done, is planned and was suppressed for a customer, each with its reasons, and the slots left.

        A key that is limited to teams sees what is theirs, and of a customer of whom nothing is, nothing.
        """
        customer = await store.customer(customer_id)
        seen = visible(customer, key.teams) if customer else []
        if customer is None or (key.teams and not seen):
            raise Problem(404, f"nothing is known of a customer {customer_id!r}")
        return followups_answer(customer, seen, playbook.in_force.rules, clock.now())

    @router.get("/v1/check-ins")
    async def check_ins(
        key: Watcher,
        agent: str | None = None,
        team: str | None = None,
        due_before: SomeInstant = None,
        status: Annotated[str, Query(pattern="^(owed|done|cancelled)$")] = "owed",
        limit: Limit = 50,
        cursor: Cursor = None,
    ) -> dict[str, Any]:
        """Calls that people owe, the one due first at the top."""
        wanted = Wanted(status, agent, team, due_before, key.teams, limit, cursor)
        found, following = await _page_of(store, wanted)
        now = clock.now()
        return {"check_ins": [check_in_answer(one, now) for one in found], "cursor": following}

    @router.post(
        "/v1/check-ins/{check_in_id}/done",
        openapi_extra={"requestBody": {"content": {"application/json": {"schema": Done.model_json_schema()}}}},
        responses={**BACK, **refusals({404: "no call 'c-1' is known", 409: "it is not owed any more"})},
    )
    async def done(request: Request, check_in_id: str, key: Actor) -> Response:
        """Somebody has called: how it went, and a note. JSON, or the form of the work list, which leads back to it."""
        is_form = request.headers.get("content-type", "").startswith("application/x-www-form-urlencoded")
        said = await _said(request, is_form=is_form)
        known = await store.check_in(check_in_id)
        if known is None or (key.teams and known.team not in key.teams):
            raise Problem(404, f"no call {check_in_id!r} is known")
        written = await _record(processor, playbook.in_force.rules, known, said, key.name)
        back = f"/?{request.url.query}" if request.url.query else "/"
        return RedirectResponse(back, 303) if is_form else JSONResponse(check_in_answer(written, clock.now()))

    return router


async def _page_of(store: Followup, wanted: Wanted) -> tuple[list[CheckIn], str | None]:
    try:
        return await store.check_ins(wanted)
    except (ValueError, OverflowError, OSError):
        raise Problem(422, "no cursor of ours", errors=[("/query/cursor", "take it from the answer before")]) from None


async def _record(processor: Processor, rules: Rules, call: CheckIn, said: Done, by: str) -> CheckIn:
    """The call as it is after somebody has made it; Problem 409 when it is not owed."""

    def decide(customer: CustomerState | None, _: States, now: datetime) -> Decision[Any]:
        if customer is None:
            raise NotOwed("the customer is forgotten")
        return call_done(customer, call.id, rules, now, outcome=said.outcome, note=said.note, by=by)

    try:
        made = await processor.act(CustomerState, call.customer_id, decide)
    except NotOwed as error:
        raise Problem(409, str(error)) from None
    return next(state for state in made.states if isinstance(state, CheckIn))


def work_list(store: Followup, playbook: Playbook, clock: Clock) -> APIRouter:
    router = APIRouter(tags=["pages"])
    page = templates("followup").get_template("work_list.html")

    @router.get("/", response_class=HTMLResponse)
    async def check_ins_page(
        key: Watcher, agent: str | None = None, team: str | None = None, cursor: Cursor = None
    ) -> HTMLResponse:
        """The calls that are owed, to be ticked off."""
        wanted = Wanted("owed", agent or None, team or None, None, key.teams, 50, cursor)
        found, following = await _page_of(store, wanted)
        customers = await store.customers(one.customer_id for one in found)
        now, plays = clock.now(), playbook.in_force.plays
        rows = [_row(one, customers.get(one.customer_id), plays, now) for one in found]
        facts = {"rows": rows, "agent": agent or "", "team": team or "", "cursor": following}
        return HTMLResponse(page.render(**facts, may_act=key.may("act"), as_of=format_instant(now)))

    return router


def _row(one: CheckIn, customer: CustomerState | None, plays: Plays, now: datetime) -> dict[str, Any]:
    """A call as the page shows it: whom, about what, by when in the customer's own time."""
    contact = customer.contacts.get(one.contact_id or "") if customer else None
    due = one.due_at.astimezone(zone_of(customer, plays)) if customer else one.due_at
    late = now - one.due_at
    return {
        "id": one.id,
        "name": " ".join(filter(None, [customer.text("title"), customer.text("name")])) if customer else "",
        "phone": (customer.text("phone") if customer else None) or "",
        "customer_id": one.customer_id,
        "contact_id": one.contact_id or "",
        "subject": (contact.field("subject") if contact else None) or "",
        "play": one.play,
        "owner": one.owner or "",
        "team": one.team or "",
        "due": f"{due:%Y-%m-%d %H:%M} {due.tzname()}",
        "due_at": format_instant(one.due_at),
        "overdue": _span(late) if late > timedelta() else "",
    }


def _span(late: timedelta) -> str:
    minutes = int(late.total_seconds() // 60)
    if minutes < 120:  # noqa: PLR2004 - two hours read better in minutes
        return f"{minutes} min"
    return f"{minutes // 60} h" if minutes < 2880 else f"{minutes // 1440} d"  # noqa: PLR2004 - two days read better in hours


async def _said(request: Request, *, is_form: bool) -> Done:
    body = await request.body()
    if len(body) > _MOST_BYTES:
        raise Problem(413, f"at most {_MOST_BYTES} bytes")
    try:
        if is_form:
            fields = {name: values[-1] for name, values in parse_qs(body.decode("utf-8", "replace")).items()}
            return Done(outcome=fields.get("outcome", ""), note=fields.get("note") or None)
        return Done.model_validate_json(body)
    except ValidationError as error:
        raise wrong_body(error) from None
