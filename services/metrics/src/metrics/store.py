"""Queries that only metrics has: sums for reports, the contacts behind them, the journal's balance."""

import asyncio
import base64
import binascii
import json
from collections import defaultdict
from collections.abc import Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any, Final

from rapport.contracts import identity, natural_order
from rapport.contracts.envelope import OrderKey
from rapport.runtime.mongo import Session
from rapport.runtime.store import Store

from metrics.domain import ContactFact, CustomerFact, JournalEntry
from metrics.domain.journal import BALANCE
from metrics.domain.marks import COMBINATIONS, HOURS
from metrics.domain.measures import WAITED, Asked, Limits, Measure
from metrics.domain.periods import offsets_within
from metrics.domain.question import Question
from metrics.domain.report import Group

_QUARTER_HOUR: Final = 15
_MOST_EVENTS: Final = 500
_MOST_IN_PAGE: Final = 5_000
_FEWEST_EVENTS: Final = 10
_READ_AT_ONCE: Final = 8
_MOST_HOURS: Final = 100_000
_FIRST: Final = datetime(1, 1, 1, tzinfo=UTC)


class BadCursor(ValueError):
    """The cursor is none that a list of ours has given."""


@dataclass(frozen=True, slots=True)
class Newest:
    """Journal entries in order, the newest of them; `truncated` where older ones were left out."""

    entries: Sequence[JournalEntry] = ()
    truncated: bool = False


