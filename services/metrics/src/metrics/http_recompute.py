"""`/v1/recompute`: the figures made anew from the journal beside those that stand, compared, and swapped."""

from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final

from fastapi import APIRouter, Response
from rapport.runtime.store import Store

from metrics.customers import Admin
from metrics.recompute import NONE, Recompute

_PATH: Final = "/v1/recompute"
_CONFLICT: Final[dict[int | str, dict[str, Any]]] = {409: {"description": "not in the state it is in"}}
_NOT_THERE: Final[dict[int | str, dict[str, Any]]] = {404: {"description": "there is none"}}


def of_one_edition(store: Store) -> Callable[[], Awaitable[None]]:
    """A dependency by which all figures of an answer are of the edition that stands as it begins."""

    async def hold() -> None:
        await store.look_which_stands()
        store.editions.hold()

    return hold


def recompute_routes(recompute: Recompute, store: Store) -> APIRouter:
    router = APIRouter(prefix=_PATH, tags=["recompute"])

    @router.post("", status_code=202, responses=_CONFLICT)
    async def post_recompute(key: Admin, response: Response) -> Mapping[str, Any]:
        """Begin to make all figures anew from the journal, beside those that stand."""
        await store.look_which_stands()
        run = await recompute.start(key.name, standing=store.editions.current)
        response.headers["Location"] = _PATH
        return run.shown()

    @router.get("", responses=_NOT_THERE)
    async def get_recompute(_: Admin) -> Mapping[str, Any]:
        """How far it is, and how the new figures compare: sums by measure and figure, and whose differ."""
        run = await recompute.read()
        if run is None or run.state == "dropped":
            raise NONE
        return run.shown()

    @router.post("/swap", status_code=202, responses={**_CONFLICT, **_NOT_THERE})
    async def post_swap(key: Admin, response: Response) -> Mapping[str, Any]:
        """Have the new figures stand in place of the old, once they have caught up with what came meanwhile."""
        run = await recompute.swap(key.name)
        response.headers["Location"] = _PATH
        return run.shown()

    @router.delete("", status_code=204)
    async def delete_recompute(_: Admin) -> None:
        """Drop the new figures, or what is told of a recompute that has ended; those that stand stay."""
        await recompute.drop()

    return router
