"""Rows of a report out of summed figures."""

import csv
import io
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any

from rapport.contracts import format_instant

from metrics.domain.counted import marks_in, own, sums_of
from metrics.domain.finish import Sums
from metrics.domain.measures import Limits
from metrics.domain.periods import WEEKDAYS, local_day, period_of_day, period_of_hour
from metrics.domain.question import Question


@dataclass(frozen=True, slots=True)
class Group:
    """Sums of one group. `key` is the local date, for hours the instant, without granularity None."""

    key: date | datetime | None
    values: tuple[str | None, ...]
    sums: Sums


class Tally:
    """Groups that are added up one thing after the other."""

    def __init__(self, question: Question) -> None:
        self._question = question
        self._sums: dict[tuple[date | datetime | None, tuple[str | None, ...]], dict[str, int]] = defaultdict(dict)

    def add(self, at: datetime, fields: Mapping[str, Any], figures: Sums) -> None:
        """One thing counted at an instant, under these dimensions."""
        question = self._question
        key: date | datetime | None = None
        if question.granularity is not None:
            key = at if question.granularity == "hour" else local_day(at, question.zone)
        sums = self._sums[key, tuple(question.value_of(name, at, fields) for name in question.grouping)]
        for figure, amount in figures.items():
            sums[figure] = sums.get(figure, 0) + amount

    def add_fact(self, fact: Mapping[str, Any], limits: Limits, *, times: int = 1) -> None:
        """What a fact counts (`ContactFact.index`); with `times` −1 it is taken off again."""
        for mark in marks_in(self._question, fact):
            sums = sums_of(self._question.measure, mark, limits)
            self.add(mark["at"], {**fact, **own(mark)}, {name: times * n for name, n in sums.items()})

    def groups(self) -> list[Group]:
        return [Group(key, values, sums) for (key, values), sums in self._sums.items()]


def by_the_clock(question: Question, hours: Question, groups: Iterable[Group]) -> list[Group]:
    """The groups by local hour and weekday, out of those of the same question by the hour."""
    tally = Tally(question)
    for group in groups:
        assert isinstance(group.key, datetime)  # noqa: S101 - asked for by the hour
        fields = dict(zip(hours.grouping, group.values, strict=True))
        if question.admits_hour(group.key):
            tally.add(group.key, fields, group.sums)
    return tally.groups()


def columns(question: Question) -> tuple[str, ...]:
    period = ("period",) if question.granularity else ()
    return (*period, *question.grouping, *question.measure.figures)


def rows(question: Question, groups: Iterable[Group]) -> list[dict[str, Any]]:
    """
    The rows in order of period and dimensions, those without a value last.

    Groups with nothing in them are left out; the whole range undivided always
    has its row.
    """
    totals: dict[tuple[date | datetime | None, tuple[str | None, ...]], dict[str, int]] = defaultdict(dict)
    for group in groups:
        row = totals[_period(question, group.key), group.values]
        for figure, amount in group.sums.items():
            row[figure] = row.get(figure, 0) + amount
    held = {key: sums for key, sums in totals.items() if any(sums.values())}
    if not held and not question.granularity and not question.grouping:
        held = {(None, ()): {}}
    if question.beside() is not None:
        held = {key: {str(question.measure.beside): 0, **sums} for key, sums in held.items()}
    names = question.grouping
    ordered = sorted(held, key=lambda key: (_rank(key[0]), [*map(_place, names, key[1])]))
    found = [_row(question, period, values, held[period, values]) for period, values in ordered]
    return _with_spread(question, found) if question.measure.compares else found


def _place(dimension: str, value: str | None) -> tuple[bool, int, str]:
    """Where a value stands among the others; days of the week in their own order."""
    day = WEEKDAYS.index(value) if dimension == "weekday" and value in WEEKDAYS else 0
    return value is None, day, value or ""


def _with_spread(question: Question, found: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The same, each with how far apart the best and the worst are of those that it is compared with."""
    compared = str(question.measure.compares)
    beside = [name for name in ("period", *question.grouping) if name != compared]
    sides: dict[tuple[Any, ...], list[float]] = defaultdict(list)
    sound = [row for row in found if row[compared] is not None and row["attainment"] is not None]
    for row in sound:
        sides[tuple(row.get(name) for name in beside)].append(row["attainment"])
    for row in sound:
        shares = sides[tuple(row.get(name) for name in beside)]
        row["spread"] = round(max(shares) - min(shares), 6)
    return found


def _period(question: Question, key: date | datetime | None) -> date | datetime | None:
    if key is None or question.granularity is None:
        return None
    if isinstance(key, datetime):
        return period_of_hour(key, question.zone).astimezone(UTC)  # Python takes the two hours of a fold for one
    return period_of_day(key, question.granularity, question.week_start)


def _rank(period: date | datetime | None) -> float:
    if period is None:
        return 0
    return period.timestamp() if isinstance(period, datetime) else period.toordinal()


def _row(
    question: Question, period: date | datetime | None, values: Sequence[str | None], sums: Sums
) -> dict[str, Any]:
    shown = period.astimezone(question.zone) if isinstance(period, datetime) else period
    head: dict[str, Any] = {"period": shown.isoformat()} if shown else {}
    return head | dict(zip(question.grouping, values, strict=True)) | question.measure.finish(sums)


def document(question: Question, groups: Iterable[Group], now: datetime) -> dict[str, Any]:
    """The report as JSON."""
    return {
        "measure": question.measure.name,
        "from": format_instant(question.since) if question.since else None,
        "to": format_instant(question.until) if question.until else None,
        "tz": question.zone.key,
        "granularity": question.granularity,
        "by": list(question.grouping),
        "as_of": format_instant(now),
        "rows": rows(question, groups),
    }


def as_csv(question: Question, groups: Iterable[Group]) -> str:
    """The same rows as CSV (RFC 4180); what is null is empty."""
    text = io.StringIO()
    writer = csv.DictWriter(text, columns(question), lineterminator="\r\n")
    writer.writeheader()
    writer.writerows(rows(question, groups))
    return text.getvalue()
