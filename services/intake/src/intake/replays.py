"""Orders to replay dead letters: noted in MongoDB, carried out one after the other, looked at while they run."""

import asyncio
import uuid
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final, Literal, NoReturn

from rapport.contracts import format_instant
from rapport.runtime.clock import Clock
from rapport.runtime.mongo import Database
from rapport.runtime.patience import Patience
from rapport.runtime.telemetry import logger

from intake.records import SERVICE
from intake.replay import Outcome, Replay
from intake.store import Cursor, DeadLetters, Which

log = logger()

COLLECTION: Final = "replays"

_BEAT: Final = 10.0
_DEAD_AFTER: Final = timedelta(seconds=60)

State = Literal["waiting", "running", "done", "stopped", "interrupted"]


@dataclass(frozen=True, slots=True)
class Order:
    """
    One order and how far it is: `of` letters waited when it was given, `settled` have been tried.

    `interrupted` is one whose replica was gone before the end: give it again.
    """

    id: str
    which: Which
    by: str
    rate: float | None
    ordered_at: datetime
    state: State
    of: int
    outcome: Outcome
    ended_at: datetime | None
    stopped_by: str | None = None

    @property
    def settled(self) -> int:
        return self.outcome.replayed + self.outcome.still_refused

    def shown(self) -> dict[str, Any]:
        meant = {name: value for name, value in asdict(self.which).items() if value is not None}
        return {
            "id": self.id,
            "state": self.state,
            "which": meant or {"all": True},
            "by": self.by,
            "rate": self.rate,
            "ordered_at": format_instant(self.ordered_at),
            "ended_at": format_instant(self.ended_at) if self.ended_at else None,
            "stopped_by": self.stopped_by,
            "of": self.of,
            "settled": self.settled,
            **asdict(self.outcome),
        }


class Replays:
    """Takes orders and carries them out. What replica carries one out is the one that took it."""

    def __init__(self, database: Database, letters: DeadLetters, replay: Replay, clock: Clock) -> None:
        self._orders = database[COLLECTION]
        self._letters = letters
        self._replay = replay
        self._clock = clock
        self._patiently = Patience(SERVICE, clock)
        self._queue: asyncio.Queue[Order] = asyncio.Queue()
        self._mine: set[str] = set()

    async def prepare(self) -> None:
        await self._orders.create_index([("ordered_at", -1), ("_id", -1)])

    async def order(self, which: Which, *, by: str, rate: float | None) -> Order:
        """Note the order down; it begins when those before it have ended."""
        now = self._clock.now()
        order = Order(
            str(uuid.uuid4()), which, by, rate, now, "waiting", await self._letters.count(which), Outcome(), None
        )
        await self._orders.insert_one({**_document(order), "seen_at": now})
        self._mine.add(order.id)
        self._queue.put_nowait(order)
        return order

    async def get(self, order_id: str) -> Order | None:
        found = await self._orders.find_one({"_id": order_id})
        return _order(found, self._clock.now()) if found else None

    async def latest(self, limit: int, after: Cursor | None = None) -> list[Order]:
        """The newest first, those after the cursor."""
        now = self._clock.now()
        where: dict[str, Any] = {}
        if after is not None:
            at, last = after
            where["$or"] = [{"ordered_at": {"$lt": at}}, {"ordered_at": at, "_id": {"$lt": last}}]
        page = self._orders.find(where).sort([("ordered_at", -1), ("_id", -1)]).limit(limit)
        return [_order(found, now) async for found in page]

    async def stop(self, order_id: str, *, by: str) -> Order | None:
        """End it after the letters that are under way; one that has ended stays as it is."""
        open_still = {"_id": order_id, "state": {"$in": ["waiting", "running"]}}
        stopped = {"state": "stopped", "stopped_by": by, "ended_at": self._clock.now()}
        await self._orders.update_one(open_still, {"$set": stopped})
        return await self.get(order_id)

    async def work(self) -> NoReturn:
        """Carry out what is ordered, one after the other."""
        while True:
            order = await self._queue.get()
            await self._carry_out(order)
            self._mine.discard(order.id)

    async def beat(self) -> NoReturn:
        """Say that what this replica has taken is not forgotten, however long it waits or however slow it goes."""
        while True:
            await self._clock.sleep(_BEAT)
            await self._patiently("replay", self._say_alive)

    async def _say_alive(self) -> None:
        if self._mine:
            alive = {"$set": {"seen_at": self._clock.now()}}
            await self._orders.update_many({"_id": {"$in": [*self._mine]}}, alive)

    async def _carry_out(self, order: Order) -> None:
        async def progress(outcome: Outcome) -> bool:
            changed = {"state": "running", **asdict(outcome)}
            written = await self._update(order, {"state": {"$ne": "stopped"}}, changed)
            return bool(written.matched_count)

        if not await progress(Outcome()):
            return
        outcome = await self._replay.run(order.which, by=order.by, rate=order.rate, progress=progress)
        await self._update(order, {}, asdict(outcome))
        await self._update(order, {"state": "running"}, {"state": "done", "ended_at": self._clock.now()})
        log.info("replayed", order=order.id, by=order.by, replayed=outcome.replayed, refused=outcome.still_refused)

    async def _update(self, order: Order, where: Mapping[str, Any], values: Mapping[str, Any]) -> Any:
        query, change = {"_id": order.id, **where}, {"$set": dict(values)}
        return await self._patiently("replay", lambda: self._orders.update_one(query, change))


def _document(order: Order) -> dict[str, Any]:
    fields = asdict(order)
    outcome = fields.pop("outcome")
    return {"_id": fields.pop("id"), **fields, **outcome}


def _order(document: Mapping[str, Any], now: datetime) -> Order:
    fields = dict(document)
    outcome = Outcome(**{name: fields.pop(name) for name in asdict(Outcome())})
    seen = fields.pop("seen_at").astimezone(UTC)
    if fields["state"] in {"waiting", "running"} and now - seen > _DEAD_AFTER:
        fields["state"] = "interrupted"
    meant = fields.pop("which")
    ids = meant.pop("ids")
    ended = fields.pop("ended_at")
    return Order(
        id=fields.pop("_id"),
        which=Which(ids=None if ids is None else tuple(ids), **meant),
        ordered_at=fields.pop("ordered_at").astimezone(UTC),
        ended_at=ended.astimezone(UTC) if ended else None,
        outcome=outcome,
        **fields,
    )
