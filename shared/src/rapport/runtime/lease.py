"""At most one replica at a time does what must not be done twice, such as sending."""

import secrets
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from rapport.runtime.clock import Clock
from rapport.runtime.mongo import Database, DuplicateKeyError

_TERM = timedelta(seconds=15)
_FREE = datetime(1970, 1, 1, tzinfo=UTC)


class Lease:
    """
    A row in MongoDB that names its holder and a token that rises with each new holder.

    Whoever asks while it is free or run out gets it for 15 s; asking again renews
    it. Work done under it carries the token, so that a late writer is recognised.
    One that was written for longer than that, by a clock that is ahead of ours, has
    run out when nobody has renewed it for a term.
    """

    def __init__(self, database: Database, name: str, clock: Clock) -> None:
        self._leases = database["leases"]
        self._name = name
        self._clock = clock
        self._me = secrets.token_hex(8)
        self._until = _FREE
        self._too_long: tuple[datetime, datetime] | None = None
        """Until when it was written, where that is more than a term, and since when we see that."""

    @property
    def lasts(self) -> bool:
        """
        Whether the term that `held` was last answered still runs.

        To be asked right before what must not be done twice: a process that stood still
        believes that it holds what others have taken over.
        """
        return self._clock.now() < self._until

    async def held(self) -> int | None:
        """The fencing token while this replica holds the lease, None while another does."""
        now = self._clock.now()
        token = await self._held_from(now)
        self._until = now if token is None else now + _TERM
        return token

    async def _held_from(self, now: datetime) -> int | None:
        mine = await self._leases.find_one_and_update(
            {"_id": self._name, "holder": self._me, "until": {"$gt": now}}, {"$set": {"until": now + _TERM}}
        )
        if mine:
            return int(mine["token"])
        try:
            before = await self._leases.find_one_and_update(
                {"_id": self._name, "until": {"$lte": now}},
                {"$set": {"holder": self._me, "until": now + _TERM}, "$inc": {"token": 1}},
                upsert=True,
            )
        except DuplicateKeyError:
            before = await self._taken_from_the_future(now)
            return int(before["token"]) + 1 if before else None
        return int(before["token"]) + 1 if before else 1

    async def _taken_from_the_future(self, now: datetime) -> Mapping[str, Any] | None:
        """The row as it was, where it had been written for too long and not renewed for a term, and is ours now."""
        row = await self._leases.find_one({"_id": self._name, "until": {"$gt": now + _TERM}})
        if row is None or self._too_long is None or row["until"] != self._too_long[0]:
            self._too_long = (row["until"], now) if row else None
            return None
        if now - self._too_long[1] < _TERM:
            return None
        ours = {"$set": {"holder": self._me, "until": now + _TERM}, "$inc": {"token": 1}}
        before: Mapping[str, Any] | None = await self._leases.find_one_and_update(
            {"_id": self._name, "until": row["until"]}, ours
        )
        return before

    async def release(self) -> None:
        """Let another replica take it at once."""
        self._until = _FREE
        await self._leases.update_one({"_id": self._name, "holder": self._me}, {"$set": {"until": _FREE}})
