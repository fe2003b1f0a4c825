"""The dashboard: one page for a team lead, each figure with a way to the contacts behind it."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Annotated, Any, Final

from fastapi import APIRouter, Query, Request
from rapport.contracts import format_instant
from rapport.runtime.clock import Clock
from rapport.runtime.keys import Key
from rapport.runtime.mongo import Session
from rapport.runtime.pages import templates
from starlette.responses import HTMLResponse

from metrics.dashboard import overview
from metrics.dashboard.cards import Card, cards
from metrics.dashboard.charts import WIDTH, Chart, contacts_chart, csat_chart, response_chart, sla_chart
from metrics.dashboard.heat import HOURS, HeatMap, heat_map
from metrics.dashboard.span import Span, span_of
from metrics.dashboard.standing import COMPARED, SIDES, Table, drivers_table, worst_first
from metrics.dashboard.trends import TRENDS, trend_chart
from metrics.domain import drivers
from metrics.domain.measures import Limits
from metrics.domain.periods import local_day
from metrics.domain.question import Question
from metrics.domain.report import rows
from metrics.http import PAGE_PARAMETERS, Watcher, allowed, parameters_of, read
from metrics.settings import MetricsSettings
from metrics.store import Reports

_PRESETS: Final = (7, 30, 90, 365)
_USUALLY: Final = 30
_FIRST: Final = ("contacts", "first_response", "sla", "csat")
_MOST_DRIVERS: Final = 15


Days = Annotated[int | None, Query(ge=1, le=3660, description="the last days up to today; 30 when absent")]


@dataclass(frozen=True, slots=True)
class _Shown:
    cards: list[Card]
    trends: list[Chart]
    charts: list[Chart]
    tables: list[Table]
    heat: HeatMap


class _Asking:
    """Asks for all that the page shows at one instant: a card and the chart below it never say different things."""

    def __init__(
        self, reports: Reports, limits: Limits, allow: Callable[[Question], Question], instant: Session
    ) -> None:
        self._reports = reports
        self._limits = limits
        self._allow = allow
        self._instant = instant

    async def groups(self, question: Question) -> list[Any]:
        return await self._reports.groups(self._allow(question), self._limits, session=self._instant)

    async def ask(self, question: Question) -> list[dict[str, Any]]:
        return rows(question, await self.groups(question))

    async def totals(self, span: Span, names: Iterable[str]) -> dict[str, list[dict[str, Any]]]:
        """The rows of the undivided range; those of whole histories in one passage."""
        questions = [self._allow(span.question(name)) for name in names]
        whole = [question for question in questions if question.measure.whole]
        groups = await self._reports.histories.groups(whole, self._limits, self._instant) if whole else []
        made = {question.measure.name: rows(question, some) for question, some in zip(whole, groups, strict=True)}
        return made | {one.measure.name: await self.ask(one) for one in questions if not one.measure.whole}

    async def first(self, span: Span) -> dict[str, dict[str, Any]]:
        """The one row of each measure that comes first."""
        return {name: found[0] for name, found in (await self.totals(span, _FIRST)).items()}

    async def drivers(self, span: Span) -> Mapping[str, Any]:
        questions = [one.question("contacts", "topic") for one in (span, span.before)]
        return drivers.document(questions, [await self.groups(one) for one in questions], _MOST_DRIVERS)

    async def shown(self, span: Span, by: str) -> _Shown:
        periods = span.granularity
        charts = [
            contacts_chart(span, await self.ask(span.question("contacts", "channel", granularity=periods))),
            response_chart(span, await self.ask(span.question("first_response", "channel"))),
            sla_chart(span, await self.ask(span.question("sla", "target"))),
            csat_chart(span, await self.ask(span.question("csat", "channel"))),
        ]
        trends = [
            trend_chart(span, trend, await self.ask(span.question(trend.measure, granularity=periods)))
            for trend in TRENDS
        ]
        sides = {name: await self.ask(span.question(name, by)) for name in COMPARED}
        heat = heat_map(
            span,
            await self.ask(span.question("arrivals")),
            await self.ask(span.question("out_of_hours", "weekday", "hour")),
            (await self.ask(span.question("out_of_hours")))[0],
        )
        tables = [worst_first(span, by, sides), drivers_table(span, await self.drivers(span))]
        return _Shown(cards(span, await self.first(span), await self.first(span.before)), trends, charts, tables, heat)


def pages(reports: Reports, clock: Clock, settings: MetricsSettings) -> APIRouter:
    router = APIRouter(tags=["pages"])
    page = templates("metrics").get_template("dashboard.html")

    @router.get("/", response_class=HTMLResponse, openapi_extra={"parameters": PAGE_PARAMETERS})
    async def get_dashboard(
        request: Request,
        key: Watcher,
        days: Days = None,
    ) -> HTMLResponse:
        """How we are doing: contacts, answers, deadlines met, satisfaction; where it goes worst, and what changed."""
        now = clock.now()
        view = await _view(request, reports, days, now, settings)
        async with reports.one_instant() as instant:
            asking = _Asking(reports, settings.limits(now), _allowing(key, settings), instant)
            shown = await asking.shown(view.span, view.by)
        words = view.words(now)
        return HTMLResponse(page.render(**words, shown=shown, sides=_sides(settings), width=WIDTH, hours=HOURS))

    overview_page = templates("metrics").get_template("overview.html")

    @router.get("/figures", response_class=HTMLResponse, openapi_extra={"parameters": PAGE_PARAMETERS})
    async def get_figures(request: Request, key: Watcher, days: Days = None) -> HTMLResponse:
        """All figures side by side, each against as many days before."""
        now = clock.now()
        view = await _view(request, reports, days, now, settings)
        shown = overview.shown(view.span, of_teams=bool(key.teams))
        names = {one.measure for some in shown.values() for one in some}
        async with reports.one_instant() as instant:
            asking = _Asking(reports, settings.limits(now), _allowing(key, settings), instant)
            held, before = [await asking.totals(span, names) for span in (view.span, view.span.before)]
        groups = [(title, overview.lines(view.span, some, held, before)) for title, some in shown.items()]
        return HTMLResponse(overview_page.render(**view.words(now), groups=groups, head=overview.HEAD))

    return router


@dataclass(frozen=True, slots=True)
class _View:
    """What a page is asked to show; `preset` is how many days of those that are offered, if it is one."""

    span: Span
    by: str
    preset: int | None

    def words(self, now: datetime) -> dict[str, Any]:
        local = f"{now.astimezone(self.span.zone):%Y-%m-%d %H:%M}"
        asked = {"span": self.span, "by": self.by, "preset": self.preset, "presets": _PRESETS}
        return {**asked, "as_of": format_instant(now), "as_of_local": local}


async def _view(
    request: Request, reports: Reports, days: int | None, now: datetime, settings: MetricsSettings
) -> _View:
    words = {"tz": [settings.timezone], "by": ["team"], **parameters_of(request)}
    question = read(words, frozenset({"days"}), "contacts")
    span = _span(question, days, now, await reports.newest())
    by = next((side for side in question.by if side in _sides(settings)), SIDES[0])
    return _View(span, by, None if question.since or question.until else days or _USUALLY)


def _sides(settings: MetricsSettings) -> list[str]:
    return [side for side in SIDES if side != "agent" or settings.agent_figures == "on"]


def _allowing(key: Key, settings: MetricsSettings) -> Callable[[Question], Question]:
    return lambda question: allowed(question, key, settings)


def _span(question: Question, days: int | None, now: datetime, newest: datetime | None) -> Span:
    """The days asked for: `from` and `to`, or the last few."""
    zone, last_days = question.zone, days or _USUALLY
    if question.since is None and question.until is None:
        return replace(span_of(last_days, now, newest, zone), where=question.where)
    last = local_day(question.until, zone) if question.until else local_day(now, zone) + timedelta(days=1)
    first = local_day(question.since, zone) if question.since else last - timedelta(days=last_days)
    return Span(first, max(last, first + timedelta(days=1)), zone, where=question.where)
