"""The dashboard: one page for a team lead, each figure with a way to the contacts behind it."""

from typing import Annotated, Any, Final
from zoneinfo import ZoneInfo

from fastapi import APIRouter, Query
from rapport.contracts import format_instant
from rapport.runtime.clock import Clock
from rapport.runtime.keys import Key
from rapport.runtime.pages import templates
from starlette.responses import HTMLResponse

from metrics import dashboard
from metrics.domain.question import Granularity
from metrics.domain.report import rows
from metrics.http import Watcher, allowed
from metrics.settings import MetricsSettings
from metrics.store import Reports

_PRESETS: Final = (7, 30, 90, 365)
_FIRST: Final = ("contacts", "first_response", "sla", "csat")


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
        span = dashboard.span_of(days, now, await reports.newest(), zone)

        async def ask(key: Key, measure: str, *by: str, granularity: Granularity | None = None) -> list[dict[str, Any]]:
            question = allowed(span.question(measure, *by, granularity=granularity), key, settings)
            return rows(question, await reports.groups(question))

        charts = [
            dashboard.contacts_chart(span, await ask(key, "contacts", "channel", granularity=span.granularity)),
            dashboard.response_chart(span, await ask(key, "first_response", "channel")),
            dashboard.sla_chart(span, await ask(key, "sla", "target")),
            dashboard.csat_chart(span, await ask(key, "csat", "channel")),
        ]

        async def totals(over: dashboard.Span) -> dict[str, dict[str, Any]]:
            questions = {name: allowed(over.question(name), key, settings) for name in _FIRST}
            return {name: rows(asked, await reports.groups(asked))[0] for name, asked in questions.items()}

        return HTMLResponse(
            page.render(
                charts=charts,
                cards=dashboard.cards(span, await totals(span), await totals(span.before)),
                span=span,
                days=days,
                presets=_PRESETS,
                as_of=format_instant(now),
                as_of_local=f"{now.astimezone(zone):%Y-%m-%d %H:%M}",
                width=dashboard.WIDTH,
            )
        )

    return router
