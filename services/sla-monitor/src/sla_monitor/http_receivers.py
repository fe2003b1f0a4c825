"""`/v1/receivers` and `/v1/trouble`: who is told, how each fares, and what is wrong with alerting itself."""

from datetime import timedelta
from typing import Annotated, Any, Final

from fastapi import APIRouter, Depends
from rapport.contracts import format_instant
from rapport.runtime.addresses import kind_of
from rapport.runtime.clock import Clock
from rapport.runtime.http import require
from rapport.runtime.keys import Key
from rapport.runtime.openapi import refusals
from rapport.runtime.problem import Problem

from sla_monitor.delivery import Letter
from sla_monitor.domain.signals import Signal, pagerduty_action, to_alertmanager, to_pagerduty, webhook_body
from sla_monitor.outward import Outward
from sla_monitor.policies import Policies
from sla_monitor.receivers import names_in, places_in, shown

Watcher = Annotated[Key, Depends(require("watch"))]
Actor = Annotated[Key, Depends(require("act"))]

_LASTS: Final = timedelta(minutes=1)


def routes(policies: Policies, outward: Outward, clock: Clock) -> APIRouter:
    router = APIRouter(prefix="/v1", tags=["receivers"])

    @router.get("/receivers")
    async def list_receivers(_: Watcher) -> dict[str, Any]:
        """Everybody who can be reached, with the last success and the last error."""
        return {"receivers": await receivers_shown(policies, outward)}

    @router.post("/receivers/{name:path}/test", responses=refusals({404: "there is no receiver 'ops' in the policy"}))
    async def test_receiver(name: str, key: Actor) -> dict[str, Any]:
        """Send a message that says it is a test, to every address of the receiver; it is over by itself."""
        results = await tried(name, key, policies, outward, clock)
        return {"receiver": name, "ok": all(result["ok"] for result in results), "results": results}

    @router.get("/trouble")
    async def list_trouble(_: Watcher) -> dict[str, Any]:
        """What is wrong with alerting itself: overdue steps and messages, events that lag, receivers that fail."""
        return {"trouble": await outward.auditor.shown(), "as_of": format_instant(clock.now())}

    return router


async def receivers_shown(policies: Policies, outward: Outward) -> list[dict[str, Any]]:
    """Everybody whom the policy can reach, each with how it fares."""
    file, rows = policies.book.latest.file, await outward.health.rows()
    return [shown(n, next(iter(places_in(file, n)), None), rows.get(n, {})) for n in names_in(file)]


async def tried(name: str, key: Key, policies: Policies, outward: Outward, clock: Clock) -> list[dict[str, Any]]:
    """What became of a test message to each address of a receiver; 404 where there is none such."""
    places = places_in(policies.book.latest.file, name)
    if not places:
        raise Problem(404, f"there is no receiver {name!r} in the policy")
    line = f"Test message from Rapport to {name}, asked for by {key.name}. Nothing is wrong."
    results = []
    for place in places:
        outcome = await outward.delivery.send(place.url, _letter(name, line, kind_of(place.url), clock))
        await outward.health.note(name, outcome)
        results.append({"ok": outcome.ok, "detail": outcome.detail})
    return results


def _letter(name: str, line: str, via: str, clock: Clock) -> Letter:
    now = clock.now()
    labels = {"alertname": "rapport_test", "severity": "info", "receiver": name}
    one = Signal(f"test/{name}", labels, line, due_at=now, starts_at=now)
    posts: list[Any] = []
    if via == "alertmanager":
        posts = to_alertmanager([one], {}, now)
        posts[0][0]["endsAt"] = format_instant(now + _LASTS)
    elif via == "pagerduty":
        resolved = pagerduty_action("resolve", [one.name_for(via)])
        posts = [*to_pagerduty([one], group="test", client=""), *resolved]
    group = {"alertname": labels["alertname"]}
    body = webhook_body([one], key=one.id, receiver=name, group=group, url="", text=line)
    return Letter(f"test_{int(now.timestamp() * 1000)}", line, body, tuple(posts), "Test from Rapport")
