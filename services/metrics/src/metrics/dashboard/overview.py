"""All figures side by side, each against as many days before."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from metrics.dashboard.charts import Cell, Row
from metrics.dashboard.span import Span
from metrics.dashboard.words import by_points, by_share, duration, percent, plain
from metrics.domain.measures import MEASURES


@dataclass(frozen=True, slots=True)
class Headline:
    """
    The figure of a measure that is shown first, how it is said and compared, and out of how many it is.

    `listed` is the figure whose contacts or customers lie behind it, None for all. `each` is a dimension that is never
    pooled: each of its values has a line.
    """

    measure: str
    title: str
    figure: str
    say: Callable[[Any], str]
    change: Callable[[Any, Any], str]
    of: str = ""
    listed: str | None = None
    each: str = ""


def _counted(now: float | None, before: float | None) -> str:
    return by_share(now, before, "more", "fewer")


def _timed(now: float | None, before: float | None) -> str:
    return by_share(now, before, "longer", "shorter")


def _number(value: float | None) -> str:
    return "–" if value is None else f"{value:.0f}"


def _score(value: float | None) -> str:
    return "–" if value is None else f"{round(value):+d}"


def _score_moved(now: float | None, before: float | None) -> str:
    return by_points(*(None if value is None else value / 100 for value in (now, before)))


def _money(value: float | None) -> str:
    return "–" if value is None else f"{value:,.2f}"


_SHARE: Final = (percent, by_points)
_SCORE: Final = (_score, _score_moved)
_MONEY: Final = (_money, lambda now, before: by_share(now, before, "more", "less"))
_COUNT: Final = (_number, _counted)
_TIME: Final = (duration, _timed)

GROUPS: Final[Mapping[str, Sequence[Headline]]] = {
    "How much comes": (
        Headline("contacts", "Contacts opened", "contacts", *_COUNT),
        Headline("messages", "Messages of customers", "messages", *_COUNT),
        Headline("out_of_hours", "Came out of hours", "share", *_SHARE, "count", "out_of_hours"),
        Headline("repeat_contacts", "Came again about the same", "share", *_SHARE, "count", "repeat_contacts"),
        Headline("reopens", "Reopened", "reopens", *_COUNT),
    ),
    "How soon": (
        Headline("first_response", "First response, half within", "calendar_p50", *_TIME, "count", "count"),
        Headline("first_response", "Still waiting for it", "still_waiting", *_COUNT, "", "still_waiting"),
        Headline("resolution", "Resolution, half within", "calendar_p50", *_TIME, "count", "count"),
        Headline("answered_within", "Answered within the limit", "service_level", *_SHARE, "answered", "within"),
        Headline("sla", "Deadlines met", "attainment", *_SHARE, "met", "breached"),
        Headline("consistency", "Between the best and the worst location", "spread", *_SHARE),
        Headline("promises", "Promises broken", "broken", *_COUNT, "", "broken"),
    ),
    "How well": (
        Headline("fcr", "Settled at first contact", "fcr", *_SHARE, "count", "settled"),
        Headline("continuity", "Answered by somebody they know", "continuity", *_SHARE, "count", "count"),
        Headline("in_language", "Answered in their language", "share", *_SHARE, "count", "count"),
        Headline("handovers", "Handed over", "handovers", *_COUNT),
        Headline("escalations", "Handed up", "escalations", *_COUNT),
        Headline("aht", "Handling time, mean", "mean", *_TIME, "count"),
        Headline("quality", "Reviewed quality, of the best", "mean", *_SHARE, "count"),
    ),
    "What customers say": (
        Headline("csat", "Satisfied", "score", *_SHARE, "answers"),
        Headline("ces", "Found it easy", "score", *_SHARE, "answers"),
        Headline("nps", "Would recommend us (NPS)", "score", *_SCORE, "answers", each="context"),
        Headline("response_rate", "Answered a survey", "response_rate", *_SHARE, "sent", "answers"),
    ),
    "What we owe and keep": (
        Headline("followups", "Calls overdue", "overdue", *_COUNT, "", "overdue"),
        Headline("followups", "Calls made", "done", *_COUNT, "", "done"),
        Headline("retention", "Customers kept", "retention", *_SHARE, "at_start", "kept"),
        Headline("churn", "Customers lost", "lost", *_COUNT, "at_start", "lost"),
        Headline("after_sale", "Sales complained of", "share", *_SHARE, "purchases", "complained"),
        Headline("cltv", "Lifetime value to date, mean", "mean", *_MONEY, "customers", "customers", each="currency"),
    ),
}


def shown(span: Span, *, of_teams: bool) -> dict[str, list[Headline]]:
    """Those that can be had of what the page is narrowed down to, or of some teams."""

    def can_be_had(one: Headline) -> bool:
        known = MEASURES[one.measure].dimensions
        return known is None or (not of_teams and set(span.where) <= {*known, "audience"})

    found = {title: [one for one in some if can_be_had(one)] for title, some in GROUPS.items()}
    return {title: some for title, some in found.items() if some}


HEAD: Final = ("figure", "now", "of", "before", "change")


Found = Mapping[str, Sequence[Row]]
"""The rows of each measure."""


def lines(span: Span, headlines: Sequence[Headline], now: Found, before: Found) -> list[tuple[Cell, ...]]:
    """A line of a table for each, or for each value of what is never pooled, with a way to what lies behind it."""
    return [
        _line(span, one, value, *(_row(one, value, found[one.measure]) for found in (now, before)))
        for one in headlines
        for value in _values(one, now, before)
    ]


def _values(one: Headline, now: Found, before: Found) -> list[str | None]:
    if not one.each:
        return [None]
    values = {row[one.each] for found in (now, before) for row in found[one.measure]}
    return sorted(values, key=lambda value: (value is None, value or "")) or [None]


def _row(one: Headline, value: str | None, rows: Sequence[Row]) -> Row:
    """The row that has the figure; one without anything where there is none."""
    mine = [row for row in rows if not one.each or row[one.each] == value]
    return next((row for row in mine if row[one.figure] is not None), MEASURES[one.measure].finish({}))


def _line(span: Span, one: Headline, value: str | None, now: Row, before: Row) -> tuple[Cell, ...]:
    figure, then = now[one.figure], before[one.figure]
    customers = MEASURES[one.measure].dimensions is not None
    pinned: dict[str, Any] = {one.each: value} if one.each else {}
    href = span.link(one.measure, figure=one.listed, customers=customers, **pinned) if figure else ""
    title = f"{one.title}, {plain(value)}" if value else one.title
    return (
        Cell(title),
        Cell(one.say(figure), href),
        Cell(_whole(one, now)),
        Cell(one.say(then)),
        Cell(one.change(figure, then)),
    )


def _whole(one: Headline, now: Row) -> str:
    """Out of how many, and how sure that makes it (95 %)."""
    whole = "" if not one.of else f"{now[one.of]}" if one.of == "count" else f"{now[one.of]} {plain(one.of)}"
    is_known = MEASURES[one.measure].compares is None and now.get("low") is not None
    sure = f"{one.say(now['low'])} to {one.say(now['high'])}" if is_known else ""
    return ", ".join(part for part in (whole, sure) if part)
