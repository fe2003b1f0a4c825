"""`/dead-letters`: what was refused, to look at, replay and drop; plain pages that work without scripts."""

import base64
from collections.abc import Callable
from importlib.resources import files
from typing import Any, Final
from urllib.parse import parse_qs

from fastapi import APIRouter, Request
from pydantic import ValidationError
from pydantic_core import from_json, to_json
from rapport.contracts import format_instant
from rapport.runtime.clock import Clock
from rapport.runtime.pages import templates
from rapport.runtime.problem import Problem
from starlette.responses import HTMLResponse, RedirectResponse, Response

from intake.http_dead_letters import Admin, Choice, ReplayOrder, Watcher
from intake.letters import Letter
from intake.replays import Replays
from intake.showing import cursor_after, cursor_of
from intake.store import DeadLetters, Which

_ROWS: Final = 50
_ORDERS: Final = 5
_MOST_FORM: Final = 20_000
_SAFE: Final = {
    "Content-Security-Policy": "default-src 'none'; style-src 'self'; form-action 'self'; frame-ancestors 'none'",
    "Cache-Control": "no-store",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
}
_STYLE: Final = "dead-letters.css"

Render = Callable[..., HTMLResponse]


def routes(letters: DeadLetters, replays: Replays, clock: Clock) -> APIRouter:
    router = APIRouter(tags=["pages"], default_response_class=HTMLResponse, include_in_schema=False)
    pages = templates("intake")

    def render(template: str, **facts: Any) -> HTMLResponse:
        text = pages.get_template(template).render(now=clock.now(), iso=format_instant, **facts)
        return HTMLResponse(text, headers=_SAFE)

    _add_looking(router, letters, replays, render)
    _add_acting(router, letters, replays, clock)
    return router


def _add_looking(router: APIRouter, letters: DeadLetters, replays: Replays, render: Render) -> None:
    @router.get("/")
    async def home() -> Response:
        return RedirectResponse("/dead-letters", 303)

    @router.get(f"/static/{_STYLE}")
    async def style() -> Response:
        text = files("intake").joinpath("static", _STYLE).read_text("utf-8")
        return Response(text, media_type="text/css", headers={"Cache-Control": "max-age=3600"})

    @router.get("/dead-letters")
    async def show_letters(
        key: Watcher, reason: str | None = None, source: str | None = None, cursor: str | None = None
    ) -> Response:
        """What waits, by reason and source, the letters themselves, and the latest replays."""
        reason = reason or None
        which = Which(reason=reason, source=source)
        page = await letters.page(which, limit=_ROWS + 1, after=cursor_of(cursor) if cursor else None)
        orders = await replays.latest(_ORDERS)
        return render(
            "dead_letters.html",
            may_act=key.may("admin"),
            reason=reason,
            source=source,
            counts=await letters.counts(which, "reason"),
            sources=await letters.counts(which, "source"),
            orders=orders,
            busy=any(order.state in {"waiting", "running"} for order in orders),
            letters=page[:_ROWS],
            cursor=cursor_after(page[_ROWS - 1].at, page[_ROWS - 1].id) if len(page) > _ROWS else None,
        )

    @router.get("/dead-letters/{name}")
    async def show_letter(key: Watcher, name: str) -> Response:
        """One letter, whole."""
        letter = await letters.get(name)
        if letter is None:
            raise Problem(404, "no such dead letter")
        headers = [(header, value.decode(errors="replace")) for header, value in letter.headers]
        return render(
            "dead_letter.html", may_act=key.may("admin"), letter=letter, headers=headers, record=_readable(letter)
        )


def _add_acting(router: APIRouter, letters: DeadLetters, replays: Replays, clock: Clock) -> None:
    @router.post("/dead-letters/replay")
    async def replay(key: Admin, request: Request) -> Response:
        form = await _form(request)
        try:
            order = ReplayOrder.model_validate({**_choice(form), "rate": form.get("rate", [""])[0] or None})
        except ValidationError as error:
            raise _unclear(error) from None
        await replays.order(order.which(), by=key.name, rate=order.rate)
        return RedirectResponse("/dead-letters", 303)

    @router.post("/dead-letters/drop")
    async def drop(key: Admin, request: Request) -> Response:
        form = await _form(request)
        if form.get("sure") != ["yes"]:
            raise Problem(422, "dropping is for good: say that you are sure")
        try:
            which = Choice.model_validate(_choice(form)).which()
        except ValidationError as error:
            raise _unclear(error) from None
        await letters.drop(which, by=key.name, now=clock.now())
        return RedirectResponse("/dead-letters", 303)

    @router.post("/dead-letters/replays/{name}/stop")
    async def stop(key: Admin, name: str) -> Response:
        await replays.stop(name, by=key.name)
        return RedirectResponse("/dead-letters", 303)


async def _form(request: Request) -> dict[str, list[str]]:
    body = await request.body()
    if len(body) > _MOST_FORM:
        raise Problem(413, f"a form has at most {_MOST_FORM} bytes")
    text = body.decode("utf-8", "replace").replace("%0D%0A", "%0A")  # browsers send line breaks so
    return parse_qs(text, keep_blank_values=True)  # a letter's source may be blank


def _choice(form: dict[str, list[str]]) -> dict[str, Any]:
    choice: dict[str, Any] = {name: form[name][0] for name in ("reason", "source") if name in form}
    if "ids" in form:
        choice["ids"] = form["ids"]
    return {**choice, "all": form.get("all") == ["yes"]}


def _unclear(error: ValidationError) -> Problem:
    return Problem(422, "; ".join(str(fault["msg"]) for fault in error.errors(include_url=False)))


def _readable(letter: Letter) -> str:
    """JSON indented, other text as it is, anything else in base 64."""
    value = letter.value or b""
    try:
        return to_json(from_json(value), indent=2).decode()
    except ValueError:
        pass
    try:
        return value.decode()
    except UnicodeDecodeError:
        return base64.b64encode(value).decode()
