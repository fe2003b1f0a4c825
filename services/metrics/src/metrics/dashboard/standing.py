"""Where it goes worst: the same figures side by side, and what customers come for."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from metrics.dashboard.charts import Cell, Row
from metrics.dashboard.span import Span
from metrics.dashboard.words import by_share, duration, percent, plain

SIDES: Final = (
    "team",
    "channel",
    "location",
    "agent",
    "topic",
    "kind",
    "region",
    "tier",
    "language",
    "product",
    "policy",
)
COMPARED: Final = ("first_response", "sla", "csat", "followups")
"""Beside follow-ups stand the contacts taken."""
_MOST: Final = 25


@dataclass(frozen=True, slots=True)
class Table:
    title: str
    caption: str
    head: tuple[str, ...]
    rows: Sequence[tuple[Cell, ...]]
    empty: str


def worst_first(span: Span, by: str, found: Mapping[str, Sequence[Row]]) -> Table:
    """Teams, channels or whatever `by` says, the lowest share of deadlines met first, then the most who wait."""
    sides: dict[str | None, dict[str, Row]] = {}
    for measure in COMPARED:
        for row in found[measure]:
            sides.setdefault(row[by], {})[measure] = row
    ordered = sorted(sides, key=lambda name: _rank(name, sides[name]))
    rows = [_side(span, by, name, sides[name]) for name in ordered[:_MOST]]
    more = f" The first {_MOST} of {len(ordered)}." if len(ordered) > _MOST else ""
    return Table(
        f"Where it goes worst, by {plain(by)}",
        f"Least of the deadlines met first; a name narrows the page down to it.{more}",
        (
            plain(by),
            "deadlines met",
            "breached",
            "still waiting",
            "first response p50",
            "contacts",
            "calls owed",
            "overdue",
            "satisfied",
        ),
        rows,
        "Nothing has come in these days.",
    )


def _rank(name: str | None, side: Mapping[str, Row]) -> tuple[Any, ...]:
    share = side["sla"]["attainment"] if "sla" in side else None
    waiting = side["first_response"]["still_waiting"] if "first_response" in side else 0
    return share is None, share or 0, -waiting, name is None, name or ""


def _side(span: Span, by: str, name: str | None, side: Mapping[str, Row]) -> tuple[Cell, ...]:
    pinned: dict[str, Any] = {by: name}
    sla, response, csat, calls = (side.get(name, {}) for name in ("sla", "first_response", "csat", "followups"))

    def counted(measure: str, figure: str, row: Row) -> Cell:
        count = row.get(figure, 0)
        return Cell(str(count), span.link(measure, figure=figure, **pinned) if count else "")

    return (
        Cell(plain(name), span.page(by, where={**span.where, by: (name,)})),
        Cell(percent(sla.get("attainment"))),
        counted("sla", "breached", sla),
        counted("first_response", "still_waiting", response),
        Cell(duration(response.get("calendar_p50"))),
        counted("contacts", "contacts", calls),
        counted("followups", "owed", calls),
        counted("followups", "overdue", calls),
        Cell(percent(csat.get("score")), span.link("csat", **pinned) if csat.get("answers") else ""),
    )


def drivers_table(span: Span, told: Mapping[str, Any]) -> Table:
    """What customers come for, out of `metrics.domain.drivers`."""
    rows = []
    for driver in told["drivers"]:
        topic, count, before = driver["topic"], driver["contacts"], driver["before"]
        change = by_share(count, before, "more", "fewer") or ("new" if count and not before else "–")
        contacts = Cell(str(count), span.link("contacts", topic=topic) if count else "")
        rows.append((Cell(plain(topic)), contacts, Cell(percent(driver["share"])), Cell(str(before)), Cell(change)))
    return Table(
        "What customers come for",
        f"Contacts by topic, against the {span.days} days before.",
        ("topic", "contacts", "share", "before", "change"),
        rows,
        "Nothing has come in these days.",
    )
