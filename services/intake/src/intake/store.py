"""The mirror of the topic dead-letters in MongoDB: looked at, counted, replayed and dropped here."""

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any, Final

from rapport.runtime.mongo import Database, UpdateOne

from intake.letters import Letter

COLLECTION: Final = "dead_letters"

Cursor = tuple[datetime, str]
"""Where a page ended: the instant and the id of its last letter."""

_MOST_COUNTS: Final = 100
_WAITING: Final = {"replayed_at": None, "dropped_at": None}
_EMPTIED: Final[dict[str, Any]] = {"key": None, "value": None, "headers": [], "customer_id": ""}


@dataclass(frozen=True, slots=True)
class Which:
    """The letters meant: all, or those that satisfy what is given."""

    ids: tuple[str, ...] | None = None
    reason: str | None = None
    source: str | None = None

    def query(self) -> dict[str, Any]:
        query: dict[str, Any] = {}
        if self.ids is not None:
            query["_id"] = {"$in": list(self.ids)}
        if self.reason is not None:
            query["reason"] = self.reason
        if self.source is not None:
            query["source"] = self.source
        return query


class DeadLetters:
    """Copies are written once: a record delivered again changes nothing, what was decided stays recorded."""

    def __init__(self, database: Database) -> None:
        self._letters = database[COLLECTION]

    async def prepare(self) -> None:
        """Have the indexes that looking by reason, source, customer and age needs."""
        for fields in (("at", "_id"), ("reason", "at"), ("source", "at")):
            await self._letters.create_index([(name, -1) for name in fields])
        await self._letters.create_index([("customer_id", 1)])

    async def add(self, letters: Iterable[Letter]) -> None:
        writes = [UpdateOne({"_id": letter.id}, {"$setOnInsert": _document(letter)}, upsert=True) for letter in letters]
        if writes:
            await self._letters.bulk_write(writes, ordered=False)

    async def get(self, letter_id: str) -> Letter | None:
        found = await self._letters.find_one({"_id": letter_id})
        return _letter(found) if found else None

    async def page(self, which: Which, *, limit: int, after: Cursor | None = None) -> list[Letter]:
        """The newest first, those after the cursor; dropped ones are not among them."""
        query = {**which.query(), "dropped_at": None}
        if after is not None:
            at, last = after
            query["$or"] = [{"at": {"$lt": at}}, {"at": at, "_id": {"$lt": last}}]
        found = self._letters.find(query).sort([("at", -1), ("_id", -1)]).limit(limit)
        return [_letter(document) async for document in found]

    async def waiting(self, which: Which, *, limit: int, after: Cursor | None = None) -> list[Letter]:
        """The oldest first, those that were neither replayed with success nor dropped."""
        query = {**which.query(), **_WAITING}
        if after is not None:
            at, last = after
            query["$or"] = [{"at": {"$gt": at}}, {"at": at, "_id": {"$gt": last}}]
        found = self._letters.find(query).sort([("at", 1), ("_id", 1)]).limit(limit)
        return [_letter(document) async for document in found]

    async def count(self, which: Which) -> int:
        """How many wait."""
        return int(await self._letters.count_documents({**which.query(), **_WAITING}))

    async def counts(self, which: Which, by: str) -> dict[str, int]:
        """How many wait, by `reason` or `source`: the hundred commonest."""
        stages = [
            {"$match": {**which.query(), **_WAITING}},
            {"$group": {"_id": f"${by}", "count": {"$sum": 1}}},
            {"$sort": {"count": -1, "_id": 1}},
            {"$limit": _MOST_COUNTS},
        ]
        return {row["_id"]: row["count"] async for row in self._letters.aggregate(stages)}

    async def replayed(self, ids: Iterable[str], *, by: str, now: datetime) -> None:
        await self._letters.update_many({"_id": {"$in": list(ids)}}, {"$set": {"replayed_at": now, "replayed_by": by}})

    async def drop(self, which: Which, *, by: str, now: datetime) -> int:
        """
        Give up those that wait, and say how many they were.

        What came is gone; that it came, why it was refused and who gave it up
        stays, so that reading the topic again does not bring it back.
        """
        dropped = {**_EMPTIED, "dropped_at": now, "dropped_by": by}
        return int((await self._letters.update_many({**which.query(), **_WAITING}, {"$set": dropped})).modified_count)

    async def forget(self, customer_ids: Iterable[str], *, now: datetime) -> None:
        """Empty what is held of erased customers; waiting letters of theirs wait no longer."""
        theirs = {"customer_id": {"$in": list(customer_ids)}}
        given_up = {"dropped_at": now, "dropped_by": "erasure"}
        await self._letters.update_many({**theirs, **_WAITING}, {"$set": given_up})
        await self._letters.update_many(theirs, {"$set": _EMPTIED})


def _document(letter: Letter) -> dict[str, Any]:
    document = asdict(letter)
    del document["id"]
    document["headers"] = [[name, value] for name, value in letter.headers]
    return document


def _letter(document: Mapping[str, Any]) -> Letter:
    fields = {name: value for name, value in document.items() if name != "_id"}
    for name in ("at", "replayed_at", "dropped_at"):
        if fields.get(name):
            fields[name] = fields[name].astimezone(UTC)
    fields["headers"] = tuple((name, value) for name, value in document["headers"])
    return Letter(id=document["_id"], **fields)
