"""The HTTP routes of metrics: questions in, figures out. Nothing is decided here."""

from collections.abc import Awaitable, Iterable, Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Annotated, Any, Final, NamedTuple, TypeVar, get_args

from fastapi import APIRouter, Depends, Query, Request
from rapport.runtime.clock import Clock
from rapport.runtime.http import require
from rapport.runtime.keys import Key
from rapport.runtime.openapi import CSV, refusals
from rapport.runtime.problem import Problem
from starlette.responses import JSONResponse, Response

from metrics import answers
from metrics.domain import ContactFact, drivers, report
from metrics.domain.measures import MEASURES
from metrics.domain.question import BadQuestion, Granularity, Question, parse
from metrics.histories import Marks
from metrics.paging import BadCursor
from metrics.settings import MetricsSettings
from metrics.store import Reports

T = TypeVar("T")

_CSV: Final = "text/csv; charset=utf-8"

Watcher = Annotated[Key, Depends(require("watch"))]
Limit = Annotated[int, Query(ge=1, le=1000, description="most entries in one page")]
FigureName = Annotated[str | None, Query(description="only what counts in this figure, such as breached")]
Cursor = Annotated[str | None, Query(description="where the next page begins, from the page before")]


def _parameter(name: str, text: str, *, among: Iterable[str] = (), required: bool = False) -> dict[str, Any]:
    schema: dict[str, Any] = {"type": "string", **({"enum": list(among)} if among else {})}
    return {"name": name, "in": "query", "required": required, "description": text, "schema": schema}


RANGE_PARAMETERS = [
    _parameter("from", "first instant of the range: a date (its midnight in tz) or RFC 3339; all when absent"),
    _parameter("to", "end of the range, itself left out: a date (its midnight in tz) or RFC 3339; all when absent"),
    _parameter("tz", "IANA time zone of dates and periods; UTC when absent"),
]
REPORT_PARAMETERS = [
    _parameter("measure", "what is counted", among=MEASURES, required=True),
    *RANGE_PARAMETERS,
    _parameter("by", "dimensions to group by, comma separated"),
    _parameter("granularity", "the periods; without it one row per group", among=get_args(Granularity)),
    _parameter("week_start", "the day that weeks begin on; monday when absent"),
    _parameter("filter", "channel:email,team:a|b; an empty value means none given, quotes hold commas and bars"),
    _parameter(
        "as_of", "a date: only what was booked up to its end in tz, as it stood then; all that is known when absent"
    ),
    _parameter("format", "json when absent", among=("json", "csv")),
]
_LONGEST_BY_CLOCK: Final = timedelta(days=401)
_MOST_PERIODS: Final = 500
LIST_PARAMETERS = [*RANGE_PARAMETERS, _parameter("filter", "as of a report")]
PAGE_PARAMETERS = [*LIST_PARAMETERS, _parameter("by", "what is held side by side, such as team; that when absent")]
_DRIVER_PARAMETERS = [
    *LIST_PARAMETERS,
    _parameter("by", "what drives contacts, comma separated dimensions; topic when absent"),
]
LISTED: Final = frozenset({"limit", "cursor"})
_PAGED: Final = LISTED | {"figure"}


def asked(request: Request, key: Key, settings: MetricsSettings, *, also: frozenset[str] = frozenset()) -> Question:
    """The question of a request, within what the key may see; a problem names each parameter that is wrong."""
    return allowed(read(parameters_of(request), also), key, settings)


def read(parameters: Mapping[str, list[str]], also: frozenset[str], measure: str | None = None) -> Question:
    """The question that parameters ask; a problem names each that is wrong."""
    try:
        return parse(parameters, also=also, measure=measure)
    except BadQuestion as error:
        raise problem_of(error) from None


def parameters_of(request: Request) -> dict[str, list[str]]:
    return {name: request.query_params.getlist(name) for name in request.query_params}


def allowed(question: Question, key: Key, settings: MetricsSettings) -> Question:
    """The question within the key's teams; figures by agent only where they are switched on."""
    if settings.agent_figures == "off" and "agent" in question.dimensions:
        name = "/by" if "agent" in question.by else "/filter"
        raise Problem(403, "figures by agent are switched off here", errors=[(name, "agent is switched off")])
    if not key.teams:
        return question
    if question.measure.dimensions is not None:
        reason = f"{question.measure.name} is of customers and no team's; the key {key.name!r} may see its teams only"
        raise Problem(403, reason, errors=[("/measure", "is no team's")])
    wanted = question.where.get("team", key.teams)
    seen = tuple(team for team in wanted if team in key.teams)
    if not seen:
        raise Problem(403, f"the key {key.name!r} may not see this team", errors=[("/filter", "team is not yours")])
    return replace(question, where={**question.where, "team": seen})


def problem_of(error: BadQuestion) -> Problem:
    return Problem(422, str(error), title="The question can't be answered", errors=error.errors)


class Behind(NamedTuple):
    """A page of the contacts behind a figure, each with what counts of it, and where the next one begins."""

    question: Question
    page: list[tuple[ContactFact, Marks]]
    following: str | None


async def behind(
    request: Request,
    key: Key,
    reports: Reports,
    settings: MetricsSettings,
    now: datetime,
    figure: str | None,
    limit: int,
    cursor: str | None,
) -> Behind:
    """The contacts that a request asks for; a problem says what can't be listed."""
    question = asked(request, key, settings, also=_PAGED)
    if question.measure.dimensions is not None:
        raise _elsewhere(question, "customers")
    counted = _sum_of(figure, question)
    _check_clock(question)
    limits = settings.limits(question.looked_at(now))
    found = reports.lists.contacts(question, limits, figure=counted, limit=limit, cursor=cursor)
    page, following = await paged(found)
    shown = page if settings.agent_figures == "on" else [answers.nobodys(fact, marks) for fact, marks in page]
    return Behind(question, shown, following)


