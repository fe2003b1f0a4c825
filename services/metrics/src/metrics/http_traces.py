"""Where figures come from: the fate of an event, whether all that came is there."""

from collections.abc import Mapping
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request
from rapport.runtime.clock import Clock
from rapport.runtime.keys import Key
from rapport.runtime.openapi import refusals
from rapport.runtime.problem import Problem

from metrics import answers
from metrics.domain import ContactFact
from metrics.domain.question import BadQuestion, parse_range
from metrics.http import RANGE_PARAMETERS, Watcher, parameters_of, problem_of
from metrics.rejections import Rejections
from metrics.store import Reports


def traces(reports: Reports, rejections: Rejections, clock: Clock) -> APIRouter:
    router = APIRouter(prefix="/v1", tags=["figures"])

    @router.get("/events", responses=refusals({404: "no event of this source and id has been taken in"}))
    async def get_event(
        key: Watcher,
        source: Annotated[str, Query(description="the event's source")],
        event_id: Annotated[str, Query(alias="id", description="the event's id")],
    ) -> Mapping[str, Any]:
        """The fate of one event: when it was taken in, where it went, what it caused, who refused it and why."""
        entry, refused = await reports.entry(source, event_id), await rejections.of(source, event_id)
        if entry is None and not refused:
            raise Problem(
                404, "no event of this source and id has been taken in, and none is known to have been refused"
            )
        fact = await reports.fact(entry.contact_id) if entry and entry.contact_id else None
        _check_team(key, fact)
        if entry is None:
            return answers.rejected(refused)
        return {**answers.fate(entry, fact, await reports.caused_by(entry)), "rejections": answers.rejections(refused)}

    @router.get(
        "/balance", responses=refusals({422: "from must be before to"}), openapi_extra={"parameters": RANGE_PARAMETERS}
    )
    async def get_balance(request: Request, _: Watcher) -> Mapping[str, Any]:
        """Whether every event taken in is in the journal and every one there was folded or refused, per hour."""
        try:
            since, until = parse_range(parameters_of(request))
        except BadQuestion as error:
            raise problem_of(error) from None
        return answers.balance(await reports.balance(since, until), clock.now())

    return router


def _check_team(key: Key, fact: ContactFact | None) -> None:
    team = fact.dimensions.get("team") if fact else None
    if key.teams and team not in key.teams:
        raise Problem(403, f"the key {key.name!r} may not see contacts of this team")
