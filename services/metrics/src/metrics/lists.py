"""The contacts and customers behind figures, a page at a time."""

from collections.abc import Iterable, Mapping, Sequence
from heapq import nsmallest
from typing import Any, Final, NamedTuple

from rapport.runtime.mongo import Session
from rapport.runtime.store import Store

from metrics.domain import ContactFact
from metrics.domain.counted import marks_in
from metrics.domain.measures import Limits
from metrics.domain.question import Question
from metrics.histories import Histories, Marks
from metrics.paging import NEWEST_FIRST, Place, next_place, place_of
from metrics.parts import slices
from metrics.past import AT_ONCE, Past, fields_of, past_of
from metrics.pipelines import adds_to, fact_match, mark_match

Listed = tuple[ContactFact, Marks]

_LOOKED_AT: Final = 500
"""So many contacts of now at least, of which those are listed that were the same then."""


class _Cell(NamedTuple):
    """What the contacts are behind."""

    question: Question
    limits: Limits
    figure: str | None

    def counting(self, fact: Mapping[str, Any]) -> Marks:
        """The marks of a fact that count, given the fields that it is found by."""
        counts = self.question.measure.adds_to
        return [
            dict(mark)
            for mark in marks_in(self.question, fact)
            if self.figure is None or counts(self.figure, mark["at"], mark["figures"], self.limits)
        ]

    def match(self) -> list[dict[str, Any]]:
        """The same as conditions on facts."""
        element = mark_match(self.question, "")
        if self.figure is not None:
            element = {"$and": [element, adds_to(self.question.measure, self.figure, self.limits)]}
        return [fact_match(self.question), {"marks": {"$elemMatch": element}}]

    def listed(self, document: Mapping[str, Any]) -> Listed:
        return ContactFact.restored(document["s"]), self.counting(document)


class Lists:
    """Reads who is behind a figure, each with the marks that count there; changes nothing."""

    def __init__(self, store: Store, histories: Histories) -> None:
        self._store = store
        self._histories = histories

    async def contacts(
        self, question: Question, limits: Limits, *, figure: str | None, limit: int, cursor: str | None
    ) -> tuple[list[Listed], str | None]:
        """The contacts behind a cell, newest first; the next page's cursor."""
        cell, after = _Cell(question, limits, figure), None if cursor is None else place_of(cursor)
        async with past_of(self._store, question, limits) as past:
            if question.measure.whole:
                page = await self._of_histories(cell, limit + 1, after, past)
            elif past is None:
                page = [cell.listed(one) for one in await self._now(cell, limit + 1, after)]
            else:
                page = await self._then(cell, limit + 1, after, past)
        return page[:limit], next_place([fact for fact, _ in page], limit)

    async def customers(
        self, question: Question, limits: Limits, *, figure: str | None, limit: int, cursor: str | None
    ) -> tuple[list[tuple[str, Marks]], str | None]:
        """The customers behind a cell by id; the next page's cursor."""
        async with past_of(self._store, question, limits) as past:
            page = await self._histories.customers(
                question, limits, figure=figure, limit=limit + 1, after=cursor, past=past
            )
        return page[:limit], page[limit - 1][0] if len(page) > limit else None

    async def _of_histories(self, cell: _Cell, limit: int, after: Place | None, past: Past | None) -> list[Listed]:
        question, limits, figure = cell
        found = await self._histories.contacts(question, limits, figure=figure, limit=limit, after=after, past=past)
        names = {name for name, _ in found}
        others = names & past.contacts if past else set()
        facts = await self._facts(names - others, past.session if past else None)
        facts += await past.contacts_of(sorted(others)) if past else []
        by_id = {fact.id: fact for fact in facts}
        return [(by_id[name], marks) for name, marks in found if name in by_id]

    async def _facts(self, names: Iterable[str], session: Session | None) -> list[ContactFact]:
        facts = self._store.collection(ContactFact.collection)
        found = facts.find({"_id": {"$in": list(names)}}, {"s": 1}, session=session)
        return [ContactFact.restored(one["s"]) async for one in found]

    async def _now(
        self, cell: _Cell, limit: int, after: Place | None, session: Session | None = None
    ) -> Sequence[Mapping[str, Any]]:
        where = {"$and": [*cell.match(), after.match() if after else {}]}
        found = self._store.collection(ContactFact.collection).find(where, session=session)
        return list(await found.sort(NEWEST_FIRST).limit(limit).to_list(None))

    async def _then(self, cell: _Cell, limit: int, after: Place | None, past: Past) -> list[Listed]:
        found = await self._of_others(cell, limit, after, past) + await self._of_the_same(cell, limit, after, past)
        return _first(found, limit)

    async def _of_others(self, cell: _Cell, limit: int, after: Place | None, past: Past) -> list[Listed]:
        """Of the contacts that may not be as they were."""
        page: list[Listed] = []
        for some in slices(past.contacts, AT_ONCE):
            for fact in await past.contacts_of(some):
                marks = cell.counting(fields_of(fact))
                if marks and (after is None or _place(fact).rank > after.rank):
                    page.append((fact, marks))
            page = _first(page, limit)
        return page

    async def _of_the_same(self, cell: _Cell, limit: int, after: Place | None, past: Past) -> list[Listed]:
        """Of all others."""
        page: list[Listed] = []
        most = max(limit, _LOOKED_AT)
        while len(page) < limit:
            now = await self._now(cell, most, after, past.session)
            page += [cell.listed(one) for one in now if one["_id"] not in past.contacts]
            if len(now) < most:
                break
            after = _place(ContactFact.restored(now[-1]["s"]))
        return page


def _first(found: Iterable[Listed], limit: int) -> list[Listed]:
    return nsmallest(limit, found, key=lambda one: _place(one[0]).rank)


def _place(fact: ContactFact) -> Place:
    return Place(fact.opened_at, fact.id)
