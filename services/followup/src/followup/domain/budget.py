"""One budget of contacts per customer: what a slot may not come too close to, and when there is room again."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from followup.domain.durations import Cap
from followup.domain.plays import Budget
from followup.domain.state import Slot


def free_at(wanted: Slot, taken: Sequence[Slot], budget: Budget) -> tuple[datetime, str | None]:
    """
    The first instant, from the wanted one on, at which a slot breaks no rule, and the first rule that was in the way.

    `taken` holds the slots reserved and those that are kept for something more
    important, which may lie ahead: a slot before one of those must not spoil it either.
    """
    sizes = [budget.gap, *(cap.per for cap in (budget.max, *budget.per.values()) if cap)]
    starts = sorted({slot.at + size for slot in taken for size in sizes} | {wanted.at})
    why = None
    for instant in starts:
        if instant < wanted.at:
            continue
        broken = broken_rule(wanted.but(at=instant), taken, budget)
        if broken is None:
            return instant, why
        why = why or broken
    raise AssertionError("past the last slot there is always room")


def broken_rule(slot: Slot, taken: Sequence[Slot], budget: Budget) -> str | None:
    """Which rule a slot beside those taken would break: `per_survey`, `budget` or `gap`."""
    cap = budget.per.get(slot.survey) if slot.survey else None
    if cap and not _fits(slot.at, [one.at for one in taken if one.survey == slot.survey], cap):
        return "per_survey"
    if slot.exempt:
        return None
    counted = [one.at for one in taken if not one.exempt]
    if budget.max and not _fits(slot.at, counted, budget.max):
        return "budget"
    if any(abs(slot.at - at) < budget.gap for at in counted):
        return "gap"
    return None


def left_at(now: datetime, taken: Sequence[Slot], budget: Budget) -> int | None:
    """How many slots are free now; None where the budget has no limit."""
    if budget.max is None:
        return None
    used = sum(1 for slot in taken if not slot.exempt and slot.at > now - budget.max.per)
    return max(0, budget.max.most - used)


def _fits(instant: datetime, taken: Sequence[datetime], cap: Cap) -> bool:
    """Whether no stretch of the cap's length, open at its end, would hold more than it allows."""
    near = sorted([*(at for at in taken if abs(at - instant) < cap.per), instant])
    spans = zip(near, near[cap.most :], strict=False)
    return all(last - first >= cap.per for first, last in spans)
