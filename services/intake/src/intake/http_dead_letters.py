"""`/v1/dead-letters`: what was refused, why, and another try."""

from collections.abc import Awaitable, Callable
from typing import Annotated, Any, Final, Self, TypeVar

from fastapi import APIRouter, Depends, Path, Query
from pydantic import BaseModel, ConfigDict, Field, model_validator
from rapport.runtime.clock import Clock
from rapport.runtime.http import require
from rapport.runtime.keys import Key
from rapport.runtime.problem import Problem

from intake.openapi import NOT_FOUND, REFUSED_CURSOR, REFUSED_ORDER, WHO
from intake.replays import Order, Replays
from intake.showing import cursor_after, cursor_of, shown
from intake.store import DeadLetters, Which

Id = Annotated[str, Field(min_length=1, max_length=100)]
Text = Annotated[str, Field(max_length=2_000)]
Watcher = Annotated[Key, Depends(require("watch", all_teams=True))]
Limit = Annotated[int, Query(ge=1, le=1000)]
Cursor = Annotated[str | None, Query(max_length=1000)]
Admin = Annotated[Key, Depends(require("admin", all_teams=True))]


class Choice(BaseModel):
    """Which letters: by their ids, those with a reason, of a source, or both, or all that wait."""

    model_config = ConfigDict(
        extra="forbid", json_schema_extra={"examples": [{"reason": "unknown type"}, {"all": True}]}
    )

    ids: list[Id] | None = Field(None, max_length=10_000)
    reason: Text | None = None
    source: Text | None = None
    all: bool = False

    @model_validator(mode="after")
    def _one_way(self) -> Self:
        by_kind = self.reason is not None or self.source is not None
        if (self.ids is not None) + by_kind + self.all != 1:
            raise ValueError("give either ids, or reason and source, or all")
        return self

    def which(self) -> Which:
        return Which(tuple(self.ids) if self.ids is not None else None, self.reason, self.source)


class ReplayOrder(Choice):
    """Which letters, how many a second at most, and whether to answer at once or with the result."""

    rate: float | None = Field(None, gt=0, le=100_000, description="letters a second; when absent, as fast as can be")
    wait: bool = Field(default=True, description="answer when it has ended, or after 10 s in any case")


class Page(BaseModel):
    """Letters, the newest first; `cursor` leads on; `counts` and `sources`, how many of all wait, have 100 at most."""

    items: list[dict[str, Any]]
    cursor: str | None
    counts: dict[str, int]
    sources: dict[str, int]


class Orders(BaseModel):
    """Orders, the newest first; `cursor` leads on."""

    items: list[dict[str, Any]]
    cursor: str | None


class Dropped(BaseModel):
    """How many letters wait no longer."""

    dropped: int


_WAITS: Final = 10.0
_LOOKS: Final = 0.05

T = TypeVar("T")


def routes(letters: DeadLetters, replays: Replays, clock: Clock) -> APIRouter:
    router = APIRouter(prefix="/v1/dead-letters", tags=["dead letters"], responses=WHO)

    @router.get("", responses=REFUSED_ORDER)
    async def list_dead_letters(
        _: Watcher,
        reason: Annotated[Text | None, Query()] = None,
        source: Annotated[Text | None, Query()] = None,
        limit: Limit = 100,
        cursor: Cursor = None,
    ) -> Page:
        """
        The newest first; `counts` says how many wait, by reason, and `sources` by source.

        A `reason` with nothing after it asks for none in particular; a `source` for
        what names none.
        """
        which = Which(reason=reason or None, source=source)
        page = await letters.page(which, limit=limit + 1, after=cursor_of(cursor) if cursor else None)
        items = page[:limit]
        return Page(
            items=[shown(letter) for letter in items],
            cursor=cursor_after(items[-1].at, items[-1].id) if len(page) > limit else None,
            counts=await letters.counts(which, "reason"),
            sources=await letters.counts(which, "source"),
        )

    @router.post("/replay", responses=REFUSED_ORDER)
    async def replay_dead_letters(key: Admin, order: ReplayOrder) -> dict[str, Any]:
        """Try refused events again; ordering it twice is harmless. `state` says whether it has ended."""
        ordered = await replays.order(order.which(), by=key.name, rate=order.rate)
        return (await _ended(ordered, replays.get, clock) if order.wait else ordered).shown()

    @router.get("/replays", responses=REFUSED_CURSOR)
    async def list_replays(_: Watcher, limit: Limit = 100, cursor: Cursor = None) -> Orders:
        """The orders to replay, the newest first."""
        page = await replays.latest(limit + 1, after=cursor_of(cursor) if cursor else None)
        items = page[:limit]
        after = cursor_after(items[-1].ordered_at, items[-1].id) if len(page) > limit else None
        return Orders(items=[order.shown() for order in items], cursor=after)

    @router.get("/replays/{id}", responses=NOT_FOUND)
    async def show_replay(_: Watcher, name: Annotated[str, Path(alias="id", max_length=100)]) -> dict[str, Any]:
        """How far an order is."""
        return _found(await replays.get(name), "no such order").shown()

    @router.post("/replays/{id}/stop", responses=NOT_FOUND)
    async def stop_replay(key: Admin, name: Annotated[str, Path(alias="id", max_length=100)]) -> dict[str, Any]:
        """End an order after the letters that are under way; `stopped_by` says whose word it was."""
        return _found(await replays.stop(name, by=key.name), "no such order").shown()

    @router.post("/drop", responses=REFUSED_ORDER)
    async def drop_dead_letters(key: Admin, choice: Choice) -> Dropped:
        """Give up letters for good. What came is deleted; that it came, and who gave it up, is kept."""
        return Dropped(dropped=await letters.drop(choice.which(), by=key.name, now=clock.now()))

    @router.get("/{id}", responses=NOT_FOUND)
    async def show_dead_letter(_: Watcher, name: Annotated[str, Path(alias="id", max_length=100)]) -> dict[str, Any]:
        """One letter, whole."""
        return shown(_found(await letters.get(name), "no such dead letter"))

    return router


def _found(thing: T | None, otherwise: str) -> T:
    if thing is None:
        raise Problem(404, otherwise)
    return thing


async def _ended(order: Order, get: Callable[[str], Awaitable[Order | None]], clock: Clock) -> Order:
    """The order once it has ended, or as it is after ten seconds."""
    until = clock.now().timestamp() + _WAITS
    while order.ended_at is None and clock.now().timestamp() < until:
        await clock.sleep(_LOOKS)
        order = await get(order.id) or order
    return order