class Reports:
    """Reads what metrics keeps; changes nothing."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def prepare(self) -> None:
        """Indexes of the rows that only add."""
        await self._store.collection(HOURS).create_index([("combination", 1), ("hour", 1)])
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
        combination = None if facts else question.combination()
        if combination is not None:
            return await self._sums(HOURS, from_hours(question, combination), question, session)
        pipeline = from_facts(question, limits)
        collections = (ContactFact.collection, CustomerFact.collection)
        return [group for name in collections for group in await self._sums(name, pipeline, question, session)]

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

    async def contacts(
        self, question: Question, limits: Limits, *, figure: str | None, limit: int, cursor: str | None
    ) -> tuple[list[tuple[ContactFact, list[dict[str, Any]]]], str | None]:
        """The contacts behind a cell, newest first, each with the marks that count there; the next page's cursor."""
        mark = _mark_match(question, "marks.")
        element = {name.removeprefix("marks."): condition for name, condition in mark.items()}
        if figure is not None:
            element = {"$and": [element, _adds_to(question.measure, figure, limits)]}
        where = {"$and": [_fact_match(question), {"marks": {"$elemMatch": element}}, _after(cursor)]}
        collection = self._store.collection(ContactFact.collection)
        found = collection.find(where).sort([("opened_at", -1), ("_id", 1)]).limit(limit + 1)
        documents = [document async for document in found]
        page = []
        for document in documents[:limit]:
            marks = [mark for mark in document["marks"] if question.admits(mark["at"], {**document, **_own(mark)})]
            mine = [mark for mark in marks if mark["measure"] == question.measure.marks]
            if figure is not None:
                counts = question.measure.adds_to
                mine = [mark for mark in mine if counts(figure, mark["at"], mark["figures"], limits)]
            page.append((ContactFact.restored(document["s"]), mine))
        return page, _cursor(documents[limit - 1]) if len(documents) > limit else None

    async def timeline(
        self, customer_id: str, *, teams: Sequence[str], limit: int, cursor: str | None
    ) -> tuple[list[ContactFact], dict[str, Newest], str | None]:
        """A customer's contacts, newest first, the newest events of each, and the next page's cursor."""
        where: dict[str, Any] = {"customer_id": customer_id}
        if teams:
            where["team"] = {"$in": list(teams)}
        collection = self._store.collection(ContactFact.collection)
        found = collection.find({"$and": [where, _after(cursor)]}).sort([("opened_at", -1), ("_id", 1)])
        documents = [document async for document in found.limit(limit + 1)]
        contacts = [ContactFact.restored(document["s"]) for document in documents[:limit]]
        most = min(_MOST_EVENTS, max(_FEWEST_EVENTS, _MOST_IN_PAGE // max(1, len(contacts))))
        newest: dict[str, Newest] = {}
        for start in range(0, len(contacts), _READ_AT_ONCE):
            some = contacts[start : start + _READ_AT_ONCE]
            found_some = await asyncio.gather(*(self._newest({"contact_id": one.id}, most) for one in some))
            newest |= {one.id: events for one, events in zip(some, found_some, strict=True)}
        return contacts, newest, _cursor(documents[limit - 1]) if len(documents) > limit else None

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
        match = {"$match": _range("hour", since or _FIRST, until)}  # always a range: the index alone answers
        counted = {"$group": {"_id": {"hour": "$hour", "fate": "$fate"}, "documents": {"$sum": 1}}}
        journal = {"$unionWith": {"coll": JournalEntry.collection, "pipeline": [match, counted]}}
        balance = self._store.collection(BALANCE)
        answer = await balance.database.command(
            {
                "aggregate": BALANCE,
                "pipeline": [match, journal],
                "cursor": {"batchSize": _MOST_HOURS},
                "readConcern": {"level": "snapshot"},  # both sides at one moment, or writing in between would differ
            }
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

    async def newest(self) -> datetime | None:
        """The hour of the newest contact."""
        where = {"combination": next(iter(COMBINATIONS)), "contacts": {"$exists": True}}
        found = await self._store.collection(HOURS).find_one(where, {"hour": 1}, sort=[("hour", -1)])
        return found["hour"] if found else None


def _place(entry: JournalEntry) -> OrderKey:
    """In the order of events, as far as the journal's own fields tell it."""
    return natural_order(entry.time, None, entry.type, f"{entry.source} {entry.event_id}")


def from_hours(question: Question, combination: str) -> list[dict[str, Any]]:
    """The pipeline that sums hourly rows."""
    name = question.measure.marks
    match = {"combination": combination, **_range("hour", question.since, question.until), name: {"$exists": True}}
    match |= {question.field_of(dimension): {"$in": list(values)} for dimension, values in question.where.items()}
    return [{"$match": match}, *_summed(question, "$hour", f"${name}", "")]


def from_facts(question: Question, limits: Limits) -> list[dict[str, Any]]:
    """The pipeline that sums the marks of facts."""
    return [
        {"$match": {"$and": [_fact_match(question), {"marks.measure": question.measure.marks}]}},
        {"$unwind": "$marks"},
        {"$match": _mark_match(question, "marks.")},
        *_summed(question, "$marks.at", "$marks.figures", "marks.", limits),
    ]


_OF_MARKS: Final = frozenset({"agent", "team", "part"})


def _path(question: Question, dimension: str, marks: str) -> str:
    name = question.field_of(dimension)
    return f"{marks}{name}" if name in _OF_MARKS else name


def _range(name: str, since: datetime | None, until: datetime | None) -> dict[str, Any]:
    ends = {"$gte": since, "$lt": until}
    given = {operator: at for operator, at in ends.items() if at is not None}
    return {name: given} if given else {}


def _fact_match(question: Question) -> dict[str, Any]:
    """What the fact itself must satisfy; staff, tests and partners only when asked for."""
    match: dict[str, Any] = {}
    if question.since is not None:
        match["until"] = {"$gte": question.since}
    if question.until is not None:
        match["since"] = {"$lt": question.until}
    if "audience" not in question.dimensions:
        match["audience"] = "customer"
    for dimension, values in question.where.items():
        if question.field_of(dimension) not in _OF_MARKS:
            match[dimension] = {"$in": list(values)}
    return match


def _mark_match(question: Question, marks: str) -> dict[str, Any]:
    match: dict[str, Any] = {f"{marks}measure": question.measure.marks}
    match |= _range(f"{marks}at", question.since, question.until)
    for dimension, values in question.where.items():
        if question.field_of(dimension) in _OF_MARKS:
            match[_path(question, dimension, marks)] = {"$in": list(values)}
    return match


def _summed(
    question: Question, at: str, figures: str, marks: str, limits: Limits | None = None
) -> list[dict[str, Any]]:
    """The stages that add up; figures whose names are known need no unwinding, which saves a quarter of the time."""
    by: dict[str, Any] = {"key": _key(question, at)}
    by |= {f"d{place}": f"${_path(question, name, marks)}" for place, name in enumerate(question.grouping)}
    if question.measure.sums is not None:
        sums: dict[str, Any] = {name: {"$sum": f"{figures}.{name}"} for name in question.measure.sums}
        if limits is not None:
            for one in question.measure.asked:
                field, operator, limit = _bound(one, limits)
                holds = {operator: [f"${marks}{field}", limit]}
                sums[one.name] = {"$sum": {"$cond": [holds, f"{figures}.{one.counts}", 0]}}
        return [{"$group": {"_id": by, **sums}}]
    group = {"figure": "$figures.k", **{name: f"${name}" for name in by}}
    return [
        {"$project": {"_id": 0, "figures": {"$objectToArray": figures}, **by}},
        {"$unwind": "$figures"},
        {"$group": {"_id": group, "amount": {"$sum": "$figures.v"}}},
    ]


def _adds_to(measure: Measure, figure: str, limits: Limits) -> dict[str, Any]:
    """`Measure.adds_to`, as a condition on a mark."""
    one = next((one for one in measure.asked if one.name == figure), None)
    if one is None:
        return {f"figures.{figure}": {"$gt": 0}}
    field, operator, limit = _bound(one, limits)
    return {f"figures.{one.counts}": {"$gt": 0}, field: {operator: limit}}


def _bound(one: Asked, limits: Limits) -> tuple[str, str, Any]:
    """`Asked.holds` in MongoDB: which field of a mark is on which side of what."""
    if one.of == "instant":
        return "at", "$lt" if one.past else "$gte", limits.now
    return f"figures.{WAITED}", "$gt" if one.past else "$lte", _millis(limits.within)


def _key(question: Question, at: str) -> Any:
    """
    Periods are made of local days, or for hours of quarters of an hour, which all zones are offset by.

    What a zone is offset by comes from our tzdata: MongoDB carries its own, which may be years older.
    """
    if question.granularity is None:
        return {"$literal": None}
    if question.granularity == "hour":
        return {"$dateTrunc": {"date": at, "unit": "minute", "binSize": _QUARTER_HOUR}}
    first, *later = offsets_within(question.zone.key, question.since, question.until)
    offset: Any = _millis(first[1])
    if later:
        branches = [{"case": {"$gte": [at, start]}, "then": _millis(change)} for start, change in reversed(later)]
        offset = {"$switch": {"branches": branches, "default": offset}}
    return {"$dateToString": {"date": {"$add": [at, offset]}, "format": "%Y-%m-%d"}}


def _millis(offset: timedelta) -> int:
    return offset // timedelta(milliseconds=1)


def _own(mark: Mapping[str, Any]) -> dict[str, Any]:
    """What of a mark stands over what its fact says."""
    return {name: mark.get(name) for name in _OF_MARKS}


def _cursor(document: Mapping[str, Any]) -> str:
    opened = document["opened_at"]
    place = [opened.isoformat() if opened else None, document["_id"]]
    return base64.urlsafe_b64encode(json.dumps(place).encode()).decode()


def _after(cursor: str | None) -> dict[str, Any]:
    """What comes after the place that a cursor names, newest first; those never opened come last."""
    if cursor is None:
        return {}
    try:
        opened, contact_id = json.loads(base64.urlsafe_b64decode(cursor))
        at = datetime.fromisoformat(opened) if opened else None
    except (binascii.Error, ValueError, TypeError):
        raise BadCursor("this cursor is none of ours") from None
    same = {"opened_at": at, "_id": {"$gt": contact_id}}
    return same if at is None else {"$or": [{"opened_at": {"$lt": at}}, {"opened_at": None}, same]}
