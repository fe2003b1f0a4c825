"""The HTTP routes of metrics: questions in, figures out. Nothing is decided here."""

from collections.abc import Awaitable, Iterable, Mapping
from dataclasses import replace
from typing import Annotated, Any, TypeVar, get_args

from fastapi import APIRouter, Depends, Query, Request
from rapport.runtime.clock import Clock
from rapport.runtime.http import require
from rapport.runtime.keys import Key
from rapport.runtime.problem import Problem
from starlette.responses import JSONResponse, Response

from metrics import answers
from metrics.domain import ContactFact, report
from metrics.domain.measures import MEASURES
from metrics.domain.question import BadQuestion, Granularity, Question, parse, parse_range
from metrics.settings import MetricsSettings
from metrics.store import BadCursor, Reports

T = TypeVar("T")

Watcher = Annotated[Key, Depends(require("watch"))]
Limit = Annotated[int, Query(ge=1, le=1000, description="most entries in one page")]
Cursor = Annotated[str | None, Query(description="where the next page begins, from the page before")]


def _parameter(name: str, text: str, *, among: Iterable[str] = (), required: bool = False) -> dict[str, Any]:
    schema: dict[str, Any] = {"type": "string", **({"enum": list(among)} if among else {})}
    return {"name": name, "in": "query", "required": required, "description": text, "schema": schema}


_RANGE_PARAMETERS = [
    _parameter("from", "first instant of the range: a date (its midnight in tz) or RFC 3339; all when absent"),
    _parameter("to", "end of the range, itself left out: a date (its midnight in tz) or RFC 3339; all when absent"),
    _parameter("tz", "IANA time zone of dates and periods; UTC when absent"),
]
_REPORT_PARAMETERS = [
    _parameter("measure", "what is counted", among=MEASURES, required=True),
    *_RANGE_PARAMETERS,
    _parameter("by", "dimensions to group by, comma separated"),
    _parameter("granularity", "the periods; without it one row per group", among=get_args(Granularity)),
    _parameter("week_start", "the day that weeks begin on; monday when absent"),
    _parameter("filter", "channel:email,team:a|b; an empty value means none given, quotes hold commas and bars"),
    _parameter("format", "json when absent", among=("json", "csv")),
]


def asked(request: Request, key: Key, settings: MetricsSettings, *, also: frozenset[str] = frozenset()) -> Question:
    """The question of a request, within what the key may see; a problem names each parameter that is wrong."""
    try:
        question = parse(_parameters(request), also=also)
    except BadQuestion as error:
        raise _problem(error) from None
    return allowed(question, key, settings)


def _parameters(request: Request) -> dict[str, list[str]]:
    return {name: request.query_params.getlist(name) for name in request.query_params}


def allowed(question: Question, key: Key, settings: MetricsSettings) -> Question:
    """The question within the key's teams; figures by agent only where they are switched on."""
    if settings.agent_figures == "off" and "agent" in question.dimensions:
        name = "/by" if "agent" in question.by else "/filter"
        raise Problem(403, "figures by agent are switched off here", errors=[(name, "agent is switched off")])
    if not key.teams:
        return question
    wanted = question.where.get("team", key.teams)
    seen = tuple(team for team in wanted if team in key.teams)
    if not seen:
        raise Problem(403, f"the key {key.name!r} may not see this team", errors=[("/filter", "team is not yours")])
    return replace(question, where={**question.where, "team": seen})


def _problem(error: BadQuestion) -> Problem:
    return Problem(422, str(error), title="The question can't be answered", errors=error.errors)


def routes(reports: Reports, clock: Clock, settings: MetricsSettings) -> APIRouter:
    """All routes that answer with JSON or CSV."""
    router = APIRouter(prefix="/v1", tags=["figures"])

    @router.get("/report", openapi_extra={"parameters": _REPORT_PARAMETERS})
    async def get_report(request: Request, key: Watcher) -> Response:
        """One measure over a range, in periods and groups."""
        question = asked(request, key, settings)
        groups = await reports.groups(question)
        if request.query_params.get("format") == "csv":
            return Response(report.as_csv(question, groups), media_type="text/csv; charset=utf-8")
        return JSONResponse(report.document(question, groups, clock.now()))

    @router.get("/report/contacts", openapi_extra={"parameters": _REPORT_PARAMETERS})
    async def get_report_contacts(
        request: Request,
        key: Watcher,
        figure: Annotated[str | None, Query(pattern="^[a-z_]+$", description="only contacts with this figure")] = None,
        limit: Limit = 100,
        cursor: Cursor = None,
    ) -> Mapping[str, Any]:
        """The contacts behind a cell of a report."""
        question = asked(request, key, settings, also=frozenset({"figure", "limit", "cursor"}))
        page, following = await _paged(reports.contacts(question, figure=figure, limit=limit, cursor=cursor))
        return {"contacts": [answers.counted(fact, marks) for fact, marks in page], "cursor": following}

    @router.get("/events")
    async def get_event(
        key: Watcher,
        source: Annotated[str, Query(description="the event's source")],
        event_id: Annotated[str, Query(alias="id", description="the event's id")],
    ) -> Mapping[str, Any]:
        """The fate of one event: when it was taken in, where it went, what it caused."""
        entry = await reports.entry(source, event_id)
        if entry is None:
            raise Problem(404, "no event of this source and id has been taken in")
        fact = await reports.fact(entry.contact_id) if entry.contact_id else None
        _check_team(key, fact)
        return answers.fate(entry, fact, await reports.caused_by(entry))

    @router.get("/customers/{customer_id:path}/timeline")
    async def get_timeline(
        customer_id: str, key: Watcher, limit: Limit = 100, cursor: Cursor = None
    ) -> Mapping[str, Any]:
        """Every contact of a customer, newest first: its nature, its outcome, its events."""
        found = await _paged(reports.timeline(customer_id, teams=key.teams, limit=limit, cursor=cursor))
        contacts, entries, following = found
        if not contacts and cursor is None and not await reports.knows_customer(customer_id):
            raise Problem(404, "nothing has been taken in of this customer")
        told = [answers.contact(fact, entries.get(fact.id, ())) for fact in contacts]
        return {"customer_id": customer_id, "contacts": told, "cursor": following}

    @router.get("/balance", openapi_extra={"parameters": _RANGE_PARAMETERS})
    async def get_balance(request: Request, _: Watcher) -> Mapping[str, Any]:
        """Whether every event taken in is in the journal and every one there was folded or refused, per hour."""
        try:
            since, until = parse_range(_parameters(request))
        except BadQuestion as error:
            raise _problem(error) from None
        return answers.balance(await reports.balance(since, until), clock.now())

    return router


def _check_team(key: Key, fact: ContactFact | None) -> None:
    team = fact.dimensions.get("team") if fact else None
    if key.teams and team not in key.teams:
        raise Problem(403, f"the key {key.name!r} may not see contacts of this team")


async def _paged(page: Awaitable[T]) -> T:
    try:
        return await page
    except BadCursor as error:
        raise Problem(422, str(error), errors=[("/cursor", str(error))]) from None
