"""How single figures go from period to period."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from metrics.dashboard.charts import HEIGHT, WIDTH, Bar, Cell, Chart, Row
from metrics.dashboard.span import Span
from metrics.dashboard.words import duration, percent


@dataclass(frozen=True, slots=True)
class Trend:
    """A figure that is worth watching, how it is said, and what stands beside it; `most` is its top, if it has one."""

    measure: str
    figure: str
    title: str
    caption: str
    say: Callable[[Any], str]
    count: str
    counted: str
    style: str
    most: float | None = None


_ANSWERED = ("Half were answered within.", duration, "count", "answered", "p50")
TRENDS = (
    Trend("sla", "attainment", "Deadlines met", "Share of what fell due.", percent, "met", "met", "met", 1.0),
    Trend("first_response", "calendar_p50", "First response", *_ANSWERED),
    Trend("csat", "score", "Satisfied", "Share of answers 4 or 5.", percent, "answers", "answers", "score", 1.0),
)


def trend_chart(span: Span, trend: Trend, rows: Sequence[Row]) -> Chart:
    """A bar for each period that has a figure; periods without one stay empty and say so in the table."""
    held = {row["period"]: row for row in rows}
    periods = span.periods()
    values = [row[trend.figure] for row in rows if row[trend.figure] is not None]
    top = trend.most or max(values, default=0) or 1
    step = WIDTH / len(periods)
    bars, table = [], []
    for place, period in enumerate(periods):
        row = held.get(period.isoformat())
        value, count = (row[trend.figure], row[trend.count]) if row else (None, 0)
        href = span.link(trend.measure, figure=_listed(trend), period=period)
        if value is not None:
            tall = max(1.0, HEIGHT * value / top)
            title = f"{period}: {trend.say(value)}"
            bars.append(Bar(place * step + step * 0.1, HEIGHT - tall, step * 0.8, tall, trend.style, title, href))
        table.append((Cell(period.isoformat()), Cell(trend.say(value)), Cell(str(count), href if count else "")))
    return Chart(
        f"trend-{trend.measure}",
        f"{trend.title} per {span.granularity}",
        f"{trend.caption} The top is {trend.say(top)}." if bars else trend.caption,
        (span.granularity, trend.title.lower(), trend.counted),
        table,
        bars,
        axis=(periods[0].isoformat(), span.last_day.isoformat()),
        empty="Nothing to show for these days.",
    )


def _listed(trend: Trend) -> str | None:
    """The figure whose contacts are listed; answers to surveys are all of them."""
    return None if trend.count == "answers" else trend.count
