"""The plays as people and other systems ask for them: what is in force, and what it would do."""

import asyncio
import json
from dataclasses import replace
from typing import Annotated, Any

from fastapi import APIRouter, Depends
from pydantic import BaseModel, ConfigDict, Field
from rapport.contracts import Data, Event, UndecodableEvent, decode, format_instant
from rapport.runtime.http import require
from rapport.runtime.keys import Key
from rapport.runtime.problem import Problem

from followup.domain.draft import Rules
from followup.domain.plays_file import WrongPlays, parse_plays
from followup.domain.simulation import simulate
from followup.playbook import Playbook

_MOST_EVENTS = 1000

Watcher = Annotated[Key, Depends(require("watch"))]


class Story(BaseModel):
    """Events in CloudEvents' structured form, and the text of other plays to try them with."""

    model_config = ConfigDict(extra="forbid")

    events: list[dict[str, Any]] = Field(max_length=_MOST_EVENTS)
    plays: str | None = Field(None, max_length=1 << 20)


def routes(playbook: Playbook) -> APIRouter:
    router = APIRouter(tags=["plays"])

    @router.get("/v1/plays")
    async def plays(_: Watcher) -> dict[str, Any]:
        """The version of the plays that is in force, as it is understood."""
        version = playbook.in_force
        since = format_instant(version.effective_from)
        return {"version": version.number, "effective_from": since, **version.plays.document()}

    @router.post("/v1/plays/simulate", responses={422: {"description": "an event or the plays are wrong; says where"}})
    async def simulation(story: Story, _: Watcher) -> dict[str, Any]:
        """
        What would be sent to whom and when, and what not and why, if these events happened. Nothing is kept or sent.

        By the plays in force, or by those given. Every sender counts as able to send.
        """
        events = [_event(one, place) for place, one in enumerate(story.events)]
        told = await asyncio.to_thread(simulate, events, _rules(story, playbook))
        return {
            "version": None if story.plays else playbook.in_force.number,
            "steps": [
                {"time": format_instant(event.time), "type": event.type, **event.data.model_dump(mode="json")}
                for event in told
            ],
        }

    return router


def _rules(story: Story, playbook: Playbook) -> Rules:
    try:
        plays = playbook.in_force.plays if story.plays is None else parse_plays(story.plays)
    except WrongPlays as error:
        raise Problem(422, f"plays: {error}", errors=[("/plays", str(fault)) for fault in error.faults]) from None
    return replace(playbook.in_force.rules, plays=plays, senders=frozenset(plays.senders))


def _event(given: dict[str, Any], place: int) -> Event[Data]:
    """An event as a system would send it to intake, which adds the key."""
    data = given.get("data")
    key = data.get("customer_id") if isinstance(data, dict) else None
    try:
        return decode(json.dumps({"specversion": "1.0", "partitionkey": key, **given}).encode())
    except UndecodableEvent as error:
        where = f"/events/{place}{error.pointer}"
        raise Problem(422, f"{where}: {error.reason}", errors=[(where, error.reason)]) from None
