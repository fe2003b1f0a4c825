"""
How long a contact remembers: its log is cut 30 days after closing, and at 500 events.

What is dated before a cut comes too late from then on. What was told of ended
exchanges stands and is forgotten; clocks that run, and the resolution with all
its cycles, are what they were.
"""

from collections import defaultdict
from datetime import datetime, timedelta
from typing import Final
from zlib import crc32

from sla_monitor.domain import log
from sla_monitor.domain.clocks import Clock
from sla_monitor.domain.fold import Folding, fold
from sla_monitor.domain.states import LOG_LIMIT, ContactState
from sla_monitor.domain.telling import number

REMEMBERED: Final = timedelta(days=30)
"""So long after its closing, or after the last piece of history about it came, a contact's log stays whole."""
_SPREAD: Final = 86_400
"""Seconds over which contacts that were closed at once are cut, so that no deadline waits behind an import's."""


def when_to_cut(contact: ContactState, folding: Folding) -> datetime | None:
    """When the log of a closed contact is cut; None while it is open, and once it has been."""
    closed_at = folding.resolved_at
    if closed_at is None or folding.is_open or contact.cut >= log.to_millis(closed_at):
        return None
    known_at = max(closed_at, log.arrived(contact.log))
    return known_at + REMEMBERED + timedelta(seconds=crc32(contact.id.encode()) % _SPREAD)


def cut_if_due(contact: ContactState, folding: Folding, horizon: datetime) -> ContactState:
    """The contact with its log cut, where that has grown too long or old."""
    due = when_to_cut(contact, folding)
    if due is not None and due <= horizon and folding.resolved_at is not None:
        return cut_before(contact, folding, horizon, log.to_millis(folding.resolved_at))
    if len(contact.log) > LOG_LIMIT:
        return cut_before(contact, folding, horizon, contact.log[len(contact.log) // 2].millis)
    return contact


def cut_before(contact: ContactState, folding: Folding, horizon: datetime, border: int) -> ContactState:
    """
    The contact without what was over before the border (milliseconds); `folding` is what its whole log says.

    The alert that was assigned last stays: it says whose a contact is that nobody had.
    """
    shorter = log.cut(contact.log, border, _needed(folding, border))
    clocks, _ = number(fold(shorter, folding.book, horizon), contact.cycles, horizon)
    kept = {one.key for one in clocks}
    assigned = next((key for key, alert in reversed(list(contact.alerts.items())) if alert.owner), None)
    highest: dict[str, int] = {}
    for key, cycle in contact.cycles.items():
        target = key.partition(":")[0]
        highest[target] = max(cycle, highest.get(target, 0))
    cycles = {
        key: cycle
        for key, cycle in contact.cycles.items()
        if f"{key.partition(':')[0]}/{cycle}" in kept or cycle == highest[key.partition(":")[0]]
    }
    return contact.but(
        log=shorter,
        cut=border,
        cycles=cycles,
        told={key: known for key, known in contact.told.items() if key in kept},
        alerts={key: a for key, a in contact.alerts.items() if key in kept or key == assigned or a.active},
    )


def _needed(folding: Folding, border: int) -> dict[str, set[str]]:
    """The entries that must stay, each with the targets that it began and that run at the border."""
    needed: dict[str, set[str]] = defaultdict(set)
    for clock in folding.clocks:
        if folding.owes(clock) or _runs_at(clock, border):
            for name in (clock.key, *(clock.joined if clock.target == "promise" else ())):
                needed[name].add(clock.target)
        elif clock.target == "first_response":
            needed[clock.ended_by] |= set()
        if clock.target == "resolution":
            needed[clock.key] |= set()
    return needed


def _runs_at(clock: Clock, border: int) -> bool:
    return clock.ended_at is None or log.to_millis(clock.ended_at) >= border
