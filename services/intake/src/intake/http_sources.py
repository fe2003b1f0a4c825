"""`/v1/sources`: who sends, who has fallen silent, whose clock is wrong."""

from typing import Any

from fastapi import APIRouter
from pydantic import BaseModel
from rapport.runtime.clock import Clock

from intake.http_dead_letters import Watcher
from intake.openapi import WHO
from intake.sources import Sources


class Known(BaseModel):
    """All sources by name, as of `as_of`, at most 1,000."""

    items: list[dict[str, Any]]


def routes(sources: Sources, clock: Clock) -> APIRouter:
    router = APIRouter(tags=["sources"], responses=WHO)

    @router.get("/v1/sources")
    async def list_sources(_: Watcher, *, silent: bool | None = None) -> Known:
        """Each with its last event, how long it may be silent, and how far its clock is ahead of ours."""
        now = clock.now()
        shown = [source.shown(now) for source in await sources.all()]
        return Known(items=[one for one in shown if silent is None or one["silent"] == silent])

    return router
