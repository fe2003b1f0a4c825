"""The figures that come first."""

from collections.abc import Mapping
from dataclasses import dataclass

from metrics.dashboard.charts import Row
from metrics.dashboard.span import Span
from metrics.dashboard.words import by_points, by_share, duration, percent


@dataclass(frozen=True, slots=True)
class Card:
    """One figure at first look, what it means, and the contacts behind it."""

    name: str
    value: str
    meaning: str
    href: str
    change: str = ""
    """Against as many days before; empty where either has no figure."""


def cards(span: Span, totals: Mapping[str, Row], before: Mapping[str, Row]) -> list[Card]:
    """The figures that come first, each against the same figure of the days `before`."""
    response, sla, csat = totals["first_response"], totals["sla"], totals["csat"]

    def was(measure: str, figure: str) -> tuple[float | None, float | None]:
        return totals[measure][figure], before[measure][figure]

    due = sla["met"] + sla["breached"]
    interval = f"{percent(csat['low'])} to {percent(csat['high'])}, " if csat["low"] is not None else ""
    return [
        Card(
            "Contacts",
            str(totals["contacts"]["contacts"]),
            "opened by customers",
            span.link("contacts"),
            by_share(*was("contacts", "contacts"), "more", "fewer"),
        ),
        Card(
            "Still waiting",
            str(response["still_waiting"]),
            "for a first answer",
            span.link("first_response", figure="still_waiting"),
            by_share(*was("first_response", "still_waiting"), "more", "fewer"),
        ),
        Card(
            "First response",
            duration(response["calendar_p50"]),
            f"half within; nine of ten within {duration(response['calendar_p90'])}"
            if response["count"]
            else "nobody has been answered yet",
            span.link("first_response", figure="count"),
            by_share(*was("first_response", "calendar_p50"), "longer", "shorter"),
        ),
        Card(
            "Deadlines met",
            percent(sla["attainment"]),
            f"{sla['met']} of {due} due; {sla['running']} running",
            span.link("sla", figure="breached"),
            by_points(*was("sla", "attainment")),
        ),
        Card(
            "Satisfied",
            percent(csat["score"]),
            f"{interval}{csat['answers']} answers",
            span.link("csat"),
            by_points(*was("csat", "score")),
        ),
    ]
