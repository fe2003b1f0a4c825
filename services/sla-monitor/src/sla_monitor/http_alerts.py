"""`/v1/alerts` and `/v1/board`: who waits, who has taken it, and every change as it happens."""

import re
from typing import Annotated, Any, Final, get_args

from fastapi import APIRouter, Depends, Header, Query
from pydantic import BaseModel, ConfigDict, Field
from rapport.runtime.http import require
from rapport.runtime.instants import AskedInstant, SomeInstant
from rapport.runtime.keys import Key
from rapport.runtime.openapi import refusals
from rapport.runtime.problem import Problem
from rapport.runtime.store import Store
from starlette.responses import StreamingResponse

from sla_monitor.access import may_see, team_condition
from sla_monitor.board import Board
from sla_monitor.commands import Action, Command, Commands, Refused
from sla_monitor.domain.states import AlertState, AlertStatus, alerts_of
from sla_monitor.feed import Feed, shown
from sla_monitor.paging import Part, Sought, order_of, page, prefix, words_of
from sla_monitor.streaming import streamed

_STANDING_FIRST = tuple(
    Part({"active": active, "raised": raised}, "due_at", falling=True, ids_falling=True)
    for active in (True, False)
    for raised in (True, False)
)
_SORTABLE = ("due_at", "state", "team", "owner", "policy")
_MOST = 1000

Watcher = Annotated[Key, Depends(require("watch"))]
Actor = Annotated[Key, Depends(require("act"))]
_STATES: tuple[str, ...] = (*get_args(AlertStatus), "active")
States = words_of(_STATES)
Text = Annotated[str, Field(min_length=1, max_length=1000)]


class Filters(BaseModel):
    """
    Which alerts are meant.

    `status` is a state or several, or `active` for all that are neither cleared nor closed.
    """

    model_config = ConfigDict(extra="forbid")

    status: Annotated[list[str] | str, States] = Field(default_factory=list)
    team: str | None = None
    agent: str | None = None
    customer_id: str | None = None
    contact_id: str | None = None
    policy: str | None = None
    group: str | None = None
    q: Sought | None = None
    due_before: AskedInstant | None = None

    def condition(self) -> dict[str, Any]:
        given: list[dict[str, Any]] = []
        if "active" in self.status:
            given.append({"active": True})
        elif self.status:
            given.append({"state": {"$in": self.status}})
        names = {"owner": self.agent, **{n: getattr(self, n) for n in ("customer_id", "policy", "group")}}
        given += [{name: value} for name, value in names.items() if value is not None]
        if self.contact_id is not None:
            given.append(alerts_of(self.contact_id))
        if self.q:
            words = {"words": {"$regex": re.escape(self.q.casefold())}}
            given.append({"$or": [words, *({name: prefix(self.q)} for name in ("_id", "customer_id"))]})
        if self.due_before:
            given.append({"due_at": {"$lt": self.due_before}})
        return {"$and": given} if given else {}


class Snooze(BaseModel):
    until: AskedInstant


class Assign(BaseModel):
    to: Annotated[str, Field(min_length=1, max_length=200)]


class Close(BaseModel):
    reason: Text | None = None


class Bulk(BaseModel):
    """An action on many alerts: by their ids, by a group, or by a filter; exactly one of them."""

    model_config = ConfigDict(extra="forbid")

    action: Action
    ids: Annotated[list[str] | None, Field(max_length=_MOST)] = None
    group: str | None = None
    filter: Filters | None = None
    until: AskedInstant | None = None
    reason: Text | None = None
    to: Annotated[str | None, Field(max_length=200)] = None

    def command(self) -> Command:
        return Command(self.action, until=self.until, reason=self.reason, to=self.to)


def routes(store: Store, commands: Commands, feed: Feed, board: Board) -> APIRouter:
    router = APIRouter(prefix="/v1", tags=["alerts"])
    _add_lists(router, store, feed, board)
    _add_actions(router, store, commands)
    return router


