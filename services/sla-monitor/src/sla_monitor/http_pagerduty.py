"""
What PagerDuty tells back: who has acknowledged or resolved an incident there has done so here.

Its webhooks, version 3: https://developer.pagerduty.com/docs/webhooks-overview/;
the signature: https://developer.pagerduty.com/docs/verifying-webhook-signatures.
"""

import hmac
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final

from fastapi import APIRouter, Request
from pydantic import BaseModel, SecretStr, ValidationError
from rapport.runtime import telemetry as shared
from rapport.runtime.clock import Clock
from rapport.runtime.keys import Key
from rapport.runtime.openapi import refusals
from rapport.runtime.problem import Problem
from rapport.runtime.store import Store

from sla_monitor.commands import Action, Command, Commands, Refused
from sla_monitor.domain.states import AlertState, NotificationState

log = shared.logger()

_ACTIONS: Final[dict[str, Action]] = {"incident.acknowledged": "acknowledge", "incident.resolved": "close"}
_LARGEST: Final = 1024 * 1024
_AT_ONCE: Final = 1000
_PATIENCE: Final = timedelta(seconds=3)
"""PagerDuty waits 5 s for an answer; what is left then is done when it tells us again."""


_REFUSED: Final = refusals(
    {
        400: "that is no webhook of PagerDuty, version 3",
        401: "the signature is not that of this body",
        404: "RAPPORT_PAGERDUTY_SECRET is not set",
        413: "that is larger than any webhook of PagerDuty",
        503: "100 alerts done, more to do: tell again",
    }
)


def routes(store: Store, commands: Commands, secret: SecretStr | None, clock: Clock) -> APIRouter:
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
        return await act(said.action, said.incident, said.who)

    async def act(action: Action, incident: str, who: str) -> dict[str, Any]:
        """Of one incident there may be many alerts here: those that a storm brought."""
        key = Key(name=f"{who} (PagerDuty)"[:100], sha256="0" * 64, roles=("act",))
        reason = "resolved in PagerDuty" if action == "close" else None
        until, done = clock.now() + _PATIENCE, 0
        for alert_id in await _alerts(store, incident, action):
            try:
                await commands.carry_out(alert_id, Command(action, reason=reason), key)
                done += 1
            except Refused as error:
                log.info("not done for PagerDuty", alert=alert_id, reason=str(error))
            if clock.now() > until:
                raise Problem(503, f"{done} alerts done, more to do: tell again", headers={"Retry-After": "1"})
        return {"status": "done", "alerts": done}

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
