"""
The facts of an instant that has passed: those of now, but for whom something was booked since.

Who these are the journal says, and what was known of them then is folded anew from it. docs/decisions/0007.
"""

from collections import defaultdict
from collections.abc import AsyncIterable, AsyncIterator, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager, nullcontext
from datetime import datetime
from typing import Any, Final, NamedTuple

from rapport.contracts import Identity
from rapport.decision import State
from rapport.runtime.clock import others_first
from rapport.runtime.mongo import Collection as Documents
from rapport.runtime.mongo import Session
from rapport.runtime.problem import Problem
from rapport.runtime.store import Store

from metrics.domain import ContactFact, CustomerFact, JournalEntry, booked
from metrics.domain.erasing import Erasure
from metrics.domain.measures import Limits
from metrics.domain.question import Question
from metrics.parts import slices

Fields = Mapping[str, Any]

AT_ONCE: Final = 200
"""Facts that are held."""
_NAMES_AT_ONCE: Final = 1_000
_READ_AT_ONCE: Final = 2_000
_FOLDED_AT_ONCE: Final = 8
_BY: Final[Mapping[str, list[tuple[str, int]]]] = {
    "contact_id": [("contact_id", 1), ("time", 1)],
    "customer_id": [("customer_id", 1), ("time", -1)],
}
"""The journal's indexes; by them, lest MongoDB tries another that serves a few and not the many."""

_BEING_ERASED: Final = "a customer is being erased, which takes a moment: ask again"


class Turned(NamedTuple):
    """Some facts as they are `now`, and the same as they were `then`: who was not there then, or isn't now, is not."""

    now: Sequence[Fields]
    then: Sequence[Fields]


@asynccontextmanager
async def past_of(
    store: Store, question: Question, limits: Limits, session: Session | None = None
) -> "AsyncIterator[Past | None]":
    """The past that a question is about; None where it is about now."""
    if not question.looks_back(limits.now):
        yield None
        return
    async with nullcontext(session) if session else store.one_instant() as instant:
        yield await Past.at(store, instant, limits.now)


