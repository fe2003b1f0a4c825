"""The journal in pages for a recompute: contact after contact, what is about none first, each in order of time."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Final, NamedTuple

from rapport.runtime.mongo import Session
from rapport.runtime.store import Store

from metrics.domain import JournalEntry
from metrics.domain.states import EPOCHS

_BEFORE_ALL: Final = datetime(1, 1, 1, tzinfo=UTC)
_ORDER: Final = [("contact_id", 1), ("time", 1)]
_SHOWN: Final = {"s": 1, "contact_id": 1, "time": 1}


class Place(NamedTuple):
    """Up to where it has been read: this contact (None: about none), this instant and, within it, this entry."""

    contact_id: str | None = None
    time: datetime = _BEFORE_ALL
    name: str | None = None


class JournalPages:
    """
    What was taken in up to an epoch, or in one: sets that no longer grow.

    What was too late for the figures when it came is left out here, too.
    """

    def __init__(self, store: Store) -> None:
        self._journal = store.collection(JournalEntry.collection)

    async def entries(self) -> int:
        return int(await self._journal.estimated_document_count())

    async def page(self, epoch: int, *, before: int, after: Place, most: int) -> tuple[list[JournalEntry], Place]:
        """The next entries of an epoch, or with 0 of all `before` one, and the place after them; none at the end."""
        kept: dict[str, Any] = {"epoch": epoch} if epoch else {"epoch": {"$not": {"$gte": before}}}
        where = {**kept, "fate": "folded"}
        if after.name is not None:
            same = {**where, "contact_id": after.contact_id, "time": after.time, "_id": {"$gt": after.name}}
            if found := await self._found(same, [("_id", 1)], most, epoch):
                return _entries(found), after._replace(name=found[-1]["_id"])
        found = await self._following(where, after, most + 1, epoch)
        if len(found) <= most:
            return _entries(found), _place(found[-1]) if found else after
        whole = [document for document in found if _place(document) != _place(found[-1])]
        if whole:
            return _entries(whole), _place(whole[-1])
        return await self.page(epoch, before=before, after=_place(found[-1])._replace(name=""), most=most)

    async def _following(
        self, where: Mapping[str, Any], after: Place, most: int, epoch: int
    ) -> list[Mapping[str, Any]]:
        same = {**where, "contact_id": after.contact_id, "time": {"$gt": after.time}}
        found = await self._found(same, _ORDER, most, epoch)
        if len(found) < most:
            others = {**where, "contact_id": {"$gt": after.contact_id or ""}}
            found += await self._found(others, _ORDER, most - len(found), epoch)
        return found

    async def _found(
        self, where: Mapping[str, Any], order: Sequence[tuple[str, int]], most: int, epoch: int
    ) -> list[Mapping[str, Any]]:
        cursor = self._journal.find(where, _SHOWN, batch_size=most).sort(list(order)).limit(most)
        return list(await (cursor.hint(EPOCHS) if epoch else cursor).to_list(most))

    async def taken_in(self, epoch: int, *, most: int) -> int:
        """How many entries came in an epoch; counted up to `most`."""
        return int(await self._journal.count_documents({"epoch": epoch}, hint=EPOCHS, limit=most))

    async def about_whom(
        self, epoch: int, session: Session, *, among: Sequence[str] | None = None
    ) -> tuple[set[str], set[str]]:
        """The contacts and customers about whom something came in this epoch or later; or those among these."""
        where: dict[str, Any] = {"epoch": {"$gte": epoch}}
        if among is not None:
            where["$or"] = [{name: {"$in": among}} for name in ("contact_id", "customer_id")]
        found = self._journal.find(where, {"contact_id": 1, "customer_id": 1}, session=session).hint(EPOCHS)
        documents = [document async for document in found]
        contacts = {document["contact_id"] for document in documents if "contact_id" in document}
        return contacts, {document["customer_id"] for document in documents if "customer_id" in document}


def _entries(documents: Sequence[Mapping[str, Any]]) -> list[JournalEntry]:
    return [JournalEntry.restored(document["s"]) for document in documents]


def _place(document: Mapping[str, Any]) -> Place:
    return Place(document.get("contact_id"), document["time"])
