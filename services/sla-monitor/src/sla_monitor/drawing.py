"""What turns rows and figures into HTML, the same for a page and for a change that is pushed to it."""

import gzip
from datetime import datetime
from typing import Any, Final

from rapport.contracts import format_instant
from rapport.runtime.clock import Clock
from rapport.runtime.pages import SAFE_HEADERS, templates
from starlette.requests import Request
from starlette.responses import HTMLResponse

from sla_monitor.board import Doubts
from sla_monitor.domain.board import Line, duration, exactly, week
from sla_monitor.domain.board_filter import BoardFilter

_WORTH_PACKING: Final = 10_000
_GLYPHS: Final = {"breached": "■", "running": "○", "paused": "‖", "met": "✓", "cancelled": "–"}


class Drawing:
    """The templates of the service, with the words and shapes they need."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._pages = templates("sla_monitor")
        self._pages.globals.update(iso=format_instant, duration=duration, exactly=exactly, week=week, glyphs=_GLYPHS)
        self._parts: Any = self._pages.get_template("parts.html").module

    def page(self, template: str, **facts: Any) -> HTMLResponse:
        text = self._pages.get_template(template).render(now=self._clock.now(), **facts)
        return HTMLResponse(text, headers=SAFE_HEADERS)

    def row(self, line: Line, *, may_act: bool) -> str:
        return str(self._parts.row(line, may_act))

    def figures(self, figures: dict[str, Any], doubts: Doubts, wanted: BoardFilter) -> str:
        return str(self._parts.figures(figures, doubts, self.oldest(figures), wanted.team))

    def oldest(self, figures: dict[str, Any]) -> str | None:
        """For how long the oldest of those who wait has been open."""
        since = figures["oldest"]
        return duration((self._clock.now() - datetime.fromisoformat(since)).total_seconds()) if since else None


def packed(page: HTMLResponse, request: Request) -> HTMLResponse:
    """The page in less than a quarter of its bytes, where that is taken; a long board is read again and again."""
    page.headers["Vary"] = "Accept-Encoding"
    if len(page.body) < _WORTH_PACKING or "gzip" not in request.headers.get("accept-encoding", ""):
        return page
    page.body = gzip.compress(bytes(page.body), 1, mtime=0)
    page.headers["Content-Encoding"] = "gzip"
    page.headers["Content-Length"] = str(len(page.body))
    return page
