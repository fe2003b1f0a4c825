"""What a report is asked: checked word by word, so that a slip never answers with wrong figures."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta
from typing import Any, Final, Literal, get_args
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from rapport.contracts import cut_to_milliseconds

from metrics.domain.marks import COMBINATIONS
from metrics.domain.measures import MEASURES, Measure
from metrics.domain.periods import CLOCK, WEEKDAYS, is_whole_hour_zone, local_day, local_midnight, on_the_clock
from metrics.domain.states import DIMENSIONS

Granularity = Literal["hour", "day", "week", "month"]
Where = Mapping[str, tuple[str | None, ...]]

_OF_A_VIEW: Final = frozenset({"from", "to", "tz", "by", "filter"})
PARAMETERS: Final = _OF_A_VIEW | {"measure", "granularity", "week_start", "format", "as_of"}

_QUARTER: Final = timedelta(minutes=15)
"""All zones are whole quarters of an hour from UTC, and have been since 1972."""
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_FAR: Final = datetime(2200, 1, 1, tzinfo=UTC)
_HOURS: Final = tuple(f"{hour:02}" for hour in range(24))
_LEAST: Final = {
    "hour": timedelta(hours=1),
    "day": timedelta(hours=23),
    "week": timedelta(days=6),
    "month": timedelta(days=27),
}
_SPECIAL: Final = frozenset(',|"')
_DATE: Final = re.compile(r"\d{4}-\d\d-\d\d")
_ONE: Final = r'(?:"(?:[^"]|"")*"|[^,"|]*)'
_TERM: Final = re.compile(rf"(?P<name>[a-z_]+):(?P<values>{_ONE}(?:\|{_ONE})*)(?:,|$)")
_VALUE: Final = re.compile(rf"(?:^|\|)(?P<value>{_ONE})")


class BadQuestion(ValueError):
    """The report can't be made; `errors` are pairs of the parameter's pointer and what is wrong with it."""

    def __init__(self, errors: Sequence[tuple[str, str]]) -> None:
        super().__init__("; ".join(f"{pointer[1:]}: {reason}" for pointer, reason in errors))
        self.errors = tuple(errors)


@dataclass(frozen=True, slots=True)
class Question:
    """
    A report's measure, range (from, inclusive, to, exclusive) and grouping.

    `as_of` is the instant up to which things count that were booked; all do where it is None.
    """

    measure: Measure
    since: datetime | None = None
    until: datetime | None = None
    by: tuple[str, ...] = ()
    granularity: Granularity | None = None
    zone: ZoneInfo = field(default_factory=lambda: ZoneInfo("UTC"))
    week_start: int = 0
    where: Where = field(default_factory=dict)
    as_of: datetime | None = None

    @property
    def last_day(self) -> date | None:
        """The local day whose end `as_of` is."""
        return None if self.as_of is None else local_day(self.as_of - timedelta(milliseconds=1), self.zone)

    def looked_at(self, now: datetime) -> datetime:
        """The instant whose figures are asked for."""
        return now if self.as_of is None else min(now, self.as_of)

    def looks_back(self, now: datetime) -> bool:
        """Whether anything may have been booked since the instant asked for."""
        return self.as_of is not None and self.as_of <= now

    @property
    def grouping(self) -> tuple[str, ...]:
        """The dimensions of the rows: those asked for, the one that is never pooled, and the one that is compared."""
        always = (self.measure.part if self.measure.kept_apart else None, self.measure.compares)
        if self.measure.clock == "always" and not set(self.by) & set(CLOCK):
            always = CLOCK
        return (*self.by, *(name for name in always if name and name not in self.by))

    @property
    def dimensions(self) -> frozenset[str]:
        return frozenset(self.grouping) | frozenset(self.where)

    def field_of(self, dimension: str) -> str:
        """Under which name rows and marks keep a dimension."""
        return "part" if dimension == self.measure.part else dimension

    def admits(self, at: datetime, fields: Mapping[str, Any]) -> bool:
        """Whether what is counted at an instant, with these dimensions, belongs into the report."""
        if (self.since is not None and at < self.since) or (self.until is not None and at >= self.until):
            return False
        return all(self.value_of(name, at, fields) in values for name, values in self.where.items())

    def value_of(self, dimension: str, at: datetime, fields: Mapping[str, Any]) -> str | None:
        """Under which value of a dimension something is counted that has these fields."""
        if self.measure.clock and dimension in CLOCK:
            return on_the_clock(dimension, at, self.zone)
        value: str | None = fields.get(self.field_of(dimension))
        return value

    def by_the_hour(self) -> "Question":
        """The question of hours whose answer says what one by the clock asks for; its dimensions come in this order."""
        where = {name: values for name, values in self.where.items() if name not in CLOCK}
        by = tuple(name for name in self.grouping if name not in CLOCK)
        return replace(self, measure=MEASURES[self.measure.marks], by=by, where=where, granularity="hour")

    def beside(self) -> "Question | None":
        """The question about what stands beside the figures, where it can be divided as they are."""
        name = self.measure.beside
        return None if name is None or self.measure.part in self.dimensions else replace(self, measure=MEASURES[name])

    def periods(self, now: datetime) -> int:
        """How many it has at most, where it goes up to now unless it says otherwise."""
        if self.since is None or self.granularity is None:
            return 1
        return ((self.until or now) - self.since) // _LEAST[self.granularity] + 2

    @property
    def is_by_clock(self) -> bool:
        return bool(self.measure.clock and self.dimensions & set(CLOCK))

    @property
    def where_on_clock(self) -> Where:
        """The filters by local hour and weekday."""
        return {name: values for name, values in self.where.items() if self.measure.clock and name in CLOCK}

    def admits_hour(self, at: datetime) -> bool:
        return all(on_the_clock(name, at, self.zone) in values for name, values in self.where_on_clock.items())

    def hours(self) -> list[tuple[datetime, datetime]]:
        """The stretches of a bounded range that the filters by local hour and weekday admit."""
        found: list[tuple[datetime, datetime]] = []
        at, until = self.since or _EPOCH, self.until or _EPOCH
        step = timedelta(hours=1) if is_whole_hour_zone(self.zone.key) else _QUARTER
        while at < until:
            end = min(until, at + step - (at - _EPOCH) % step)
            if self.admits_hour(at):
                joins = found and found[-1][1] == at
                found[-1:] = [(found[-1][0], end)] if joins else [*found[-1:], (at, end)]
            at = end
        return found

    def combination(self) -> str | None:
        """The hourly rows that can answer exactly, or None where only the facts can."""
        ends = [at for at in (self.since, self.until) if at is not None]
        if (
            self.measure.asked
            or self.measure.whole
            or any(at != at.replace(minute=0, second=0, microsecond=0) for at in ends)
        ):
            return None
        if self.granularity and not is_whole_hour_zone(self.zone.key):
            return None
        wanted = {self.field_of(dimension) for dimension in self.dimensions}
        return next((name for name, held in COMBINATIONS.items() if wanted <= set(held)), None)


def parse(
    parameters: Mapping[str, Sequence[str]], *, also: frozenset[str] = frozenset(), measure: str | None = None
) -> Question:
    """
    The question that query parameters ask; `also` names further parameters that the caller reads itself.

    Where the caller asks for a `measure`, only its range, dimensions and filter are asked for.
    """
    if measure is None:
        return _Reader(parameters, PARAMETERS | also).question()
    return _Reader(parameters, _OF_A_VIEW | also, measure).question()


def parse_range(parameters: Mapping[str, Sequence[str]]) -> tuple[datetime | None, datetime | None]:
    """The range that `from`, `to` and `tz` give."""
    reader = _Reader(parameters, known=frozenset({"from", "to", "tz"}))
    zone = reader.zone()
    ends = reader.instant("from", zone), reader.instant("to", zone)
    if reader.errors:
        raise BadQuestion(reader.errors)
    return ends


class _Reader:
    def __init__(
        self, parameters: Mapping[str, Sequence[str]], known: frozenset[str], measure: str | None = None
    ) -> None:
        self.errors: list[tuple[str, str]] = []
        self.measure = measure
        self.given = {name: [value for value in values if value] for name, values in parameters.items()}
        for name in parameters:
            if name not in known:
                self.wrong(name, f"unknown parameter; there are {', '.join(sorted(known))}")

    def wrong(self, name: str, reason: str) -> None:
        self.errors.append((f"/{name}", reason))

    def one(self, name: str) -> str | None:
        values = self.given.get(name) or []
        if len(values) > 1:
            self.wrong(name, "is given more than once")
        return values[0] if values else None

    def choice(self, name: str, among: Sequence[str]) -> str | None:
        value = self.one(name)
        if value is not None and value not in among:
            self.wrong(name, f"must be one of {', '.join(among)}")
            return None
        return value

    def question(self) -> Question:
        name = self.measure or self.choice("measure", tuple(MEASURES))
        if name is None and not any(pointer == "/measure" for pointer, _ in self.errors):
            self.wrong("measure", f"is missing; there are {', '.join(MEASURES)}")
        measure = MEASURES[name or "contacts"]
        zone = self.zone()
        granularity = self.choice("granularity", get_args(Granularity))
        self.choice("format", ("json", "csv"))
        self.suits(measure, granularity)
        question = Question(
            measure,
            self.instant("from", zone),
            self.instant("to", zone),
            self.by(measure),
            granularity,  # type: ignore[arg-type] # one of the literals, checked above
            zone,
            self.week_start(),
            self.where(measure),
            self.end_of("as_of", zone),
        )
        if question.since and question.until and question.since >= question.until:
            self.wrong("to", "must be after from; the range ends before `to`")
        if self.errors:
            raise BadQuestion(self.errors)
        return question

    def zone(self) -> ZoneInfo:
        name = self.one("tz") or "UTC"
        try:
            return ZoneInfo(name)
        except (ZoneInfoNotFoundError, ValueError, OSError):
            self.wrong("tz", f"{name!r} is no time zone of the IANA database, such as Europe/Berlin")
            return ZoneInfo("UTC")

    def instant(self, name: str, zone: ZoneInfo) -> datetime | None:
        text = self.one(name)
        if text is None:
            return None
        try:
            if _DATE.fullmatch(text):
                return self.within_reason(name, local_midnight(date.fromisoformat(text), zone))
            text = re.sub(r" (\d\d:\d\d)$", r"+\1", text.upper())  # "+" of a query string is a blank
            at = datetime.fromisoformat(text)
            if at.tzinfo is not None:
                return self.within_reason(name, cut_to_milliseconds(at))
        except (ValueError, OverflowError):
            self.wrong(name, "must be a date, or an RFC 3339 date and time with an offset")
            return None
        self.wrong(name, "lacks an offset; a date alone means midnight in tz")
        return None

    def end_of(self, name: str, zone: ZoneInfo) -> datetime | None:
        """The midnight after a day."""
        text = self.one(name)
        if text is None:
            return None
        try:
            day = date.fromisoformat(text) if _DATE.fullmatch(text) else None
        except ValueError:
            day = None
        if day is None:
            self.wrong(name, "must be a date, such as 2026-03-31")
        elif not _EPOCH.year <= day.year < _FAR.year:
            self.wrong(name, f"must be from {_EPOCH.year} to {_FAR.year - 1}")
        else:
            return local_midnight(day + timedelta(days=1), zone)
        return None

    def within_reason(self, name: str, at: datetime) -> datetime:
        if not _EPOCH <= at < _FAR:
            self.wrong(name, f"must be from {_EPOCH.year} to {_FAR.year - 1}")
        return at

    def suits(self, measure: Measure, granularity: str | None) -> None:
        """What is of whole periods, or to date, can't be had of everything."""
        if measure.over == "periods" and self.one("from") is None:
            self.wrong("from", f"is missing: {measure.name} compares the end of a range with its beginning")
        if measure.over == "periods" and granularity == "hour":
            self.wrong("granularity", f"{measure.name} is by day, week or month")
        if measure.over == "to_date":
            for name in ("from", "granularity"):
                if self.one(name) is not None:
                    self.wrong(name, f"{measure.name} is of all that was up to an instant (`to`, else now)")

    def known(self, measure: Measure) -> tuple[str, ...]:
        own = CLOCK if measure.clock else (measure.part,) if measure.part else ()
        return (*(measure.dimensions or DIMENSIONS), "audience", *own)

    def by(self, measure: Measure) -> tuple[str, ...]:
        names = [name.strip() for value in self.given.get("by", []) for name in value.split(",") if name.strip()]
        known = self.known(measure)
        for name in names:
            if name not in known:
                self.wrong("by", f"{name!r} is no dimension of {measure.name}; there are {', '.join(known)}")
        return tuple(dict.fromkeys(names))

    def week_start(self) -> int:
        value = (self.one("week_start") or "monday").lower()
        found = [number for number, day in enumerate(WEEKDAYS) if value in (day, day[:3])]
        if not found:
            self.wrong("week_start", f"must be one of {', '.join(WEEKDAYS)}")
        return found[0] if found else 0

    def where(self, measure: Measure) -> Where:
        terms: dict[str, tuple[str | None, ...]] = {}
        known = self.known(measure)
        for text in self.given.get("filter", []):
            for name, values in self.terms(text):
                if name not in known:
                    self.wrong("filter", f"{name!r} is no dimension of {measure.name}; there are {', '.join(known)}")
                elif name in terms:
                    self.wrong("filter", f"{name!r} is given twice; alternatives are written {name}:a|b")
                elif measure.clock and name in CLOCK:
                    self.check_clock(name, values)
                terms[name] = values
        return terms

    def check_clock(self, name: str, values: Sequence[str | None]) -> None:
        known = WEEKDAYS if name == "weekday" else _HOURS
        for value in values:
            if value not in known:
                self.wrong("filter", f"{value!r} is no {name}; there are {', '.join(known)}")

    def terms(self, text: str) -> Iterator[tuple[str, tuple[str | None, ...]]]:
        position = 0
        while position < len(text):
            term = _TERM.match(text, position)
            if not term:
                self.wrong("filter", f"can't be read from {text[position:]!r} on; it is written channel:email,team:a|b")
                return
            yield term["name"], alternatives(term["values"])
            position = term.end()


def alternatives(text: str) -> tuple[str | None, ...]:
    """
    The values of a filter's term: `a|b`; an empty one means none given.

    Quotes stand around what holds a comma, a bar or a quote, which is then doubled.
    """
    values = [found["value"] for found in _VALUE.finditer(text)]
    return tuple((value[1:-1].replace('""', '"') if value.startswith('"') else value) or None for value in values)


def term(dimension: str, *values: str | None) -> str:
    """A filter's term for values of which one will do; the inverse of reading it."""
    return f"{dimension}:{'|'.join(_quoted(value or '') for value in values)}"


def _quoted(text: str) -> str:
    return '"' + text.replace('"', '""') + '"' if set(text) & _SPECIAL else text
