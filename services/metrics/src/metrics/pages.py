"""The dashboard: one page for a team lead, each figure with a way to the contacts behind it."""

from collections.abc import Callable
from typing import Annotated, Any, Final
from zoneinfo import ZoneInfo

from fastapi import APIRouter, Query
from rapport.contracts import format_instant
from rapport.runtime.clock import Clock
from rapport.runtime.pages import templates
from starlette.responses import HTMLResponse

from metrics import dashboard
from metrics.domain.measures import Limits
from metrics.domain.question import Question
from metrics.domain.report import rows
from metrics.http import Watcher, allowed
from metrics.settings import MetricsSettings
from metrics.store import Reports

_PRESETS: Final = (7, 30, 90, 365)
_FIRST: Final = ("contacts", "first_response", "sla", "csat")


async def _figures(
    reports: Reports, span: dashboard.Span, limits: Limits, allow: Callable[[Question], Question]
) -> tuple[list[dashboard.Chart], list[dashboard.Card]]:
    """All that the page shows, of one instant: a card and the chart below it never say different things."""
    async with reports.one_instant() as instant:

        async def ask(question: Question) -> list[dict[str, Any]]:
            asked = allow(question)
            return rows(asked, await reports.groups(asked, limits, session=instant))

        async def totals(over: dashboard.Span) -> dict[str, dict[str, Any]]:
            return {name: (await ask(over.question(name)))[0] for name in _FIRST}

        charts = [
            dashboard.contacts_chart(
                span, await ask(span.question("contacts", "channel", granularity=span.granularity))
            ),
            dashboard.response_chart(span, await ask(span.question("first_response", "channel"))),
            dashboard.sla_chart(span, await ask(span.question("sla", "target"))),
            dashboard.csat_chart(span, await ask(span.question("csat", "channel"))),
        ]
        return charts, dashboard.cards(span, await totals(span), await totals(span.before))


def pages(reports: Reports, clock: Clock, settings: MetricsSettings) -> APIRouter:
    router = APIRouter(tags=["pages"])
    page = templates("metrics").get_template("dashboard.html")
    zone = ZoneInfo(settings.timezone)

    @router.get("/", response_class=HTMLResponse)
    async def get_dashboard(
        key: Watcher, days: Annotated[int, Query(ge=1, le=3660, description="how many days to show")] = 30
    ) -> HTMLResponse:
        """How we are doing: contacts, answers, promises kept, satisfaction."""
        now = clock.now()
        limits = settings.limits(now)
        span = dashboard.span_of(days, now, await reports.newest(), zone)
        charts, cards = await _figures(reports, span, limits, lambda question: allowed(question, key, settings))
        return HTMLResponse(
            page.render(
                charts=charts,
                cards=cards,
                span=span,
                days=days,
                presets=_PRESETS,
                as_of=format_instant(now),
                as_of_local=f"{now.astimezone(zone):%Y-%m-%d %H:%M}",
                width=dashboard.WIDTH,
            )
        )

    return router
