"""Queries that only metrics has: sums for reports, the contacts behind them, the journal's balance."""

import asyncio
from collections import defaultdict
from collections.abc import Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from datetime import UTC, date, datetime
from itertools import chain
from typing import Any, Final

from rapport.contracts import TOPIC_OF, identity, natural_order
from rapport.contracts.envelope import OrderKey
from rapport.contracts.topics import CONTACT_EVENTS
from rapport.runtime.mongo import Session
from rapport.runtime.store import Store

from metrics.domain import ContactFact, CustomerFact, JournalEntry
from metrics.domain.journal import BALANCE
from metrics.domain.marks import COMBINATIONS, HOURS
from metrics.domain.measures import Limits
from metrics.domain.question import Question
from metrics.domain.report import Group, Tally, by_the_clock
from metrics.domain.search import held
from metrics.histories import Histories
from metrics.lists import Lists
from metrics.paging import NEWEST_FIRST, next_place, place_of
from metrics.past import Past, past_of
from metrics.pipelines import from_facts, from_hours, within

_MOST_EVENTS: Final = 500
_MOST_IN_PAGE: Final = 5_000
_FEWEST_EVENTS: Final = 10
_READ_AT_ONCE: Final = 8
_MOST_HOURS: Final = 100_000
_FIRST: Final = datetime(1, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Newest:
    """Journal entries in order, the newest of them; `truncated` where older ones were left out."""

    entries: Sequence[JournalEntry] = ()
    truncated: bool = False


class Reports:
    """Reads what metrics keeps; changes nothing."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self.histories = Histories(store)
        self.lists = Lists(store, self.histories)

    async def prepare(self) -> None:
        """Indexes of the rows that only add."""
        await prepare_hours(self._store)
        await self._store.collection(BALANCE).create_index([("hour", 1)])

    def one_instant(self) -> AbstractAsyncContextManager[Session]:
        """For figures that are shown together: what is asked with this session is all of the same instant."""
        return self._store.one_instant()

    async def groups(
        self, question: Question, limits: Limits, *, facts: bool = False, session: Session | None = None
    ) -> list[Group]:
        """
        The sums that a report is made of.

        From the hourly rows where these answer exactly, else (or when asked
        for) from the facts, whose answer is the same and takes longer.
        """
        asked = [question, *filter(None, [question.beside()])]
        async with past_of(self._store, question, limits, session) as past:
            if past is None:
                found = [await self._groups(one, limits, facts=facts, session=session) for one in asked]
            else:
                found = [await self._groups_then(one, limits, past, facts=facts) for one in asked]
        return list(chain.from_iterable(found))

    async def _groups(self, question: Question, limits: Limits, *, facts: bool, session: Session | None) -> list[Group]:
        if question.measure.whole:
            return (await self.histories.groups([question], limits, session))[0]
        if question.is_by_clock:
            hours = question.by_the_hour()
            return by_the_clock(question, hours, await self._groups(hours, limits, facts=facts, session=session))
        combination = None if facts else question.combination()
        if combination is not None:
            return await self._sums(HOURS, from_hours(question, combination), question, session)
        pipeline = from_facts(question, limits)
        collections = (ContactFact.collection, CustomerFact.collection)
        return [group for name in collections for group in await self._sums(name, pipeline, question, session)]

    async def _groups_then(self, question: Question, limits: Limits, past: Past, *, facts: bool) -> list[Group]:
        """The sums of now, less what is in them of who was other then, and what they added then."""
        if question.measure.whole:
            return (await self.histories.groups([question], limits, past.session, past))[0]
        now = await self._groups(question, limits, facts=facts, session=past.session)
        tally = Tally(question)
        async for some in past.turned():
            for fact in some.now:
                tally.add_fact(fact, limits, times=-1)
            for fact in some.then:
                tally.add_fact(fact, limits)
        return [*now, *tally.groups()]

    async def _sums(
        self, name: str, pipeline: list[dict[str, Any]], question: Question, session: Session | None
    ) -> list[Group]:
        sums: dict[tuple[Any, ...], dict[str, int]] = defaultdict(dict)
        async for found in self._store.collection(name).aggregate(pipeline, session=session):
            group = found.pop("_id")
            values = tuple(group.get(f"d{place}") for place in range(len(question.grouping)))
            key = date.fromisoformat(group["key"]) if isinstance(group["key"], str) else group["key"]
            sums[key, values].update({group["figure"]: found["amount"]} if "figure" in group else found)
        return [Group(key, values, figures) for (key, values), figures in sums.items()]

    async def timeline(
        self, customer_id: str, question: Question, words: frozenset[str], *, limit: int, cursor: str | None
    ) -> tuple[list[ContactFact], dict[str, Newest], str | None]:
        """
        A customer's contacts, newest first, the newest events of each, and the next page's cursor.

        Of them those opened in the range of the question that are as it wants them, and on which all
        of the words were said.
        """
        where: dict[str, Any] = {"customer_id": customer_id, **within("opened_at", question.since, question.until)}
        where |= {dimension: {"$in": list(values)} for dimension, values in question.where.items()}
        after = place_of(cursor).match() if cursor else {}
        if words:
            where["_id"] = {"$in": await self._holding(customer_id, words)}
        found = await self._store.find(ContactFact, {"$and": [where, after]}, sort=NEWEST_FIRST, limit=limit + 1)
        contacts = found[:limit]
        most = min(_MOST_EVENTS, max(_FEWEST_EVENTS, _MOST_IN_PAGE // max(1, len(contacts))))
        newest: dict[str, Newest] = {}
        for start in range(0, len(contacts), _READ_AT_ONCE):
            some = contacts[start : start + _READ_AT_ONCE]
            found_some = await asyncio.gather(*(self._newest({"contact_id": one.id}, most) for one in some))
            newest |= {one.id: events for one, events in zip(some, found_some, strict=True)}
        return contacts, newest, next_place(found, limit)

    async def _holding(self, customer_id: str, words: frozenset[str]) -> list[str]:
        """
        The contacts of a customer on which all of these words were said, if on different events.

        What we concluded ourselves names targets and policies, and was said by nobody.
        """
        missing: dict[str, frozenset[str]] = {}
        theirs = await entries_of(self._store, customer_id)
        cursor = self._store.collection(JournalEntry.collection).find(theirs, {"s": 1, "contact_id": 1})
        async for document in cursor:
            name = document.get("contact_id")
            left = missing.get(name, words)
            if name is None or not left:
                continue
            entry = JournalEntry.restored(document["s"])
            if TOPIC_OF.get(entry.type) == CONTACT_EVENTS:
                missing[name] = left - held(left, entry.text)
        return [name for name, left in missing.items() if not left]

    async def _newest(self, where: Mapping[str, Any], most: int) -> Newest:
        found = await self._store.find(JournalEntry, where, sort=(("time", -1), ("_id", -1)), limit=most + 1)
        return Newest(sorted(found[:most], key=_place), len(found) > most)

    async def knows_customer(self, customer_id: str) -> bool:
        journal = self._store.collection(JournalEntry.collection)
        return await journal.find_one({"customer_id": customer_id}, {"_id": 1}) is not None

    async def entry(self, source: str, event_id: str) -> JournalEntry | None:
        return await self._store.get(JournalEntry, identity(source, event_id))

    async def fact(self, contact_id: str) -> ContactFact | None:
        return await self._store.get(ContactFact, contact_id)

    async def caused_by(self, entry: JournalEntry) -> Newest:
        """The newest events that name this one as their cause, of the same contact or else the same customer."""
        where: dict[str, Any] = {"cause": entry.event_id}
        where |= {"contact_id": entry.contact_id} if entry.contact_id else {"customer_id": entry.customer_id}
        if entry.contact_id is None and entry.customer_id is None:
            return Newest()
        return await self._newest(where, _MOST_EVENTS)

    async def balance(self, since: datetime | None, until: datetime | None) -> dict[datetime, dict[str, int]]:
        """
        Per hour of taking in: what was counted record by record, and what the journal holds.

        The two are counted independently: one by adding up while folding, the
        other by counting the documents now.
        """
        match = {"$match": within("hour", since or _FIRST, until)}  # always a range: the index alone answers
        counted = {"$group": {"_id": {"hour": "$hour", "fate": "$fate"}, "documents": {"$sum": 1}}}
        journal = {"$unionWith": {"coll": JournalEntry.collection, "pipeline": [match, counted]}}
        balance = self._store.collection(BALANCE)
        answer = await balance.database.command(
            {
                "aggregate": BALANCE,
                "pipeline": [match, journal],
                "cursor": {"batchSize": _MOST_HOURS},
                "readConcern": {"level": "snapshot"},  # both sides at one moment, or writing in between would differ
            },
            codec_options=balance.codec_options,
        )
        hours: dict[datetime, dict[str, int]] = defaultdict(dict)
        for found in answer["cursor"]["firstBatch"]:
            if "documents" in found:
                hours[found["_id"]["hour"]][f"journal_{found['_id']['fate']}"] = found["documents"]
                continue
            held = hours[found["hour"]]
            for what in ("taken", "folded", "too_late", "duplicate", "differing"):
                held[what] = held.get(what, 0) + found.get(what, 0)
        return dict(sorted(hours.items()))

    async def hour_before(self, hour: datetime) -> datetime | None:
        """The last hour before that one in which something was taken in."""
        found = await self._store.collection(BALANCE).find_one(
            {"hour": {"$lt": hour}}, {"hour": 1}, sort=[("hour", -1)]
        )
        return found["hour"] if found else None

    async def newest(self) -> datetime | None:
        """The hour of the newest contact."""
        where = {"combination": next(iter(COMBINATIONS)), "contacts": {"$exists": True}}
        found = await self._store.collection(HOURS).find_one(where, {"hour": 1}, sort=[("hour", -1)])
        return found["hour"] if found else None


async def entries_of(store: Store, customer_id: str) -> dict[str, Any]:
    """Finds every event of a customer in the journal, and the nameless ones of their contacts."""
    contacts = await store.collection(ContactFact.collection).distinct("_id", {"customer_id": customer_id})
    nameless = {"contact_id": {"$in": contacts}, "customer_id": {"$regex": "^anonymous:"}}
    return {"$or": [{"customer_id": customer_id}, nameless]}


async def prepare_hours(store: Store) -> None:
    await store.collection(HOURS).create_index([("combination", 1), ("hour", 1)])


def _place(entry: JournalEntry) -> OrderKey:
    """In the order of events, as far as the journal's own fields tell it."""
    return natural_order(entry.time, None, entry.type, f"{entry.source} {entry.event_id}")
