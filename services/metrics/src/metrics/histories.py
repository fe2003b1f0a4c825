"""Whole histories of customers out of MongoDB, some customers at a time, and what reports make of them."""

from collections import defaultdict
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from heapq import nsmallest
from typing import Any, Final

from rapport.runtime.mongo import Collection, Session
from rapport.runtime.store import Store

from metrics.domain import ContactFact, CustomerFact
from metrics.domain.histories import MARKS_OF, teller
from metrics.domain.history import ABOUT, Chapter, History, Told, chapter_of, in_order
from metrics.domain.measures import Limits
from metrics.domain.question import Question
from metrics.domain.report import Group, Tally
from metrics.domain.states import marks_index
from metrics.domain.surveys import SCORES, SENT
from metrics.paging import Place
from metrics.parts import parts
from metrics.pipelines import fact_match

_AT_ONCE: Final = 200
"""Customers; they take some milliseconds, and others have their turn in between."""

_SOME_PAGES: Final = 8
"""So much is held of a list before what can't be on the page is dropped."""

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

    async def groups(self, questions: Sequence[Question], limits: Limits, session: Session | None) -> list[list[Group]]:
        """The sums that reports are made of, all of them in one passage."""
        tallies = [(Tally(question), teller(question, limits)) for question in questions]
        async for history in self._histories(questions, session=session):
            for tally, tell in tallies:
                for one in tell(history):
                    tally.add(one.at, one.fields, one.mark.figures)
        return [tally.groups() for tally, _ in tallies]

    async def contacts(
        self, question: Question, limits: Limits, *, figure: str | None, limit: int, after: Place | None
    ) -> list[tuple[str, Marks]]:
        """The contacts behind a cell, newest first: the id of each, and what of it counts there."""
        tell = teller(question, limits)
        behind: dict[Place, list[Told]] = {}
        async for history in self._histories([question]):
            for one in tell(history):
                if one.chapter is None or not _counts(one, question, figure, limits):
                    continue
                place = Place(one.chapter.opened_at or None, one.chapter.id)
                if after is None or place.rank > after.rank:
                    behind.setdefault(place, []).append(one)
            if len(behind) > _SOME_PAGES * limit:
                behind = {place: behind[place] for place in _first(behind, limit)}
        return [(place.id, _marks(behind[place])) for place in _first(behind, limit)]

    async def customers(
        self, question: Question, limits: Limits, *, figure: str | None, limit: int, after: str | None
    ) -> list[tuple[str, Marks]]:
        """The customers behind a cell by id, and what of each counts there."""
        tell = teller(question, limits)
        page: list[tuple[str, Marks]] = []
        async for history in self._histories([question], after=after):
            told = [one for one in tell(history) if _counts(one, question, figure, limits)]
            if told:
                page.append((history.customer.id, _marks(told)))
            if len(page) == limit:
                break
        return page

    async def _histories(
        self, questions: Sequence[Question], *, after: str | None = None, session: Session | None = None
    ) -> AsyncIterator[History]:
        """Of all customers who may have something in these reports, by id."""
        whose = _whose(questions, after, self._customers.name)
        found = self._facts.aggregate(whose, session=session, allowDiskUse=True)
        async for some in parts(found, _AT_ONCE):
            for one in await self._of([customer["_id"] for customer in some], questions, session):
                yield one

    async def _of(self, some: Sequence[str], questions: Sequence[Question], session: Session | None) -> list[History]:
        chapters: dict[str, list[Chapter]] = defaultdict(list)
        if any(question.measure.over != "to_date" for question in questions):
            found = self._facts.find({"customer_id": {"$in": some}}, _fields(questions), session=session)
            for document in await found.to_list(None):
                chapters[document["customer_id"]].append(chapter_of(document))
        known = self._customers.find({"_id": {"$in": some}}, {"s": 1}, session=session)
        customers = {one["_id"]: CustomerFact.restored(one["s"]) for one in await known.to_list(None)}
        return [
            History(customers.get(name) or CustomerFact(id=name, partition=0), in_order(chapters[name]))
            for name in some
        ]


def _counts(told: Told, question: Question, figure: str | None, limits: Limits) -> bool:
    return figure is None or question.measure.adds_to(figure, told.at, told.mark.figures, limits)


def _first(behind: Mapping[Place, Any], limit: int) -> list[Place]:
    return nsmallest(limit, behind, key=lambda place: place.rank)


def _marks(told: Sequence[Told]) -> Marks:
    found: Marks = marks_index(tuple(one.mark for one in told))["marks"]
    return found


def _whose(questions: Sequence[Question], after: str | None, customers_in: str) -> list[dict[str, Any]]:
    """Which customers may have something in reports, by id: of one about contacts those of the contacts in it."""
    match: dict[str, Any] = {}
    if len(questions) == 1 and questions[0].measure.dimensions is None:
        match = fact_match(questions[0])
    behind: dict[str, Any] = {"_id": {"$gt": after}} if after is not None else {}
    customers = {"$unionWith": {"coll": customers_in, "pipeline": [{"$match": match}]}}
    stages = [{"$match": match}, customers, {"$group": {"_id": "$customer_id"}}, {"$match": behind}]
    return [*stages, {"$sort": {"_id": 1}}]


def _fields(questions: Sequence[Question]) -> dict[str, Any]:
    """What is read of contacts: of surveys all that is kept, for what was sent and what was answered lie apart."""
    fields: dict[str, Any] = dict.fromkeys(("customer_id", "opened_at", "status", "visit", *ABOUT), 1)
    wanted = {name for question in questions for name in MARKS_OF.get(question.measure.name, ())}
    if wanted:
        fields["marks"] = _marks_among(wanted)
    if SENT in wanted:
        is_about_surveys = {"$gt": [{"$size": _marks_among({SENT, *SCORES})}, 0]}
        fields["s"] = {"$cond": [is_about_surveys, "$s", "$$REMOVE"]}
    return fields


def _marks_among(names: Iterable[str]) -> dict[str, Any]:
    return {"$filter": {"input": "$marks", "as": "mark", "cond": {"$in": ["$$mark.measure", sorted(names)]}}}
