"""The contacts behind a figure, as a page for people: where the links of the dashboard lead."""

from collections.abc import Iterable, Mapping
from typing import Any, Final

from fastapi import APIRouter, Request
from rapport.runtime.clock import Clock
from rapport.runtime.pages import templates
from starlette.responses import HTMLResponse, RedirectResponse, Response

from metrics import answers
from metrics.dashboard.words import duration, plain
from metrics.domain import ContactFact
from metrics.domain.question import Question
from metrics.domain.states import instant
from metrics.http import REPORT_PARAMETERS, Cursor, FigureName, Limit, Watcher, behind
from metrics.settings import MetricsSettings
from metrics.store import Reports

_SECONDS: Final = "seconds"


def contacts_page(reports: Reports, clock: Clock, settings: MetricsSettings) -> APIRouter:
    router = APIRouter(tags=["pages"])
    page = templates("metrics").get_template("contacts.html")

    @router.get("/contacts", response_class=HTMLResponse, openapi_extra={"parameters": REPORT_PARAMETERS})
    async def get_contacts(
        request: Request, key: Watcher, figure: FigureName = None, limit: Limit = 100, cursor: Cursor = None
    ) -> Response:
        """The contacts behind a cell of a report, as `/v1/report/contacts` lists them, which has the CSV."""
        if request.query_params.get("format") == "csv":
            return RedirectResponse(f"/v1/report/contacts?{request.url.query}", status_code=303)
        found = await behind(request, key, reports, settings, clock.now(), figure, limit, cursor)
        words = request.url.remove_query_params(["cursor", "format"]).query
        following = request.url.include_query_params(cursor=found.following).query if found.following else None
        return HTMLResponse(
            page.render(
                measure=plain(figure or found.question.measure.name),
                asked=_asked(found.question, figure),
                zone=found.question.zone.key,
                contacts=[_line(found.question, fact, marks) for fact, marks in found.page],
                csv=f"/v1/report/contacts?{words}&format=csv",
                json=f"/v1/report/contacts?{words}",
                following=f"/contacts?{following}" if following else "",
            )
        )

    return router


def _asked(question: Question, figure: str | None) -> str:
    """What the list is of, in words."""
    parts = [plain(question.measure.name) + (f", {plain(figure)}" if figure else "")]
    days = [f"{at.astimezone(question.zone):%Y-%m-%d %H:%M}" for at in (question.since, question.until) if at]
    parts += [" to ".join(days)] if days else []
    parts += [f"as booked by the end of {question.last_day}"] if question.last_day else []
    parts += [
        f"{plain(name)} {' or '.join(value or 'none' for value in values)}" for name, values in question.where.items()
    ]
    return " · ".join(parts)


def _line(question: Question, fact: ContactFact, marks: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    told = answers.counted(fact, marks)
    opened = None if fact.opened_at is None else f"{instant(fact.opened_at).astimezone(question.zone):%Y-%m-%d %H:%M}"
    counted = [
        f"{plain(name.removesuffix('_' + _SECONDS))} {duration(amount) if name.endswith(_SECONDS) else amount}"
        for mark in told["counted"]
        for name, amount in mark["figures"].items()
    ]
    return {**told, "opened": opened or "–", "counted": ", ".join(counted)}
