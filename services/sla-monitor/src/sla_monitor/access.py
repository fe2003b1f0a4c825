"""What a key may see: everything, or what belongs to its teams."""

from typing import Any, Final

from fastapi import Request
from rapport.runtime.http import Auth, require
from rapport.runtime.keys import Key
from rapport.runtime.openapi import refusals
from rapport.runtime.problem import Problem
from rapport.runtime.store import Store

from sla_monitor.domain.states import ContactState

NO_CONTACT: Final = refusals({404: "there is no contact 'C-1' here"})


def team_condition(key: Key, team: str | None = None) -> dict[str, Any]:
    """The condition on `team` for a list that this key asks for; 403 for a team that is not its own."""
    if team and key.teams and team not in key.teams:
        raise Problem(403, f"the key {key.name!r} may not see the team {team!r}")
    if team:
        return {"team": team}
    return {"team": {"$in": list(key.teams)}} if key.teams else {}


def teams_looked_at(key: Key, team: str = "") -> tuple[str, ...]:
    """The teams whose work is shown: the one asked for, else those of the key; none means all."""
    return (team,) if team else tuple(key.teams)


def may_see(key: Key, team: str | None) -> bool:
    return not key.teams or team in key.teams


async def contact_for(key: Key, store: Store, contact_id: str) -> ContactState:
    """The contact; 404 where there is none, or none that this key may see."""
    contact = await store.get(ContactState, contact_id)
    if contact is None or not may_see(key, contact.team):
        raise Problem(404, f"there is no contact {contact_id!r} here")
    return contact


def emitter_or_watcher(request: Request) -> Key:
    """The caller's key, for what systems that emit may ask as well as people who watch."""
    auth: Auth = request.app.state.auth
    key = auth.key_of(request)
    return key if key and key.may("emit") else require("watch")(request)
