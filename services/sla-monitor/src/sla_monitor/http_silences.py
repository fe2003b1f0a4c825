"""`/v1/silences`: alerts that nobody is told of for a while. Clocks and verdicts go on."""

from datetime import datetime
from typing import Annotated, Any

from fastapi import APIRouter, Depends
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field
from rapport.contracts import format_instant
from rapport.runtime.clock import Clock
from rapport.runtime.http import require
from rapport.runtime.instants import AskedInstant
from rapport.runtime.keys import Key
from rapport.runtime.openapi import refusals
from rapport.runtime.problem import Problem

from sla_monitor.domain.silences import Endless, Silence
from sla_monitor.silences import Silences

Watcher = Annotated[Key, Depends(require("watch"))]
Actor = Annotated[Key, Depends(require("act"))]
Values = Annotated[
    tuple[Annotated[str, Field(min_length=1, max_length=400)], ...],
    BeforeValidator(lambda value: (value,) if isinstance(value, str) else value),
    Field(max_length=100),
]


class Asked(BaseModel):
    """
    Which alerts, from when (else now) to when, and why.

    `match` maps team, policy, owner, target, customer_id, contact_id or group to
    a value or several; an alert must match every one of them.
    """

    model_config = ConfigDict(extra="forbid")

    match: dict[str, Values]
    starts_at: AskedInstant | None = None
    ends_at: AskedInstant
    comment: Annotated[str, Field(min_length=1, max_length=1000)]


def routes(silences: Silences, clock: Clock) -> APIRouter:
    router = APIRouter(prefix="/v1", tags=["silences"])

    @router.get("/silences")
    async def list_silences(key: Watcher) -> dict[str, Any]:
        """All of the last 90 days and those to come."""
        now = clock.now()
        mine = [one for one in await silences.all() if not key.teams or is_of(key, one)]
        return {"silences": [shown(one, now) for one in mine]}

    @router.post("/silences", status_code=201)
    async def add_silence(asked: Asked, key: Actor) -> dict[str, Any]:
        """Mute alerts until an instant; what still holds then is told."""
        return shown(await begin(silences, asked, key, clock.now()), clock.now())

    @router.delete("/silences/{name}", responses=refusals({404: "there is no silence 's-1' here"}))
    async def end_silence(name: str, key: Actor) -> dict[str, Any]:
        """End it now; what it held back is told."""
        return shown(await end(silences, name, key), clock.now())

    return router


async def begin(silences: Silences, asked: Asked, key: Key, now: datetime) -> Silence:
    """The silence that was asked for; a `Problem` where this key may not have it, or where it is none."""
    teams = asked.match.get("team", ())
    if key.teams and not (teams and _within(key, teams)):
        raise Problem(403, f"the key {key.name!r} may only silence its own teams: say which in match.team")
    starts_at = asked.starts_at or now
    try:
        return await silences.add(asked.match, starts_at, asked.ends_at, asked.comment, key.name)
    except Endless as error:
        raise Problem(422, str(error)) from None


async def end(silences: Silences, name: str, key: Key) -> Silence:
    """The silence, ended now if it had not been; a `Problem` where there is none such for this key."""
    known = await silences.get(name)
    if known is None or not is_of(key, known):
        raise Problem(404, f"there is no silence {name!r} here")
    return await silences.end(name, key.name) or known


def _within(key: Key, teams: tuple[str, ...]) -> bool:
    return not key.teams or set(teams) <= set(key.teams)


def is_of(key: Key, silence: Silence) -> bool:
    teams = silence.match.get("team", ())
    return not key.teams or (bool(teams) and _within(key, teams))


def shown(silence: Silence, now: datetime) -> dict[str, Any]:
    return {
        "id": silence.id,
        "match": {name: list(values) for name, values in silence.match.items()},
        "starts_at": format_instant(silence.starts_at),
        "ends_at": format_instant(silence.ends_at),
        "comment": silence.comment,
        "by": silence.by,
        "ended_by": silence.ended_by,
        "state": silence.state(now),
    }