_REFUSED: Final = refusals({422: "there is no measure 'respones'"})


def routes(reports: Reports, clock: Clock, settings: MetricsSettings) -> APIRouter:
    """Reports, and the contacts behind them."""
    router = APIRouter(prefix="/v1", tags=["figures"])

    @router.get("/report", responses={**_REFUSED, 200: CSV}, openapi_extra={"parameters": REPORT_PARAMETERS})
    async def get_report(request: Request, key: Watcher) -> Response:
        """One measure over a range, in periods and groups."""
        question = asked(request, key, settings)
        limits = settings.limits(question.looked_at(clock.now()))
        _check_periods(question, limits.now)
        groups = await reports.groups(question, limits)
        if request.query_params.get("format") == "csv":
            return Response(report.as_csv(question, groups), media_type=_CSV)
        return JSONResponse(report.document(question, groups, limits.now))

    @router.get("/report/contacts", responses={**_REFUSED, 200: CSV}, openapi_extra={"parameters": REPORT_PARAMETERS})
    async def get_report_contacts(
        request: Request,
        key: Watcher,
        figure: FigureName = None,
        limit: Limit = 100,
        cursor: Cursor = None,
    ) -> Response:
        """The contacts behind a cell of a report. As CSV the next page is in the header `Link`."""
        found = await behind(request, key, reports, settings, clock.now(), figure, limit, cursor)
        if request.query_params.get("format") == "csv":
            next_page = f'<?{request.url.include_query_params(cursor=found.following).query}>; rel="next"'
            lines = answers.contacts_csv(found.question.measure, found.page)
            return Response(lines, media_type=_CSV, headers={"Link": next_page} if found.following else None)
        told = [answers.counted(fact, marks) for fact, marks in found.page]
        return JSONResponse({"contacts": told, "cursor": found.following})

    @router.get("/report/customers", openapi_extra={"parameters": REPORT_PARAMETERS})
    async def get_report_customers(
        request: Request, key: Watcher, figure: FigureName = None, limit: Limit = 100, cursor: Cursor = None
    ) -> Mapping[str, Any]:
        """The customers behind a cell of a report about customers (retention, cltv, …) or their contacts together."""
        question = asked(request, key, settings, also=_PAGED)
        if not question.measure.whole:
            raise _elsewhere(question, "contacts")
        if request.query_params.get("format") == "csv":
            raise Problem(422, "customers are listed as JSON only", errors=[("/format", "must be json")])
        counted = _sum_of(figure, question)
        limits = settings.limits(question.looked_at(clock.now()))
        _check_periods(question, limits.now)
        found, following = await reports.lists.customers(question, limits, figure=counted, limit=limit, cursor=cursor)
        shown = answers.marks_told if settings.agent_figures == "on" else answers.nobodys_marks_told
        told = [{"customer_id": name, "counted": shown(marks)} for name, marks in found]
        return {"customers": told, "cursor": following}

    @router.get("/drivers", openapi_extra={"parameters": _DRIVER_PARAMETERS})
    async def get_drivers(
        request: Request, key: Watcher, limit: Annotated[int, Query(ge=1, le=1000, description="most drivers")] = 20
    ) -> Mapping[str, Any]:
        """What customers come for: topics by volume, and how they have grown against as long a time just before."""
        words = {"by": ["topic"], **parameters_of(request)}
        question = allowed(read(words, frozenset({"limit"}), "contacts"), key, settings)
        ranges = drivers.ranges(question, clock.now())
        if ranges is None:
            raise Problem(422, "from must be before to, else before now", errors=[("/from", "is not before the end")])
        limits = settings.limits(clock.now())
        async with reports.one_instant() as instant:
            groups = [await reports.groups(one, limits, session=instant) for one in ranges]
        return drivers.document(ranges, groups, limit)

    return router


def _sum_of(figure: str | None, question: Question) -> str | None:
    """What is to be counted, where a figure is asked for."""
    if not figure:
        return None
    name = question.measure.sum_of(figure)
    if name not in question.measure.counts:
        known = ", ".join(question.measure.counts)
        reason = f"{question.measure.name} counts nothing as {figure!r}; there are {known}"
        raise Problem(422, reason, errors=[("/figure", reason)])
    return name


def _check_clock(question: Question) -> None:
    is_bounded = question.since and question.until and question.until - question.since <= _LONGEST_BY_CLOCK
    if question.where_on_clock and not is_bounded:
        reason = f"contacts by hour or weekday are listed for a range of at most {_LONGEST_BY_CLOCK.days} days"
        raise Problem(422, reason, errors=[("/from", reason)])


def _check_periods(question: Question, now: datetime) -> None:
    if question.measure.over == "periods" and question.periods(now) > _MOST_PERIODS:
        reason = f"{question.measure.name} is of at most {_MOST_PERIODS} periods at a time"
        raise Problem(422, reason, errors=[("/granularity", reason)])


def _elsewhere(question: Question, what: str) -> Problem:
    reason = f"what is behind {question.measure.name} are {what}: see /v1/report/{what}"
    return Problem(422, reason, errors=[("/measure", reason)])


async def paged(page: Awaitable[T]) -> T:
    try:
        return await page
    except BadCursor as error:
        raise Problem(422, str(error), errors=[("/cursor", str(error))]) from None
