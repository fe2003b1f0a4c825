"""`/v1/sources`: who sends, who has fallen silent, whose clock is wrong."""

from typing import Any

from fastapi import APIRouter
from pydantic import BaseModel
from rapport.runtime.clock import Clock

from intake.http_dead_letters import Cursor, Limit, Watcher
from intake.openapi import REFUSED_CURSOR, WHO
from intake.showing import packed, unpacked
from intake.sources import Sources


class Known(BaseModel):
    """Sources by name; `cursor` leads on. At most 1,000 are known in all."""

    items: list[dict[str, Any]]
    cursor: str | None


def routes(sources: Sources, clock: Clock) -> APIRouter:
    router = APIRouter(tags=["sources"], responses=WHO)

    @router.get("/v1/sources", responses=REFUSED_CURSOR)
    async def list_sources(
        _: Watcher, *, silent: bool | None = None, limit: Limit = 1000, cursor: Cursor = None
    ) -> Known:
        """Each with its last event, how long it may be silent, and how far its clock is ahead of ours."""
        now = clock.now()
        after = unpacked(cursor) if cursor else ""
        found = [
            source
            for source in await sources.all()
            if source.name > after and (silent is None or source.silent(now) == silent)
        ]
        page = found[:limit]
        return Known(
            items=[source.shown(now) for source in page],
            cursor=packed(page[-1].name) if len(found) > limit else None,
        )

    return router
