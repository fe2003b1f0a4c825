"""Charts computed from reports: bars with their places, the tables behind them, links to the contacts behind those."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from metrics.dashboard.span import Span
from metrics.dashboard.words import duration, percent, plain

Row = Mapping[str, Any]
WIDTH: Final = 720.0
HEIGHT: Final = 160.0


@dataclass(frozen=True, slots=True)
class Bar:
    x: float
    y: float
    width: float
    height: float
    style: str
    title: str
    href: str


@dataclass(frozen=True, slots=True)
class Cell:
    text: str
    href: str = ""


@dataclass(frozen=True, slots=True)
class Chart:
    """Bars and the table behind them."""

    name: str
    title: str
    caption: str
    head: tuple[str, ...]
    table: Sequence[tuple[Cell, ...]]
    bars: list[Bar] = field(default_factory=list)
    height: float = HEIGHT
    empty: str = "Nothing to show for these days."
    axis: tuple[str, ...] = ()
    legend: list[tuple[str, str]] = field(default_factory=list)
    labels: list[str] = field(default_factory=list)


def contacts_chart(span: Span, rows: Sequence[Row]) -> Chart:
    """Contacts by period, stacked by channel."""
    held: dict[tuple[str, str | None], int] = {(row["period"], row["channel"]): row["contacts"] for row in rows}
    totals: dict[str | None, int] = defaultdict(int)
    for (_, channel), count in held.items():
        totals[channel] += count
    channels = sorted(totals, key=lambda channel: -totals[channel])
    periods = span.periods()
    most = max((sum(held.get((p.isoformat(), c), 0) for c in channels) for p in periods), default=0)
    step = WIDTH / len(periods)
    bars, table = [], []
    for place, period in enumerate(periods):
        top = HEIGHT
        cells = [Cell(period.isoformat())]
        for number, channel in enumerate(channels):
            count = held.get((period.isoformat(), channel), 0)
            href = span.link("contacts", period=period, channel=channel) if count else ""
            cells.append(Cell(str(count), href))
            if count:
                tall = HEIGHT * count / most
                top -= tall
                title = f"{period}: {count} {channel or 'no channel'}"
                bars.append(Bar(place * step + step * 0.1, top, step * 0.8, tall, f"c{number}", title, href))
        table.append(tuple(cells))
    return Chart(
        "contacts",
        f"Contacts per {span.granularity} by channel",
        f"{sum(totals.values())} contacts opened by customers; the tallest bar is {most}.",
        (span.granularity, *(plain(channel) for channel in channels)),
        table,
        bars,
        axis=(periods[0].isoformat(), periods[-1].isoformat()),
        legend=[(f"c{number}", f"{plain(channel)} {totals[channel]}") for number, channel in enumerate(channels)],
    )


_LINE: Final = 24.0


def response_chart(span: Span, rows: Sequence[Row]) -> Chart:
    """First response by channel: median and ninetieth percentile, calendar time, and who still waits."""
    longest = max((row["calendar_p90"] or 0 for row in rows), default=0) or 1
    bars, table = [], []
    for place, row in enumerate(rows):
        channel = row["channel"]
        answered = span.link("first_response", figure="count", channel=channel)
        waiting = span.link("first_response", figure="still_waiting", channel=channel)
        for name, style, offset in (("calendar_p90", "p90", 3), ("calendar_p50", "p50", 9)):
            if row[name] is not None:
                wide = max(1.0, WIDTH * row[name] / longest)
                title = f"{channel}: {name[9:]} {duration(row[name])}"
                bars.append(Bar(0, place * _LINE + offset, wide, 18 - 2 * (offset - 3), style, title, answered))
        table.append(
            (
                Cell(plain(channel)),
                Cell(str(row["count"]), answered if row["count"] else ""),
                Cell(str(row["still_waiting"]), waiting if row["still_waiting"] else ""),
                *(Cell(duration(row[name])) for name in ("calendar_p50", "calendar_p90", "p50", "p90")),
            )
        )
    return Chart(
        "first_response",
        "First response by channel",
        "Time to the first human answer. The unanswered are beside it, not in it.",
        ("channel", "answered", "still waiting", "p50", "p90", "p50 open hours", "p90 open hours"),
        table,
        bars,
        height=max(_LINE, _LINE * len(rows)),
        empty="Nobody was answered of those who wrote in these days.",
        axis=("0", duration(longest)) if bars else (),
        legend=[("p50", "p50, half were answered within"), ("p90", "p90, nine of ten within")],
        labels=[plain(row["channel"]) for row in rows],
    )


def sla_chart(span: Span, rows: Sequence[Row]) -> Chart:
    """Attainment by target: what was met of all that came due."""
    bars, table = [], []
    for place, row in enumerate(rows):
        target, share = row["target"], row["attainment"]
        if share is not None:
            for style, figure, x, part in (("met", "met", 0.0, share), ("breached", "breached", share, 1 - share)):
                if part:
                    title = f"{target}: {row[figure]} {figure}"
                    href = span.link("sla", figure=figure, target=target)
                    bars.append(Bar(x * WIDTH, place * _LINE + 3, part * WIDTH, 18, style, title, href))
        counts = (
            Cell(str(row[name]), span.link("sla", figure=name, target=target) if row[name] else "")
            for name in ("met", "breached", "running")
        )
        table.append((Cell(plain(target)), Cell(percent(share)), *counts))
    return Chart(
        "sla",
        "Deadlines met by target",
        "Attainment is met ÷ (met + breached), on the day each deadline fell due.",
        ("target", "attainment", "met", "breached", "running"),
        table,
        bars,
        height=max(_LINE, _LINE * len(rows)),
        axis=("0 %", "100 %") if bars else (),
        empty="No deadline fell due in these days.",
        legend=[("met", "met"), ("breached", "breached")],
        labels=[plain(row["target"]) for row in rows],
    )


def csat_chart(span: Span, rows: Sequence[Row]) -> Chart:
    """Satisfaction by channel with its interval: the bar is how sure it is, the mark inside what was answered."""
    bars, table = [], []
    for place, row in enumerate(rows):
        channel, href = row["channel"], span.link("csat", channel=row["channel"])
        if row["score"] is not None:
            title = f"{channel or 'no channel'}: {percent(row['score'])} of {row['answers']}"
            wide = WIDTH * (row["high"] - row["low"])
            bars.append(Bar(WIDTH * row["low"], place * _LINE + 8, wide, 8, "interval", title, href))
            mark = min(WIDTH - 4, max(0.0, WIDTH * row["score"] - 2))
            bars.append(Bar(mark, place * _LINE + 3, 4, 18, "score", title, href))
        interval = f"{percent(row['low'])} to {percent(row['high'])}" if row["low"] is not None else "–"
        mean = "–" if row["mean"] is None else f"{row['mean']:.2f}"
        answers = Cell(str(row["answers"]), href if row["answers"] else "")
        table.append((Cell(plain(channel)), Cell(percent(row["score"])), Cell(interval), answers, Cell(mean)))
    return Chart(
        "csat",
        "Satisfaction by channel",
        "Share of answers 4 or 5, with the 95 % interval of what it may really be.",
        ("channel", "score", "95 % interval", "answers", "mean"),
        table,
        bars,
        height=max(_LINE, _LINE * len(rows)),
        axis=("0 %", "100 %") if bars else (),
        empty="Nobody has answered a survey in these days.",
        legend=[("score", "score"), ("interval", "95 % interval")],
        labels=[plain(row["channel"]) for row in rows],
    )
