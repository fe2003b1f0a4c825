"""
What PagerDuty tells back: who has acknowledged or resolved an incident there has done so here.

Its webhooks, version 3: https://developer.pagerduty.com/docs/webhooks-overview/;
the signature: https://developer.pagerduty.com/docs/verifying-webhook-signatures.
"""

import asyncio
import hmac
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from typing import Any, Final

from fastapi import APIRouter, Request
from pydantic import BaseModel, SecretStr, ValidationError
from rapport.runtime import telemetry as shared
from rapport.runtime.keys import vouched_for
from rapport.runtime.openapi import refusals
from rapport.runtime.problem import Problem
from rapport.runtime.store import Store

from sla_monitor.commands import Action, Command, Commands, Refused
from sla_monitor.domain.notifications import NotificationState
from sla_monitor.domain.states import AlertState

log = shared.logger()

_ACTIONS: Final[dict[str, Action]] = {"incident.acknowledged": "acknowledge", "incident.resolved": "close"}
_LARGEST: Final = 1024 * 1024
_AT_ONCE: Final = 1000
_PATIENCE: Final = timedelta(seconds=3)
"""PagerDuty waits 5 s for an answer, and tells four times more of what had none."""


_REFUSED: Final = refusals(
    {
        400: "that is no webhook of PagerDuty, version 3",
        401: "the signature is not that of this body",
        404: "RAPPORT_PAGERDUTY_SECRET is not set",
        413: "that is larger than any webhook of PagerDuty",
        503: "there is more to do, and it goes on: tell again",
    }
)


class Followed:
    """
    What is done because PagerDuty has told of it. It goes on when PagerDuty waits no longer.

    A storm of thousands takes longer than all the times that PagerDuty tells of it. Each
    of these is answered 503 until it is done: what a stop cuts off is taken up with the next.
    """

    def __init__(self, store: Store, commands: Commands) -> None:
        self._store = store
        self._commands = commands
        self._running: dict[tuple[str, Action], asyncio.Task[int]] = {}

    async def act(self, said: "Said", action: Action) -> int:
        """How many alerts of the incident were acted upon; 503 while there are more."""
        name = (said.incident, action)
        work = self._running.get(name)
        if work is None:
            work = self._running[name] = asyncio.create_task(self._each(said, action))
            work.add_done_callback(partial(self._ended, name))
        await asyncio.wait({work}, timeout=_PATIENCE.total_seconds())
        if not work.done():
            raise Problem(503, "there is more to do, and it goes on: tell again", headers={"Retry-After": "1"})
        return work.result()

    def _ended(self, name: tuple[str, Action], work: asyncio.Task[int]) -> None:
        del self._running[name]
        if not work.cancelled() and (error := work.exception()) is not None:
            log.warning("not done for PagerDuty", incident=name[0], reason=type(error).__name__)

    async def stop(self) -> None:
        works = list(self._running.values())
        for work in works:
            work.cancel()
        await asyncio.gather(*works, return_exceptions=True)

    async def _each(self, said: "Said", action: Action) -> int:
        """Of one incident there may be many alerts here: those that a storm brought."""
        key = vouched_for(f"{said.who} (PagerDuty)")
        command, done = Command(action, reason="resolved in PagerDuty" if action == "close" else None), 0
        for alert_id in await _alerts(self._store, said.incident, action):
            try:
                await self._commands.carry_out(alert_id, command, key)
                done += 1
            except Refused as error:
                log.info("not done for PagerDuty", alert=alert_id, reason=str(error))
        return done


def routes(followed: Followed, secret: SecretStr | None) -> APIRouter:
    router = APIRouter(tags=["receivers"])

    @router.post("/v1/hooks/pagerduty", responses=_REFUSED)
    async def from_pagerduty(request: Request) -> dict[str, Any]:
        """A webhook of PagerDuty, version 3: acknowledging or resolving an incident there does so here."""
        content = await request.body()
        if secret is None:
            raise Problem(404, "RAPPORT_PAGERDUTY_SECRET is not set")
        if len(content) > _LARGEST:
            raise Problem(413, "that is larger than any webhook of PagerDuty")
        if not is_signed(content, request.headers.get("x-pagerduty-signature", ""), secret.get_secret_value()):
            raise Problem(401, "the signature is not that of this body")
        said = read(content)
        if said.action is None or not said.incident:
            return {"status": "ignored", "event_type": said.kind}
        return {"status": "done", "alerts": await followed.act(said, said.action)}

    return router


def is_signed(content: bytes, header: str, secret: str) -> bool:
    """Whether one of the signatures is that of the body; PagerDuty sends two while a secret is exchanged."""
    expected = "v1=" + hmac.new(secret.encode(), content, "sha256").hexdigest()
    given = [part.strip() for part in header.split(",")]
    return any(hmac.compare_digest(expected.encode(), one.encode("utf-8", "replace")) for one in given)


@dataclass(frozen=True, slots=True)
class Said:
    """What a webhook says: the kind of event, the key of the incident, who did it, and what that comes to here."""

    kind: str
    incident: str
    who: str
    action: Action | None


def read(content: bytes) -> Said:
    """
    What a webhook of PagerDuty says; 400 for what is none.

    Only what is needed has to be there: incidents that people open have no key, other
    events other data, and three answers that are no success switch the webhook off for
    a day. Who merges an incident into another has taken it, not ended what it stands for.
    """
    try:
        event = _Webhook.model_validate_json(content).event
    except ValidationError:
        raise Problem(400, "that is no webhook of PagerDuty, version 3") from None
    who = _word(event.agent, "summary") or _word(event.agent, "id") or "somebody"
    action = _ACTIONS.get(event.event_type)
    if action == "close" and _word(_part(event.data, "resolve_reason"), "type") == "merge_resolve_reason":
        action = "acknowledge"
    return Said(event.event_type, _word(event.data, "incident_key"), who[:80], action)


class _Event(BaseModel):
    event_type: str
    agent: Any = None
    data: Any = None


class _Webhook(BaseModel):
    event: _Event


def _part(whole: Any, name: str) -> Any:
    return whole.get(name) if isinstance(whole, dict) else None


def _word(whole: Any, name: str) -> str:
    found = _part(whole, name)
    return found if isinstance(found, str) else ""


async def _alerts(store: Store, incident: str, action: Action) -> list[str]:
    """The alerts that this incident stands for and that have not been acted upon yet."""
    rows = store.collection(NotificationState.collection).find({"known_as": incident}, {"alert_id": 1})
    ids = sorted({incident, *[row["alert_id"] async for row in rows]})
    waits = {"state": "breached"} if action == "acknowledge" else {"active": True}
    found: list[str] = []
    for at in range(0, len(ids), _AT_ONCE):
        where = {"_id": {"$in": ids[at : at + _AT_ONCE]}, **waits}
        found += [r["_id"] async for r in store.collection(AlertState.collection).find(where, {"_id": 1})]
    return found
