"""The on-call board put together: figures, rows, and whether to trust them."""

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from typing import Any, Final

from rapport.contracts import format_instant
from rapport.runtime.clock import Clock

from sla_monitor.domain.board import Figures, Line, alert_line, contact_line
from sla_monitor.domain.board_filter import BoardFilter
from sla_monitor.domain.risk import RiskState, standing
from sla_monitor.domain.silences import Silence
from sla_monitor.domain.states import AlertState, ContactState, CustomerState
from sla_monitor.outward import Outward
from sla_monitor.policies import Policies
from sla_monitor.receivers import names_in
from sla_monitor.store import Queries, Reading

ROWS: Final = 500
"""Rows that the board shows; past them it says how many more there are."""
_AT_RISK: Final = 5000
"""Customers with a risk that was told, of whom at most the board looks for contacts."""


@dataclass(frozen=True, slots=True)
class Rows:
    """What the board shows, and how much there is in all."""

    lines: list[Line]
    total: int


@dataclass(frozen=True, slots=True)
class Doubts:
    """What speaks against taking silence for calm: what is wrong with alerting itself, and what is muted."""

    trouble: list[dict[str, Any]]
    silences: int
    silent_until: datetime | None
    """When the last of these silences ends."""


@dataclass(frozen=True, slots=True)
class Choices:
    """What can be filtered by."""

    teams: list[str]
    agents: list[str]
    policies: list[str]


class Board:
    """What is asked of it is read afresh each time."""

    def __init__(self, queries: Queries, reading: Reading, outward: Outward, policies: Policies, clock: Clock) -> None:
        self._queries = queries
        self._reading = reading
        self._outward = outward
        self._policies = policies
        self._clock = clock

    async def figures(self, teams: dict[str, Any]) -> dict[str, Any]:
        now = self._clock.now()
        figures: Figures = await self._queries.figures(teams, now)
        as_of, lag = await self._reading.as_of()
        return {
            **asdict(figures),
            "oldest": format_instant(figures.oldest) if figures.oldest else None,
            "receivers_failing": await self._outward.health.failing(names_in(self._policies.book.latest.file)),
            "as_of": format_instant(as_of) if as_of else None,
            "lag_seconds": lag,
        }

    async def doubts(self, teams: Sequence[str]) -> Doubts:
        """Of what these teams have to do; of everything where there are none."""
        over = [silence for silence in await self._outward.silences.active() if silence.concerns(teams)]
        last = max((silence.ends_at for silence in over), default=None)
        return Doubts(await self._outward.auditor.shown(), len(over), last)

    async def rows(self, teams: dict[str, Any], wanted: BoardFilter) -> Rows:
        """Who waits beyond a deadline first, then by due; then those that nobody has been alerted about."""
        now = self._clock.now()
        where, total = wanted.alerts(), 0
        alerts: list[AlertState] = []
        if where is not None:
            alerts, total = await self._queries.alerts({**where, **teams}, ROWS)
        shown = {alert.contact_id for alert in alerts}
        ahead = wanted.looks_ahead
        where, room = wanted.contacts(now), ROWS - len(alerts)
        if where is not None and wanted.status == "risk":
            where = {**where, "customer_id": {"$in": list(self._why(await self._queries.at_risk(_AT_RISK)))}}
        contacts: list[ContactState] = []
        if where is not None and room > 0:
            by = "next_due_at" if ahead else "due_at"
            found, there = await self._queries.open_contacts({**where, **teams}, by, room)
            contacts = [contact for contact in found if contact.id not in shown]
            total += there - (len(found) - len(contacts))
        ids = {*(alert.customer_id for alert in alerts), *(contact.customer_id for contact in contacts)}
        customers = await self._queries.customers(ids)
        lines = _alert_lines(alerts, customers, await self._outward.silences.active(), now)
        lines += [
            contact_line(one, customers.get(one.customer_id), self._zone(one), now, ahead=ahead) for one in contacts
        ]
        return Rows(await self._with_risk(lines), total)

    async def lines_of(self, alerts: list[AlertState]) -> list[Line]:
        """The rows of these alerts."""
        now = self._clock.now()
        customers = await self._queries.customers(alert.customer_id for alert in alerts)
        return await self._with_risk(_alert_lines(alerts, customers, await self._outward.silences.active(), now))

    async def _with_risk(self, lines: list[Line]) -> list[Line]:
        """The rows, each with why a conflict with its customer is near."""
        why = self._why(await self._queries.risks(line.who_id for line in lines))
        return [replace(line, risk=why.get(line.who_id, "")) for line in lines] if why else lines

    def _why(self, states: Iterable[RiskState]) -> dict[str, str]:
        """By customer, of those with whom a conflict is near now."""
        rules, now = self._policies.book.latest.file.risk, self._clock.now()
        reasons = {one.id: [why for cause in standing(one, rules, now) for why in cause.reasons] for one in states}
        return {customer_id: "; ".join(some) for customer_id, some in reasons.items() if some}

    async def choices(self, teams: dict[str, Any]) -> Choices:
        return Choices(await self._queries.teams(), await self._queries.owners(teams), await self._queries.policies())

    def _zone(self, contact: ContactState) -> str:
        return self._policies.book.version(contact.policy_version).zone_of(contact.calendar)


def _alert_lines(
    alerts: list[AlertState], customers: dict[str, CustomerState], silences: list[Silence], now: datetime
) -> list[Line]:
    return [alert_line(alert, customers.get(alert.customer_id), now, silences) for alert in alerts]
