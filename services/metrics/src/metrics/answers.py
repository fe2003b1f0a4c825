"""What the routes answer, as JSON: facts, fates and the balance in the contract's words."""

import csv
import io
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, Final

from rapport.contracts import format_instant

from metrics.domain import ContactFact, JournalEntry
from metrics.domain.loyalty import MILLION
from metrics.domain.measures import Measure
from metrics.domain.states import DIMENSIONS, instant
from metrics.rejections import Rejection
from metrics.store import Newest


def nature(fact: ContactFact) -> dict[str, Any]:
    """Whose contact it is, what it is, and how it stands."""
    return {
        "contact_id": fact.id,
        "customer_id": fact.customer_id,
        "opened_at": None if fact.opened_at is None else format_instant(instant(fact.opened_at)),
        "status": fact.status,
        **{name: fact.dimensions.get(name) for name in DIMENSIONS},
        "audience": fact.profile.audience,
    }


def counted(fact: ContactFact, marks: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    """A contact behind a cell, with what it adds there."""
    return {**nature(fact), "counted": marks_told(marks)}


def nobodys(fact: ContactFact, marks: Iterable[Mapping[str, Any]]) -> tuple[ContactFact, list[dict[str, Any]]]:
    """A contact and what it adds, without whose they are."""
    about = {name: value for name, value in fact.dimensions.items() if name != "agent"}
    return fact.but(dimensions=about), _nobodys(marks)


def nobodys_marks_told(marks: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    return marks_told(_nobodys(marks))


def _nobodys(marks: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    return [{name: value for name, value in mark.items() if name != "agent"} for mark in marks]


def marks_told(marks: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """What is counted, when, and whose it is."""
    told = []
    for mark in marks:
        own = {name: mark[name] for name in ("agent", "team", "part") if name in mark}
        told.append({"at": format_instant(mark["at"]), **own, "figures": _plain(mark["figures"])})
    return told


def contacts_csv(measure: Measure, page: Iterable[tuple[ContactFact, Iterable[Mapping[str, Any]]]]) -> str:
    """The contacts behind a cell as CSV (RFC 4180): a line for each thing counted, what it adds and whose it is."""
    text = io.StringIO()
    own = ("counted_at", *_COUNTED)
    columns = ("contact_id", "customer_id", "opened_at", "status", *DIMENSIONS, "audience", *own, *measure.adds)
    writer = csv.DictWriter(text, columns, lineterminator="\r\n")
    writer.writeheader()
    for fact, marks in page:
        for mark in marks:
            counted = {column: mark.get(name) for column, name in _COUNTED.items()}
            about = {**nature(fact), "counted_at": format_instant(mark["at"]), **counted}
            writer.writerow({**about, **_plain(mark["figures"])})
    return text.getvalue()


_COUNTED: Final = {"counted_agent": "agent", "counted_team": "team", "counted_part": "part"}
"""By column what of a mark it shows: whose figure it is, which need not be whose the contact is now."""


def _plain(figures: Mapping[str, int]) -> dict[str, int | float]:
    """Figures without the buckets; times in seconds, amounts in units of their currency."""
    plain: dict[str, int | float] = {}
    for name, amount in figures.items():
        if name.endswith(("open_sum", "calendar_sum", "handle_sum", "waited_sum")):
            plain[name.removesuffix("sum") + "seconds"] = amount / 1000
        elif name == "value_sum":
            plain["value"] = amount / MILLION
        elif not name.rpartition("_")[2].removeprefix("b").lstrip("-").isdecimal():
            plain[name] = amount
    return plain


def contact(fact: ContactFact, events: Newest) -> dict[str, Any]:
    """One contact of a timeline, with its newest events in order; `truncated` where there are older ones."""
    sla = [
        {"target": mark.part, "due_at": format_instant(instant(mark.at)), "status": next(iter(mark.figures))}
        for mark in fact.marks
        if mark.measure == "sla"
    ]
    scores = [
        {"survey": answer.survey, "score": answer.score, "at": format_instant(instant(answer.at))}
        for answer in fact.answers.values()
    ]
    return {
        **nature(fact),
        "sla": sla,
        "scores": scores,
        "events": [_named(entry) for entry in events.entries],
        "truncated": events.truncated,
    }


def _named(entry: JournalEntry) -> dict[str, Any]:
    return {"type": entry.type, "time": format_instant(entry.time), "source": entry.source, "id": entry.event_id}


def fate(entry: JournalEntry, fact: ContactFact | None, caused: Newest) -> dict[str, Any]:
    """
    What became of an event. `repeats` are later arrivals of the same identity, the last few of them.

    Of what it `caused` there are the newest; `truncated` where there are older ones.
    """
    return {
        **_named(entry),
        "taken_at": format_instant(entry.recorded),
        "fate": entry.fate,
        "why": entry.why,
        "customer_id": entry.customer_id,
        "contact_id": entry.contact_id,
        "backfill": entry.backfill,
        "duplicates": entry.duplicates,
        "differing": entry.differing,
        "repeats": [{"at": format_instant(repeat.at), "fate": repeat.fate} for repeat in entry.repeats],
        "counted_in": sorted({mark.measure for mark in fact.marks}) if fact and entry.fate == "folded" else [],
        "cause": entry.cause,
        "caused": [_named(one) for one in caused.entries],
        "truncated": caused.truncated,
        "digest": entry.digest,
    }


def rejected(refused: Sequence[Rejection]) -> dict[str, Any]:
    """The fate of an event that never came into the journal; `why` is the last reason."""
    last = refused[0]
    told = {"source": last.source, "id": last.event_id, "fate": "rejected", "why": last.reason}
    return {**told, "rejections": rejections(refused)}


def rejections(refused: Iterable[Rejection]) -> list[dict[str, Any]]:
    """Which services refused an event; another may have folded it, or this one after a replay."""
    return [
        {
            "service": one.service,
            "topic": one.topic,
            "pointer": one.pointer,
            "reason": one.reason,
            "at": format_instant(one.at),
        }
        for one in refused
    ]


def balance(hours: Mapping[datetime, Mapping[str, int]], now: datetime) -> dict[str, Any]:
    """
    Per hour and in total: taken in = duplicates + journal, journal = folded + rejected.

    Rejected are events dated before what has been folded for good (too_late).
    `difference` sums how far each side is from the other; 0 means that nothing
    was lost or counted twice. What metrics itself could not read is in the dead
    letters and among the rejections, and was never taken in.
    """
    rows = [{"hour": format_instant(hour), **_balanced(held)} for hour, held in hours.items()]
    totals: dict[str, int] = {}
    for held in hours.values():
        for what, amount in held.items():
            totals[what] = totals.get(what, 0) + amount
    off = sum(row["difference"] for row in rows)
    return {
        "as_of": format_instant(now),
        "balanced": off == 0,
        "total": {**_balanced(totals), "difference": off},
        "hours": rows,
    }


def _balanced(held: Mapping[str, int]) -> dict[str, Any]:
    taken, folded, late = (held.get(what, 0) for what in ("taken", "folded", "too_late"))
    repeated = held.get("duplicate", 0) + held.get("differing", 0)
    journal_folded, journal_late = held.get("journal_folded", 0), held.get("journal_too_late", 0)
    journal = journal_folded + journal_late
    return {
        "taken": taken,
        "duplicates": repeated,
        "journal": journal,
        "folded": folded,
        "rejected": late,
        "difference": abs(taken - repeated - journal) + abs(folded - journal_folded) + abs(late - journal_late),
    }


def difference(held: Mapping[str, int]) -> int:
    """By how many events the counts of an hour are off."""
    return int(_balanced(held)["difference"])
