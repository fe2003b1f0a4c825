"""What of a fact counts in a report; facts are given by the fields that they are found by (`index`)."""

from collections.abc import Mapping
from typing import Any, Final

from metrics.domain.measures import Limits, Measure
from metrics.domain.question import Question

OF_MARKS: Final = frozenset({"agent", "team", "part"})
"""Dimensions that are a mark's own, whatever its fact says."""


def own(mark: Mapping[str, Any]) -> dict[str, Any]:
    """What of a mark stands over what its fact says."""
    return {name: mark.get(name) for name in OF_MARKS}


def marks_in(question: Question, fact: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """The marks of a fact that belong into a report; staff, tests and partners have none unless asked for."""
    if "audience" not in question.dimensions and fact["audience"] != "customer":
        return []
    measure = question.measure.marks
    return [
        mark
        for mark in fact["marks"]
        if mark["measure"] == measure and question.admits(mark["at"], {**fact, **own(mark)})
    ]


def sums_of(measure: Measure, mark: Mapping[str, Any], limits: Limits) -> dict[str, int]:
    """What one mark adds to the sums that a report is made of."""
    figures: Mapping[str, int] = mark["figures"]
    sums = {name: n for name, n in figures.items() if measure.sums is None or name in measure.sums}
    held = [one for one in measure.asked if one.holds(mark["at"], figures, limits)]
    return sums | {one.name: figures.get(one.counts, 0) for one in held}