class Past:
    """
    Who may not be as they were at `cut`, as far as figures go, and how they were.

    It holds their names, and some hundred of their facts at a time. All is read with one
    session, so that it is of one instant with what else is read with it.
    """

    def __init__(self, store: Store, session: Session, cut: datetime) -> None:
        self.cut = cut
        self.session = session
        self.contacts: set[str] = set()
        self.customers: set[str] = set()
        self._others: set[str] = set()
        """Customers who are other people now to the figures of their contacts."""
        self._told_late: set[Identity] = set()
        self._store = store
        self._hour = cut.replace(minute=0, second=0, microsecond=0)

    @classmethod
    async def at(cls, store: Store, session: Session, cut: datetime) -> "Past":
        """A problem while a customer is erased: half of what is theirs has another name, and would count twice."""
        if await store.collection(Erasure.collection).find_one({"erasing": True}, {"_id": 1}, session=session):
            raise Problem(503, _BEING_ERASED, headers={"Retry-After": "5"})
        past = cls(store, session, cut)
        await past._look()
        return past

    async def turned(self) -> AsyncIterator[Turned]:
        """All of them in turn."""
        for some in slices(self.contacts, AT_ONCE):
            yield Turned(await self._now(ContactFact, some), [fields_of(fact) for fact in await self.contacts_of(some)])
        for some in slices(self.customers, AT_ONCE):
            customers = await self.customers_of(some)
            yield Turned(await self._now(CustomerFact, some), [fields_of(fact) for fact in customers.values()])

    async def contacts_of(self, names: Sequence[str]) -> list[ContactFact]:
        """These contacts as they were then, of those that were there."""
        entries: dict[str, list[JournalEntry]] = defaultdict(list)
        async for entry in self._booked("contact_id", {"contact_id": {"$in": names}}):
            entries[entry.contact_id or ""].append(entry)
        whose = {entry.customer_id or "" for some in entries.values() for entry in some}
        customers = await self._known(whose - self._others) | await self._folded(whose & self._others)
        found: list[ContactFact] = []
        for count, (name, theirs) in enumerate(entries.items()):
            if count % _FOLDED_AT_ONCE == 0:
                await others_first()
            fact = booked.contact_of(name, theirs, customers)
            found += [fact] if fact else []
        return found

    async def customers_of(self, names: Iterable[str]) -> dict[str, CustomerFact]:
        """Those of these customers who may have been other than they are now, as they were then."""
        return await self._folded(self.customers.intersection(names))

    async def contacts_with(self, customers: Sequence[str]) -> AsyncIterator[ContactFact]:
        """The contacts of these customers then, as far as they may be other now."""
        match = self._before({"customer_id": {"$in": customers}, "contact_id": {"$exists": True}})
        stages = [{"$match": match}, {"$group": {"_id": "$contact_id"}}]
        by_customer = dict(_BY["customer_id"])
        found = self._journal.aggregate(stages, session=self.session, allowDiskUse=True, hint=by_customer)
        names = [one["_id"] async for one in found if one["_id"] in self.contacts]
        for some in slices(names, AT_ONCE):
            for fact in await self.contacts_of(some):
                if fact.customer_id in customers:
                    yield fact

    async def whose(self) -> set[str]:
        """The customers who may have had another history then: themselves, or by contacts that were or are theirs."""
        found = set(self.customers)
        for some in slices(self.contacts, _NAMES_AT_ONCE):
            facts = self._store.collection(ContactFact.collection)
            found.update(await facts.distinct("customer_id", {"_id": {"$in": some}}, session=self.session))
            before = self._before({"contact_id": {"$in": some}})
            found.update(await self._journal.distinct("customer_id", before, session=self.session))
        return found

    async def _look(self) -> None:
        late: dict[str, set[str]] = {"contact_id": set(), "customer_id": set()}
        whom = {name: f"${name}" for name in late}
        is_late = {"$max": {"$lt": ["$time", self.cut]}}
        stages = [{"$match": self._since()}, {"$group": {"_id": whom, "late": is_late}}]
        async for found in self._journal.aggregate(stages, session=self.session, allowDiskUse=True):
            about = found["_id"]
            self._differs(about.get("contact_id"), about.get("customer_id"))
            for name in about if found["late"] else ():
                late[name].add(about[name])
        theirs_too = await self._look_what_was_told_late("contact_id", late["contact_id"])
        await self._look_what_was_told_late("customer_id", late["customer_id"] | theirs_too)
        await self._look_who_was_another()
        for some in slices(self._others, _NAMES_AT_ONCE):
            facts = self._store.collection(ContactFact.collection)
            theirs = facts.find({"customer_id": {"$in": some}}, {"_id": 1}, session=self.session)
            self.contacts.update([one["_id"] async for one in theirs])

    def _differs(self, contact_id: str | None, customer_id: str | None) -> None:
        """Something about these is in the figures of now, and was not then."""
        if contact_id is not None:
            self.contacts.add(contact_id)
        elif customer_id is not None:
            self.customers.add(customer_id)

    async def _look_what_was_told_late(self, by: str, names: Iterable[str]) -> set[str]:
        """Note what of ours follows from what came late, contact by contact or customer by customer; whose that is."""
        whose: set[str] = set()
        reasons = [self._since(), {"cause": {"$exists": True}}]
        for some in slices(names, _NAMES_AT_ONCE):
            where = {by: {"$in": some}, "fate": "folded", "time": {"$lt": self.cut}, "$or": reasons}
            found = self._journal.find(where, {"s": 1}, session=self.session, batch_size=_READ_AT_ONCE)
            async for theirs in _each(by, found.sort(_BY[by]).hint(_BY[by])):
                told_late = booked.told_late(theirs, self.cut, self._told_late)
                self._told_late |= told_late
                for entry in theirs:
                    if entry.id in told_late:
                        self._differs(entry.contact_id, entry.customer_id)
                        whose.update([entry.customer_id] if entry.customer_id else [])
        return whose

    async def _look_who_was_another(self) -> None:
        for some in slices(self.customers, AT_ONCE):
            now, then = await self._known(some), await self._folded(some)
            self._others |= {name for name in some if not booked.is_same_to_contacts(now.get(name), then.get(name))}

    @property
    def _journal(self) -> Documents:
        return self._store.collection(JournalEntry.collection)

    def _since(self) -> dict[str, Any]:
        return {"hour": {"$gte": self._hour}, "fate": "folded"}

    def _before(self, where: Fields) -> dict[str, Any]:
        return {**where, "hour": {"$lt": self.cut}, "fate": "folded"}

    async def _booked(self, by: str, where: Fields) -> AsyncIterator[JournalEntry]:
        shown, most = {"s": 1}, _READ_AT_ONCE
        found = self._journal.find(self._before(where), shown, session=self.session, batch_size=most)
        async for document in found.hint(_BY[by]):
            entry = JournalEntry.restored(document["s"])
            if entry.recorded < self.cut and entry.id not in self._told_late:
                yield entry

    async def _now(self, kind: type[State], names: Sequence[str]) -> list[Fields]:
        found = self._store.collection(kind.collection).find({"_id": {"$in": names}}, {"s": 0}, session=self.session)
        return list(await found.to_list(None))

    async def _known(self, names: Iterable[str]) -> dict[str, CustomerFact]:
        """Customers as they are now."""
        customers = self._store.collection(CustomerFact.collection)
        found = customers.find({"_id": {"$in": list(names)}}, {"s": 1}, session=self.session)
        return {one["_id"]: CustomerFact.restored(one["s"]) async for one in found}

    async def _folded(self, names: Iterable[str]) -> dict[str, CustomerFact]:
        entries: dict[str, list[JournalEntry]] = defaultdict(list)
        async for entry in self._booked("customer_id", {"customer_id": {"$in": list(names)}, "contact_id": None}):
            entries[entry.customer_id or ""].append(entry)
        found = {name: booked.customer_of(name, theirs) for name, theirs in entries.items()}
        return {name: fact for name, fact in found.items() if fact}


def fields_of(fact: State) -> Fields:
    """What a fact is found by in reports."""
    return {"_id": fact.id, **fact.index()}


async def _each(by: str, found: AsyncIterable[Fields]) -> AsyncIterator[list[JournalEntry]]:
    """The entries contact by contact, or customer by customer, as they come in order."""
    some: list[JournalEntry] = []
    async for document in found:
        entry = JournalEntry.restored(document["s"])
        if some and getattr(entry, by) != getattr(some[0], by):
            yield some
            some = []
        some.append(entry)
    if some:
        yield some
