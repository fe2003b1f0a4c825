"""When customers come, against open hours."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from metrics.dashboard.charts import Row
from metrics.dashboard.span import Span
from metrics.domain.periods import WEEKDAYS

HOURS: Final = tuple(f"{hour:02}" for hour in range(24))
_LEVELS: Final = 5
_LONGEST: Final = 400


@dataclass(frozen=True, slots=True)
class Heat:
    """One hour of the week: how many came, how much of the most that is (0 to 5), whether most came out of hours."""

    count: int
    level: int
    is_closed: bool
    title: str
    href: str


@dataclass(frozen=True, slots=True)
class HeatMap:
    """Hours of the week; without cells where nobody came."""

    caption: str
    rows: Sequence[tuple[str, Sequence[Heat]]] = ()


def heat_map(span: Span, arrivals: Sequence[Row], hours: Sequence[Row], share: Row) -> HeatMap:
    """Arrivals by weekday and hour; `hours` says how many of each came while we were closed, `share` of them all."""
    held = {(row["weekday"], row["hour"]): row["arrivals"] for row in arrivals}
    closed = {(row["weekday"], row["hour"]): row["share"] for row in hours}
    most = max(held.values(), default=0)
    if not most:
        return HeatMap("Nobody has come these days.")
    rows = [(day, [_heat(span, day, hour, held, closed, most) for hour in HOURS]) for day in WEEKDAYS]
    known = share["count"]
    told = f" {share['out_of_hours']} of {known} came while we were closed." if known else ""
    return HeatMap(f"Contacts by local hour ({span.zone.key}); the most in one is {most}.{told}", rows)


def _heat(
    span: Span,
    day: str,
    hour: str,
    held: dict[tuple[str, str], int],
    closed: dict[tuple[str, str], float | None],
    most: int,
) -> Heat:
    count, share = held.get((day, hour), 0), closed.get((day, hour)) or 0.0
    is_closed = share >= 1 / 2
    title = f"{day} {hour}:00: {count} contacts{', most of them while we were closed' if is_closed else ''}"
    href = span.link("arrivals", weekday=day, hour=hour) if count and span.days <= _LONGEST else ""
    return Heat(count, -(-count * _LEVELS // most), is_closed, title, href)
