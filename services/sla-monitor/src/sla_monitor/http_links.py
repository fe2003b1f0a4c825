"""`/a/{token}`: what the links in messages open. Looking changes nothing; acting needs no signing in."""

from datetime import datetime
from typing import Annotated, Any, Final
from urllib.parse import parse_qs, urlencode

from fastapi import APIRouter, Request
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from rapport.contracts import format_instant
from rapport.runtime.clock import Clock
from rapport.runtime.instants import AskedInstant
from rapport.runtime.keys import vouched_for
from rapport.runtime.openapi import BACK, PAGE, refusals
from rapport.runtime.pages import SAFE_HEADERS
from rapport.runtime.problem import Problem, wrong_body
from rapport.runtime.store import Store
from starlette.responses import JSONResponse, RedirectResponse, Response

from sla_monitor.commands import Action, Command, Commands, Outcome, Refused, command_of
from sla_monitor.domain.contact_view import detail
from sla_monitor.domain.states import AlertState, ContactState, CustomerState
from sla_monitor.domain.text import local, text
from sla_monitor.drawing import Drawing
from sla_monitor.feed import shown
from sla_monitor.links import Link, Links, NoLink
from sla_monitor.policies import Policies

_SHOWN: Final = 50
_MOST_FORM: Final = 20_000


class Asked(BaseModel):
    """What to do, about one of the message's alerts or (no `id`) about all of them."""

    model_config = ConfigDict(extra="forbid")

    action: Action
    id: str | None = None
    until: AskedInstant | None = None
    reason: Annotated[str | None, Field(max_length=1000)] = None
    to: Annotated[str | None, Field(max_length=200)] = None

    def command(self) -> Command:
        return Command(self.action, until=self.until, reason=self.reason, to=self.to)


_NO_LINK: Final = refusals({404: "this link is none of ours", 410: "the time of this link is over"})


class Opened:
    """What a link opens: the alerts of its message, to look at and to act upon."""

    def __init__(self, store: Store, links: Links, commands: Commands, policies: Policies, clock: Clock) -> None:
        self._store = store
        self._links = links
        self._commands = commands
        self._policies = policies
        self._clock = clock

    async def alerts(self, token: str) -> tuple[Link, list[AlertState]]:
        """The worst first. 404 for a token that is none of ours, 410 for one that comes too late."""
        try:
            link = self._links.read(token)
        except NoLink as error:
            raise Problem(410 if error.late else 404, str(error)) from None
        ids = await self._links.alerts(link)
        found = {alert.id: alert for alert in await self._store.find(AlertState, {"_id": {"$in": ids}})}
        return link, [found[name] for name in ids if name in found]

    async def explained(self, alert: AlertState) -> dict[str, Any]:
        """An alert with its line, what its rule promises, what to do, and how its time was counted."""
        now = self._clock.now()
        contact = await self._store.get(ContactState, alert.contact_id)
        targets = detail(contact, self._policies.book, now)["targets"] if contact else []
        named = {(one["target"], one["cycle"]): one for one in targets}
        own: dict[str, Any] = named.get((alert.target, alert.cycle), {"explain": []})
        customer = await self._store.get(CustomerState, alert.customer_id)
        told = {name: own.get(name) for name in ("promised", "to_do", "explain")}
        return {**shown(alert), "line": text(alert, customer, now), **told}

    async def act(self, token: str, name: str | None, command: Command) -> Outcome:
        """
        Carried out on one of the alerts or on all, each for itself, in the name of who got the message.

        Those that somebody has taken already come last, so that asking again gets further.
        """
        link, alerts = await self.alerts(token)
        key = vouched_for(f"{link.receiver} (link)")
        untaken_first = sorted(alerts, key=lambda alert: alert.state == "acknowledged")
        meant = [alert.id for alert in untaken_first if name in (None, alert.id)]
        if name is not None and not meant:
            raise Problem(404, f"this link is not about {name!r}")
        return await self._commands.carry_out_each(meant, command, key)


def routes(opened: Opened, clock: Clock) -> APIRouter:
    router = APIRouter(tags=["links"])
    drawing = Drawing(clock)

    @router.get("/a/{token}", responses={**_NO_LINK, 200: PAGE})
    async def show(token: str, request: Request, said: str = "") -> Response:
        """What the message was about, as it is now. Changes nothing, whoever follows links by themselves."""
        link, alerts = await opened.alerts(token)
        listed = [await opened.explained(alert) for alert in alerts[:_SHOWN]]
        if "text/html" not in request.headers.get("accept", ""):
            body = {"receiver": link.receiver, "count": len(alerts), "alerts": listed}
            return JSONResponse(body, headers=dict(SAFE_HEADERS))
        page = drawing.page(
            "link.html",
            alerts=listed,
            count=len(alerts),
            receiver=link.receiver,
            said=said[:300],
            waiting=sum(alert.state in ("warned", "breached") for alert in alerts),
            exact=lambda zone: lambda at: local(datetime.fromisoformat(at), zone, clock.now(), seconds=True),
        )
        page.headers["Referrer-Policy"] = "no-referrer"
        return page

    @router.post("/a/{token}", responses={**_NO_LINK, **BACK, **refusals({409: "the alert is closed"})})
    async def act(token: str, request: Request) -> Response:
        """Acknowledge, snooze, assign or close what the message was about; a form or JSON."""
        content = (await request.body())[:_MOST_FORM]
        if request.headers.get("content-type", "").startswith("application/json"):
            asked = _asked(content)
            told = await opened.act(token, asked.id, asked.command())
            answer = {"done": told.done, "remaining": told.remaining, "results": told.results}
            return JSONResponse({**answer, "as_of": format_instant(clock.now())})
        form = {name: values[0] for name, values in parse_qs(content.decode("utf-8", "replace")).items()}
        try:
            told = await opened.act(token, form.get("id"), command_of(form, clock.now()))
        except Refused as error:
            raise Problem(error.status, str(error)) from None
        return RedirectResponse(f"/a/{token}?{_said(told)}", status_code=303)

    return router


def _asked(content: bytes) -> Asked:
    try:
        return Asked.model_validate_json(content)
    except ValidationError as error:
        raise wrong_body(error) from None


def _said(told: Outcome) -> str:
    reasons = sorted({result["reason"] for result in told.results if result["status"] == "refused"})
    left = f"; {told.remaining} left, do it once more" if told.remaining else ""
    return urlencode({"said": f"{told.done} done{left}" + "".join(f"; not done: {reason}" for reason in reasons[:3])})
