"""Two editions of the figures side by side, some facts at a time, each time at one instant."""

from collections import Counter
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from typing import Any, Final, TypeVar

from rapport.decision import Counted, State
from rapport.runtime.mongo import Session
from rapport.runtime.store import Store

from metrics.domain import ContactFact, CustomerFact, contact, customer
from metrics.domain.comparison import Compared, Comparison, is_same
from metrics.domain.marks import HOURS
from metrics.pages_of_journal import JournalPages
from metrics.parts import parts, slices

S = TypeVar("S", bound=State)

_AT_ONCE: Final = 200

_FIGURES: Final[Sequence[Mapping[str, Any]]] = (
    {"$project": {"_id": 0, "measure": {"$objectToArray": "$$ROOT"}}},
    {"$unwind": "$measure"},
    {"$match": {"measure.v": {"$type": "object"}}},
    {"$project": {"measure": "$measure.k", "figure": {"$objectToArray": "$measure.v"}}},
    {"$unwind": "$figure"},
    {"$group": {"_id": {"measure": "$measure", "figure": "$figure.k"}, "amount": {"$sum": "$figure.v"}}},
)
"""The sums of all figures that hourly rows hold."""


class Comparing:
    """Compares `old`, which goes on, with `new`, which holds what was taken in before an epoch."""

    def __init__(
        self, old: Store, new: Store, journal: JournalPages, epoch: int, go_on: Callable[[], Awaitable[None]]
    ) -> None:
        self._old = old
        self._new = new
        self._journal = journal
        self._epoch = epoch
        self._go_on = go_on
        self._result = Comparison()

    async def compare(self) -> Comparison:
        """What there is to see; `go_on` is asked now and then, and raises where somebody else is at it."""
        await self._all_of(CustomerFact, self._result.customers)
        await self._all_of(ContactFact, self._result.contacts)
        await self._hourly()
        return self._result

    async def _all_of(self, kind: type[State], compared: Compared) -> None:
        after: str | None = ""
        while after is not None:
            after = await self._some(kind, compared, after)
            await self._go_on()

    async def _some(self, kind: type[State], compared: Compared, after: str) -> str | None:
        """Compare the next facts of either edition; answers the last of them, None at the end."""
        async with self._old.one_instant() as session:
            pages = [await _page(store, kind, after, session) for store in (self._old, self._new)]
            ends = [max(page) for page in pages if len(page) == _AT_ONCE]
            last = min(ends, default=None)
            old, new = ({name: fact for name, fact in page.items() if last is None or name <= last} for page in pages)
            facts = {name: (old.get(name), new.get(name)) for name in sorted(old.keys() | new.keys())}
            moving = await self._moving(kind, [pair for pair in facts.values() if not is_same(*pair)], session)
        for name, (one, other) in facts.items():
            self._result.add(compared, name, one, other, moving=name in moving)
        return last

    async def _moving(
        self, kind: type[State], pairs: Sequence[tuple[Mapping[str, Any] | None, ...]], session: Session
    ) -> set[str]:
        """Those about whom more has come than the new edition has."""
        facts = [fact for pair in pairs for fact in pair if fact is not None]
        if not facts:
            return set()
        among = list({name for fact in facts for name in (fact["_id"], fact["customer_id"])})
        contacts, customers = await self._journal.about_whom(self._epoch, session, among=among)
        own = contacts if kind is ContactFact else set()
        return {fact["_id"] for fact in facts if fact["_id"] in own or fact["customer_id"] in customers}

    async def _hourly(self) -> None:
        """Both editions' hourly rows, as if what came meanwhile were in both."""
        async with self._old.one_instant() as session:
            for store, sums in ((self._old, self._result.hourly.old), (self._new, self._result.hourly.new)):
                await self._add_hourly(store, sums, session)
            await self._catch_up(session)

    async def _add_hourly(self, store: Store, sums: Counter[tuple[str, str]], session: Session) -> None:
        async for found in store.collection(HOURS).aggregate(list(_FIGURES), session=session):
            key = found["_id"]
            self._result.add_hourly(sums, key["measure"], key["figure"], found["amount"])

    async def _catch_up(self, session: Session) -> None:
        """Take off the old hourly rows what facts about which more has come hold there beyond the new edition."""
        contacts, customers = await self._journal.about_whom(self._epoch, session)
        for some in slices(contacts, _AT_ONCE):
            await self._take_off(ContactFact, contact.recounted, {"_id": {"$in": some}}, session)
        for some in slices(customers, _AT_ONCE):
            theirs = {"customer_id": {"$in": some}}
            await self._take_off(ContactFact, contact.recounted, {**theirs, "_id": {"$nin": list(contacts)}}, session)
            await self._take_off(CustomerFact, customer.recounted, theirs, session)

    async def _take_off(
        self,
        kind: type[S],
        recounted: Callable[[S, S | None], Iterable[Counted]],
        where: Mapping[str, Any],
        session: Session,
    ) -> None:
        facts = self._old.collection(kind.collection).find(where, {"s": 1}, session=session)
        async for some in parts(facts, _AT_ONCE):
            old = [kind.restored(document["s"]) for document in some]
            found = self._new.collection(kind.collection).find(
                {"_id": {"$in": [fact.id for fact in old]}}, {"s": 1}, session=session
            )
            new = {document["_id"]: kind.restored(document["s"]) async for document in found}
            for fact in old:
                self._result.take_off(recounted(fact, new.get(fact.id)))


async def _page(store: Store, kind: type[State], after: str, session: Session) -> dict[str, Mapping[str, Any]]:
    """The next facts as reports find them; customers with all that profiles tell."""
    shown = None if kind is CustomerFact else {"s": 0}
    found = store.collection(kind.collection).find({"_id": {"$gt": after}}, shown, session=session)
    return {fact["_id"]: fact async for fact in found.sort("_id", 1).limit(_AT_ONCE)}
