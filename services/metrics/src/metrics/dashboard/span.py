"""The days that a page shows, what it shows of them, and the addresses of what lies behind."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta
from typing import Final
from urllib.parse import urlencode
from zoneinfo import ZoneInfo

from metrics.domain.measures import MEASURES
from metrics.domain.periods import local_day, local_midnight, period_end, period_of_day
from metrics.domain.question import Granularity, Question, Where, term

_MOST_BARS: Final = 120


@dataclass(frozen=True, slots=True)
class Span:
    """The days that the page shows, the last one left out, of what `where` lets through."""

    first: date
    last: date
    zone: ZoneInfo
    note: str = ""
    where: Where = field(default_factory=dict)

    @property
    def granularity(self) -> Granularity:
        """Days, or weeks or months where there would be too many bars."""
        return "day" if self.days <= _MOST_BARS else "week" if self.days <= 7 * _MOST_BARS else "month"

    @property
    def days(self) -> int:
        return (self.last - self.first).days

    @property
    def last_day(self) -> date:
        return self.last - timedelta(days=1)

    @property
    def before(self) -> "Span":
        """As many days, those just before."""
        return replace(self, first=self.first - timedelta(days=self.days), last=self.first)

    def question(self, measure: str, *by: str, granularity: Granularity | None = None) -> Question:
        """A question about these days; of what is to date only their end counts."""
        since, until = (local_midnight(day, self.zone) for day in (self.first, self.last))
        asked = MEASURES[measure]
        begins = None if asked.over == "to_date" else since
        return Question(asked, begins, until, by, granularity, self.zone, where=self.where)

    def periods(self) -> list[date]:
        """The first days of all periods that the span touches."""
        found = [period_of_day(self.first, self.granularity, 0)]
        while (following := period_end(found[-1], self.granularity)) < self.last:
            found.append(following)
        return found

    def link(
        self,
        measure: str,
        *,
        figure: str | None = None,
        period: date | None = None,
        customers: bool = False,
        **pinned: str | None,
    ) -> str:
        """The address of the contacts, or customers, behind a figure."""
        first = self.first if period is None else max(period, self.first)
        last = self.last if period is None else min(period_end(period, self.granularity), self.last)
        words = {"measure": measure, "from": first.isoformat(), "to": last.isoformat(), "tz": self.zone.key}
        if MEASURES[measure].over == "to_date":
            del words["from"]
        words |= self._filtered({**self.where, **{name: (value,) for name, value in pinned.items()}})
        if figure:
            words["figure"] = figure
        return f"{'/v1/report/customers' if customers else '/contacts'}?{urlencode(words)}"

    def page(self, by: str, *, preset: int | None = None, where: Where | None = None, path: str = "/") -> str:
        """The address of the page: these days, or the last few of a preset."""
        days = {"from": self.first.isoformat(), "to": self.last.isoformat()}
        words = {**(days if preset is None else {"days": str(preset)}), "tz": self.zone.key}
        return f"{path}?{urlencode({**words, 'by': by, **self._filtered(self.where if where is None else where)})}"

    @property
    def filter(self) -> str:
        """What it is narrowed down to, as it is written in the address."""
        return _written(self.where)

    @staticmethod
    def _filtered(where: Where) -> Mapping[str, str]:
        return {"filter": _written(where)} if where else {}


def _written(where: Where) -> str:
    return ",".join(term(name, *values) for name, values in where.items())


def span_of(days: int, now: datetime, newest: datetime | None, zone: ZoneInfo) -> Span:
    """The last days up to today; where nothing has come in them, the last days up to the newest contact."""
    today = local_day(now, zone)
    first = today - timedelta(days=days - 1)
    if newest is not None and local_day(newest, zone) < first:
        last = local_day(newest, zone) + timedelta(days=1)
        note = f"Nothing has come in during the last {days} days; these are the newest figures there are."
        return Span(last - timedelta(days=days), last, zone, note)
    return Span(first, today + timedelta(days=1), zone)
