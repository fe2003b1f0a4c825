"""At most one replica at a time does what must not be done twice, such as sending."""

import secrets
from datetime import UTC, datetime, timedelta

from rapport.runtime.clock import Clock
from rapport.runtime.mongo import Database, DuplicateKeyError

_TERM = timedelta(seconds=15)


class Lease:
    """
    A row in MongoDB that names its holder and a token that rises with each new holder.

    Whoever asks while it is free or run out gets it for 15 s; asking again renews
    it. Work done under it carries the token, so that a late writer is recognised.
    """

    def __init__(self, database: Database, name: str, clock: Clock) -> None:
        self._leases = database["leases"]
        self._name = name
        self._clock = clock
        self._me = secrets.token_hex(8)
        self._until = datetime.min.replace(tzinfo=UTC)

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
            return None
        return int(before["token"]) + 1 if before else 1

    async def release(self) -> None:
        """Let another replica take it at once."""
        await self._leases.update_one({"_id": self._name, "holder": self._me}, {"$set": {"until": self._clock.now()}})
