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

    `listed` is the figure whose contacts or customers lie behind it, None for all.
    """

    measure: str
    title: str
    figure: str
    say: Callable[[Any], str]
    change: Callable[[Any, Any], str]
    of: str = ""
    listed: str | None = None


def _counted(now: float | None, before: float | None) -> str:
    return by_share(now, before, "more", "fewer")


def _timed(now: float | None, before: float | None) -> str:
    return by_share(now, before, "longer", "shorter")


def _number(value: float | None) -> str:
    return "–" if value is None else f"{value:.0f}"


_SHARE: Final = (percent, by_points)
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
        Headline("response_rate", "Answered a survey", "response_rate", *_SHARE, "sent", "answers"),
    ),
    "What we owe and keep": (
        Headline("followups", "Calls overdue", "overdue", *_COUNT, "", "overdue"),
        Headline("followups", "Calls made", "done", *_COUNT, "", "done"),
        Headline("retention", "Customers kept", "retention", *_SHARE, "at_start", "kept"),
        Headline("churn", "Customers lost", "lost", *_COUNT, "at_start", "lost"),
        Headline("after_sale", "Sales complained of", "share", *_SHARE, "purchases", "complained"),
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


def lines(span: Span, headlines: Sequence[Headline], now: Mapping[str, Row], before: Mapping[str, Row]) -> list[Any]:
    """A line of a table for each, with a way to what lies behind it."""
    return [_line(span, one, now[one.measure], before[one.measure]) for one in headlines]


def _line(span: Span, one: Headline, now: Row, before: Row) -> tuple[Cell, ...]:
    value, then = now[one.figure], before[one.figure]
    customers = MEASURES[one.measure].dimensions is not None
    href = span.link(one.measure, figure=one.listed, customers=customers) if value else ""
    whole = "" if not one.of else f"{now[one.of]}" if one.of == "count" else f"{now[one.of]} {plain(one.of)}"
    return Cell(one.title), Cell(one.say(value), href), Cell(whole), Cell(one.say(then)), Cell(one.change(value, then))
