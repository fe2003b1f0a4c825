"""Which risks somebody waits to hear of, as whoever tells them and whoever looks after that see it."""

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

from sla_monitor.domain.risk import Notice, RiskState, standing
from sla_monitor.domain.risk_notices import AtRisk, due
from sla_monitor.domain.states import CustomerState
from sla_monitor.means import Means

PLACES: Final = "risk_places"
"""The collection that says when each place was last told of customers at risk."""

_AT_ONCE: Final = 1000
"""Customers at risk that one query reads."""


@dataclass(frozen=True, slots=True)
class Unheard:
    """A notice that somebody waits for, and what they would be told; nothing where its cause has cleared."""

    customer_id: str
    notice: Notice
    at_risk: AtRisk | None


async def unheard(means: Means) -> AsyncIterator[Unheard]:
    """All of them, muted or not."""
    where: dict[str, Any] = {"waits": True}
    while states := await means.store.find(RiskState, where, sort=[("_id", 1)], limit=_AT_ONCE):
        async for one in _of(states, means):
            yield one
        where = {"waits": True, "_id": {"$gt": states[-1].id}}


async def _of(states: Sequence[RiskState], means: Means) -> AsyncIterator[Unheard]:
    rules, now = means.policies.book.latest.file.risk, means.clock.now()
    found = await means.store.find(CustomerState, {"_id": {"$in": [state.id for state in states]}})
    customers = {customer.id: customer for customer in found}
    for state in states:
        for notice, cause in due(state, standing(state, rules, now)):
            at_risk = AtRisk(state.id, customers.get(state.id), notice, cause) if cause else None
            yield Unheard(state.id, notice, at_risk)