def _add_lists(router: APIRouter, store: Store, feed: Feed, board: Board) -> None:
    @router.get("/board")
    async def get_board(key: Watcher, team: str | None = None) -> dict[str, Any]:
        """The figures of the on-call board."""
        return await board.figures(team_condition(key, team))

    @router.get("/alerts")
    async def list_alerts(
        key: Watcher,
        status: Annotated[list[str], Query(description=", ".join(_STATES)), States] = [],  # noqa: B006 - never changed
        team: str | None = None,
        agent: str | None = None,
        customer_id: str | None = None,
        contact_id: str | None = None,
        policy: str | None = None,
        group: str | None = None,
        q: Sought | None = None,
        due_before: SomeInstant = None,
        sort: str | None = None,
        limit: Annotated[int, Query(ge=1, le=_MOST)] = 100,
        cursor: str | None = None,
    ) -> dict[str, Any]:
        """
        Alerts by what is asked for: what stands before what is over, missed before near, the latest deadline first.

        `status` may come several times, or be `active`. An order of your own reads all that is asked for.
        """
        filters = Filters(
            status=status,
            agent=agent or None,
            customer_id=customer_id or None,
            contact_id=contact_id or None,
            policy=policy or None,
            group=group or None,
            q=q,
            due_before=due_before,
        )
        where = {"$and": [team_condition(key, team), filters.condition()]}
        order = order_of(sort, _SORTABLE) if sort else _STANDING_FIRST
        found, following = await page(store, AlertState, where, order, limit=limit, cursor=cursor)
        return {"alerts": [shown(alert) for alert in found], "cursor": following}

    @router.get("/alerts/stream", response_class=StreamingResponse)
    async def stream(
        key: Watcher,
        team: str | None = None,
        last_event_id: Annotated[str | None, Header()] = None,
    ) -> StreamingResponse:
        """Server-sent events: every change of an alert; resumes after `Last-Event-ID`."""
        team_condition(key, team)

        def wanted(alert: AlertState) -> bool:
            return may_see(key, alert.team) and (team is None or alert.team == team)

        return streamed(feed.follow(last_event_id or "", wanted))


_ACTED: Final = refusals({404: "there is no alert 'a-1' here", 409: "the alert is closed"})


def _add_actions(router: APIRouter, store: Store, commands: Commands) -> None:
    @router.post("/alerts/bulk")
    async def bulk(asked: Bulk, key: Actor) -> dict[str, Any]:
        """
        The same action on many, the earliest deadline first; each answers for itself.

        `remaining` says how many are left after 20 s: ask again for these.
        """
        if sum(given is not None for given in (asked.ids, asked.group, asked.filter)) != 1:
            raise Problem(422, "give exactly one of ids, group and filter")
        ids = asked.ids if asked.ids is not None else await _ids(store, key, asked)
        told = await commands.carry_out_each(ids, asked.command(), key)
        return {"done": told.done, "remaining": told.remaining, "results": told.results}

    @router.post("/alerts/{alert_id:path}/acknowledge", responses=_ACTED)
    async def acknowledge(alert_id: str, key: Actor) -> dict[str, Any]:
        """Somebody takes it: it stops climbing."""
        return await _one(commands, alert_id, Command("acknowledge"), key)

    @router.post("/alerts/{alert_id:path}/snooze", responses=_ACTED)
    async def snooze(alert_id: str, asked: Snooze, key: Actor) -> dict[str, Any]:
        """Silent until then; it comes back."""
        return await _one(commands, alert_id, Command("snooze", until=asked.until), key)

    @router.post("/alerts/{alert_id:path}/assign", responses=_ACTED)
    async def assign(alert_id: str, asked: Assign, key: Actor) -> dict[str, Any]:
        """Somebody else shall see to it."""
        return await _one(commands, alert_id, Command("assign", to=asked.to), key)

    @router.post("/alerts/{alert_id:path}/close", responses=_ACTED)
    async def close(alert_id: str, key: Actor, asked: Close | None = None) -> dict[str, Any]:
        """Off the board, with a reason where somebody still waits; the verdict stays what it is."""
        return await _one(commands, alert_id, Command("close", reason=asked.reason if asked else None), key)


async def _ids(store: Store, key: Key, asked: Bulk) -> list[str]:
    """All that are meant and stand, without those to which the same has been done."""
    filters = asked.filter or Filters(group=asked.group, status=["active"])
    done: dict[str, Any] = {"acknowledge": {"state": "acknowledged"}, "assign": {"owner": asked.to}}
    undone = {"$nor": [done[asked.action]]} if asked.action in done else {}
    where = {"$and": [team_condition(key, filters.team), filters.condition(), {"active": True}, undone]}
    rows = store.collection(AlertState.collection).find(where, {"_id": 1}).sort([("due_at", 1), ("_id", 1)])
    return [row["_id"] async for row in rows]


async def _one(commands: Commands, alert_id: str, command: Command, key: Key) -> dict[str, Any]:
    try:
        return shown(await commands.carry_out(alert_id, command, key))
    except Refused as error:
        raise Problem(error.status, str(error)) from None
