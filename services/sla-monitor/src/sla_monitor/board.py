"""The on-call board put together: figures, rows, and whether to trust them."""

from dataclasses import asdict
from typing import Any, Final

from rapport.contracts import format_instant
from rapport.runtime.clock import Clock

from sla_monitor.domain.board import Figures, Line, alert_line, contact_line
from sla_monitor.domain.states import ContactState
from sla_monitor.policies import Policies
from sla_monitor.receivers import Health, names_in
from sla_monitor.store import Queries, Reading

ROWS: Final = 200
"""Rows that the board shows; past them it says how many more there are."""

STATUSES: Final = {
    "": ("breached", "warned", "acknowledged", "snoozed"),
    "breached": ("breached",),
    "warned": ("warned",),
    "acknowledged": ("acknowledged",),
    "snoozed": ("snoozed",),
    "running": (),
}


class Board:
    """What is asked of it is read afresh each time."""

    def __init__(self, queries: Queries, reading: Reading, health: Health, policies: Policies, clock: Clock) -> None:
        self._queries = queries
        self._reading = reading
        self._health = health
        self._policies = policies
        self._clock = clock

    async def figures(self, teams: dict[str, Any]) -> dict[str, Any]:
        now = self._clock.now()
        figures: Figures = await self._queries.figures(teams, now)
        as_of, lag = await self._reading.as_of()
        return {
            **asdict(figures),
            "oldest": format_instant(figures.oldest) if figures.oldest else None,
            "receivers_failing": await self._health.failing(names_in(self._policies.book.latest.file)),
            "as_of": format_instant(as_of) if as_of else None,
            "lag_seconds": lag,
        }

    async def lines(self, teams: dict[str, Any], status: str) -> list[Line]:
        """Who waits beyond a deadline first, then by due; then those that nobody has been alerted about."""
        now = self._clock.now()
        alerts = await self._queries.waiting(teams, STATUSES[status], ROWS) if STATUSES[status] else []
        shown = {alert.contact_id for alert in alerts}
        room = ROWS - len(alerts)
        coming: list[ContactState] = []
        if status in ("", "running") and room > 0:
            coming = [c for c in await self._queries.coming(teams, now, room) if c.id not in shown]
        ids = {*(alert.customer_id for alert in alerts), *(contact.customer_id for contact in coming)}
        customers = await self._queries.customers(ids)
        lines = [alert_line(alert, customers.get(alert.customer_id), now) for alert in alerts]
        lines += [contact_line(one, customers.get(one.customer_id), self._zone(one), now) for one in coming]
        return lines

    async def teams(self) -> list[str]:
        return await self._queries.teams()

    def _zone(self, contact: ContactState) -> str:
        calendars = self._policies.book.version(contact.policy_version).calendars
        calendar = calendars.get(contact.calendar or "")
        return calendar.timezone if calendar else "UTC"
