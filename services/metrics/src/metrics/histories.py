"""Whole histories of customers out of MongoDB, some customers at a time, and what reports make of them."""

from collections import defaultdict
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from heapq import nsmallest
from typing import Any, Final

from rapport.runtime.mongo import Collection, Session
from rapport.runtime.store import Store

from metrics.domain import ContactFact, CustomerFact
from metrics.domain.histories import MARKS_OF, teller
from metrics.domain.history import ABOUT, Chapter, History, Told, chapter_of, chapter_of_fact, in_order
from metrics.domain.measures import Limits
from metrics.domain.question import Question
from metrics.domain.report import Group, Tally
from metrics.domain.states import marks_index
from metrics.domain.surveys import SCORES, SENT
from metrics.paging import Place
from metrics.parts import parts
from metrics.past import Past
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

    async def groups(
        self, questions: Sequence[Question], limits: Limits, session: Session | None, past: Past | None = None
    ) -> list[list[Group]]:
        """The sums that reports are made of, all of them in one passage; of the `past` where that is given."""
        tallies = [(Tally(question), teller(question, limits)) for question in questions]
        async for history in self._histories(questions, session=session, past=past):
            for tally, tell in tallies:
                for one in tell(history):
                    tally.add(one.at, one.fields, one.mark.figures)
        return [tally.groups() for tally, _ in tallies]

    async def contacts(
        self,
        question: Question,
        limits: Limits,
        *,
        figure: str | None,
        limit: int,
        after: Place | None,
        past: Past | None = None,
    ) -> list[tuple[str, Marks]]:
        """The contacts behind a cell, newest first: the id of each, and what of it counts there."""
        tell = teller(question, limits)
        behind: dict[Place, list[Told]] = {}
        async for history in self._histories([question], past=past):
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
        self,
        question: Question,
        limits: Limits,
        *,
        figure: str | None,
        limit: int,
        after: str | None,
        past: Past | None = None,
    ) -> list[tuple[str, Marks]]:
        """The customers behind a cell by id, and what of each counts there."""
        tell = teller(question, limits)
        page: list[tuple[str, Marks]] = []
        async for history in self._histories([question], after=after, past=past):
            told = [one for one in tell(history) if _counts(one, question, figure, limits)]
            if told:
                page.append((history.customer.id, _marks(told)))
            if len(page) == limit:
                break
        return page

    async def _histories(
        self,
        questions: Sequence[Question],
        *,
        after: str | None = None,
        session: Session | None = None,
        past: Past | None = None,
    ) -> AsyncIterator[History]:
        """Of all customers who may have something in these reports, by id."""
        session = past.session if past else session
        others = await past.whose() if past else set()
        async for some in parts(self._names(questions, after, session, others), _AT_ONCE):
            histories = await self._of(some, questions, session)
            if past and not others.isdisjoint(some):
                histories = await self._as_they_were(histories, questions, past)
            for one in histories:
                yield one

    async def _names(
        self, questions: Sequence[Question], after: str | None, session: Session | None, others: set[str]
    ) -> AsyncIterator[str]:
        """The customers, and the `others`."""
        waiting = sorted((name for name in others if after is None or name > after), reverse=True)
        whose = _whose(questions, after, self._customers.name)
        async for found in self._facts.aggregate(whose, session=session, allowDiskUse=True):
            while waiting and waiting[-1] <= found["_id"]:
                yield waiting.pop()
            if found["_id"] not in others:
                yield found["_id"]
        while waiting:
            yield waiting.pop()

    async def _as_they_were(
        self, histories: Sequence[History], questions: Sequence[Question], past: Past
    ) -> list[History]:
        names = [one.customer.id for one in histories]
        chapters = {
            one.customer.id: [chapter for chapter in one.chapters if chapter.id not in past.contacts]
            for one in histories
        }
        if _reads_contacts(questions):
            async for fact in past.contacts_with(names):
                chapters[fact.customer_id].append(chapter_of_fact(fact))
        then = await past.customers_of(names)
        nobody = {name: CustomerFact(id=name, partition=0) for name in past.customers.intersection(names)}
        customers = {**{one.customer.id: one.customer for one in histories}, **nobody, **then}
        return [History(customers[name], in_order(chapters[name])) for name in names]

    async def _of(self, some: Sequence[str], questions: Sequence[Question], session: Session | None) -> list[History]:
        chapters: dict[str, list[Chapter]] = defaultdict(list)
        if _reads_contacts(questions):
            found = self._facts.find({"customer_id": {"$in": some}}, _fields(questions), session=session)
            for document in await found.to_list(None):
                chapters[document["customer_id"]].append(chapter_of(document))
        known = self._customers.find({"_id": {"$in": some}}, {"s": 1}, session=session)
        customers = {one["_id"]: CustomerFact.restored(one["s"]) for one in await known.to_list(None)}
        return [
            History(customers.get(name) or CustomerFact(id=name, partition=0), in_order(chapters[name]))
            for name in some
        ]


def _reads_contacts(questions: Iterable[Question]) -> bool:
    return any(question.measure.over != "to_date" for question in questions)


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
