"""Whole histories of customers out of MongoDB, some customers at a time, and what reports make of them."""

from collections import defaultdict
from collections.abc import AsyncIterator, Sequence
from heapq import nsmallest
from typing import Any, Final

from rapport.runtime.mongo import Collection, Session
from rapport.runtime.store import Store

from metrics.domain import ContactFact, CustomerFact
from metrics.domain.histories import Teller, counts_in, teller
from metrics.domain.history import ABOUT, Chapter, History, Told, chapter_of, in_order
from metrics.domain.measures import Limits
from metrics.domain.question import Question
from metrics.domain.report import Group, Tally
from metrics.domain.states import marks_index
from metrics.domain.surveys import SENT
from metrics.paging import Place
from metrics.pipelines import fact_match

_AT_ONCE: Final = 200
"""Customers; they take some milliseconds, and others have their turn in between."""

Marks = list[dict[str, Any]]


class Histories:
    """Reads the contacts of customers together; changes nothing."""

    def __init__(self, store: Store) -> None:
        self._store = store

    @property
    def _facts(self) -> Collection:
        return self._store.collection(ContactFact.collection)

    @property
    def _customers(self) -> Collection:
        return self._store.collection(CustomerFact.collection)

    async def groups(self, question: Question, limits: Limits, session: Session | None) -> list[Group]:
        """The sums that a report is made of."""
        tally = Tally(question)
        async for _, told in self._told(question, limits, session=session):
            for one in told:
                tally.add(one.at, one.fields, one.mark.figures)
        return tally.groups()

    async def contacts(
        self, question: Question, limits: Limits, *, figure: str | None, limit: int, after: Place | None
    ) -> list[tuple[str, Marks]]:
        """The contacts behind a cell, newest first: the id of each, and what of it counts there."""
        behind: dict[str, tuple[Chapter, list[Told]]] = {}
        async for _, told in self._told(question, limits, figure=figure):
            for one in told:
                if one.chapter is not None:
                    behind.setdefault(one.chapter.id, (one.chapter, []))[1].append(one)
        places = {name: Place(chapter.opened_at, name) for name, (chapter, _) in behind.items()}
        wanted = (name for name, place in places.items() if after is None or place.rank > after.rank)
        page = nsmallest(limit, wanted, key=lambda name: places[name].rank)
        return [(name, _marks(behind[name][1])) for name in page]

    async def customers(
        self, question: Question, limits: Limits, *, figure: str | None, limit: int, after: str | None
    ) -> list[tuple[str, Marks]]:
        """The customers behind a cell by id, and what of each counts there."""
        page: list[tuple[str, Marks]] = []
        async for customer_id, told in self._told(question, limits, figure=figure, after=after):
            page.append((customer_id, _marks(told)))
            if len(page) == limit:
                break
        return page

    async def _told(
        self,
        question: Question,
        limits: Limits,
        *,
        figure: str | None = None,
        after: str | None = None,
        session: Session | None = None,
    ) -> AsyncIterator[tuple[str, list[Told]]]:
        """What counts in a report, or in one figure of it, customer by customer; who has nothing in it is left out."""
        tell = teller(question, limits)
        some: list[str] = []
        whose = _whose(question, after, self._customers.name)
        async for found in self._facts.aggregate(whose, session=session, allowDiskUse=True):
            some.append(found["_id"])
            if len(some) == _AT_ONCE:
                for one in await self._of(some, question, tell, figure, session):
                    yield one
                some = []
        for one in await self._of(some, question, tell, figure, session):
            yield one

    async def _of(
        self, some: Sequence[str], question: Question, tell: Teller, figure: str | None, session: Session | None
    ) -> list[tuple[str, list[Told]]]:
        chapters: dict[str, list[Chapter]] = defaultdict(list)
        if some and question.measure.over != "to_date":
            found = self._facts.find({"customer_id": {"$in": some}}, _fields(question), session=session)
            for document in await found.to_list(None):
                chapters[document["customer_id"]].append(chapter_of(document))
        known = self._customers.find({"_id": {"$in": some}}, {"s": 1}, session=session)
        customers = {one["_id"]: CustomerFact.restored(one["s"]) for one in await known.to_list(None)}
        told = []
        for customer_id in some:
            customer = customers.get(customer_id) or CustomerFact(id=customer_id, partition=0)
            counted = tell(History(customer, in_order(chapters[customer_id])))
            mine = [one for one in counted if figure is None or counts_in(figure, one)]
            if mine:
                told.append((customer_id, mine))
        return told


def _marks(told: Sequence[Told]) -> Marks:
    found: Marks = marks_index(tuple(one.mark for one in told))["marks"]
    return found


def _whose(question: Question, after: str | None, customers_in: str) -> list[dict[str, Any]]:
    """Which customers may have something in a report, by id: of what is about contacts those of the contacts in it."""
    match: dict[str, Any] = fact_match(question) if question.measure.dimensions is None else {}
    behind: dict[str, Any] = {"_id": {"$gt": after}} if after is not None else {}
    customers = {"$unionWith": {"coll": customers_in, "pipeline": [{"$match": match}]}}
    stages = [{"$match": match}, customers, {"$group": {"_id": "$customer_id"}}, {"$match": behind}]
    return [*stages, {"$sort": {"_id": 1}}]


def _fields(question: Question) -> dict[str, Any]:
    fields: dict[str, Any] = dict.fromkeys(("customer_id", "opened_at", "status", "visit", *ABOUT), 1)
    if question.measure.name == SENT:
        is_sent = {"$eq": ["$$mark.measure", SENT]}
        fields["marks"] = {"$filter": {"input": "$marks", "as": "mark", "cond": is_sent}}
    return fields
