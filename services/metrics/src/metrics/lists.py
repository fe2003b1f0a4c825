"""The contacts and customers behind figures, a page at a time."""

from collections.abc import Iterable, Mapping, Sequence
from heapq import nsmallest
from typing import Any, Final

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


class Lists:
    """Reads who is behind a figure, each with the marks that count there; changes nothing."""

    def __init__(self, store: Store, histories: Histories) -> None:
        self._store = store
        self._histories = histories

    async def contacts(
        self, question: Question, limits: Limits, *, figure: str | None, limit: int, cursor: str | None
    ) -> tuple[list[Listed], str | None]:
        """The contacts behind a cell, newest first; the next page's cursor."""
        after = None if cursor is None else place_of(cursor)
        found = self._of_histories if question.measure.whole else self._of_facts
        async with past_of(self._store, question, limits) as past:
            page = await found(question, limits, figure, limit + 1, after, past)
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

    async def _of_histories(
        self, question: Question, limits: Limits, figure: str | None, limit: int, after: Place | None, past: Past | None
    ) -> list[Listed]:
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

    async def _of_facts(
        self, question: Question, limits: Limits, figure: str | None, limit: int, after: Place | None, past: Past | None
    ) -> list[Listed]:
        if past is None:
            now = await self._now(question, limits, figure, limit, after, None)
            return [_listed(one, question, figure, limits) for one in now]
        then = await self._of_others(question, limits, figure, limit, after, past)
        then += await self._of_those_who_stayed(question, limits, figure, limit, after, past)
        return sorted(then, key=lambda one: _place(one[0]).rank)[:limit]

    async def _of_others(
        self, question: Question, limits: Limits, figure: str | None, limit: int, after: Place | None, past: Past
    ) -> list[Listed]:
        """Those of the contacts that are not as they were then."""
        page: list[Listed] = []
        for some in slices(past.contacts, AT_ONCE):
            for fact in await past.contacts_of(some):
                marks = _counting(fields_of(fact), question, figure, limits)
                if marks and (after is None or _place(fact).rank > after.rank):
                    page.append((fact, marks))
            page = nsmallest(limit, page, key=lambda one: _place(one[0]).rank)
        return page

    async def _of_those_who_stayed(
        self, question: Question, limits: Limits, figure: str | None, limit: int, after: Place | None, past: Past
    ) -> list[Listed]:
        page: list[Listed] = []
        most = max(limit, _LOOKED_AT)
        while len(page) < limit:
            now = await self._now(question, limits, figure, most, after, past.session)
            same = [one for one in now if one["_id"] not in past.contacts]
            page += [_listed(one, question, figure, limits) for one in same[: limit - len(page)]]
            if len(now) < most:
                break
            after = _place(ContactFact.restored(now[-1]["s"]))
        return page

    async def _now(
        self,
        question: Question,
        limits: Limits,
        figure: str | None,
        limit: int,
        after: Place | None,
        session: Session | None,
    ) -> Sequence[Mapping[str, Any]]:
        element = mark_match(question, "")
        if figure is not None:
            element = {"$and": [element, adds_to(question.measure, figure, limits)]}
        where = {"$and": [fact_match(question), {"marks": {"$elemMatch": element}}, after.match() if after else {}]}
        found = self._store.collection(ContactFact.collection).find(where, session=session)
        return list(await found.sort(NEWEST_FIRST).limit(limit).to_list(None))


def _listed(document: Mapping[str, Any], question: Question, figure: str | None, limits: Limits) -> Listed:
    return ContactFact.restored(document["s"]), _counting(document, question, figure, limits)


def _counting(fact: Mapping[str, Any], question: Question, figure: str | None, limits: Limits) -> Marks:
    """The marks of a fact that count."""
    counts = question.measure.adds_to
    marks = [dict(mark) for mark in marks_in(question, fact)]
    return [mark for mark in marks if figure is None or counts(figure, mark["at"], mark["figures"], limits)]


def _place(fact: ContactFact) -> Place:
    return Place(fact.opened_at, fact.id)
