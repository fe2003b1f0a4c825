"""What somebody waits to hear of customers at risk, as whoever tells them and whoever looks after that see it."""

from collections import defaultdict
from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from rapport.decision import State

from sla_monitor.domain.risk import Notice, RiskState, standing
from sla_monitor.domain.risk_message import AtRisk
from sla_monitor.domain.risk_notices import due, ended
from sla_monitor.domain.states import CustomerState
from sla_monitor.means import Means

PLACES: Final = "risk_places"
"""The collection that says when each place was last told of customers at risk, and when that some no longer are."""

_AT_ONCE: Final = 1000
"""Customers at risk that one query reads."""


@dataclass(frozen=True, slots=True)
class Unheard:
    """A notice that somebody waits for, and what they would be told; nothing where its cause has cleared."""

    customer_id: str
    notice: Notice
    at_risk: AtRisk | None


def row_of(place: str, *, over: bool) -> str:
    """The id of what `PLACES` says: news and ends are grouped each for themselves."""
    return f"{place}/over" if over else place


async def unheard(means: Means) -> AsyncIterator[Unheard]:
    """All that has been raised and that somebody has still to hear of, muted or not."""
    async for states in in_parts(means, {"waits": True}):
        rules, now = means.policies.book.latest.file.risk, means.clock.now()
        customers = await _customers(means, states)
        for state in states:
            for notice, cause in due(state, standing(state, rules, now)):
                at_risk = AtRisk(state.id, customers.get(state.id), notice, cause) if cause else None
                yield Unheard(state.id, notice, at_risk)


async def over(means: Means) -> AsyncIterator[tuple[str, AtRisk]]:
    """
    What is over and has still to be told to be, with the place that is to hear it, muted or not.

    A risk may go on with what has not been read yet: it ends as far as its partition has been.
    """
    read = await means.reading.stamps()
    async for states in in_parts(means, {"ends_at": {"$lt": means.clock.now()}}):
        customers = await _customers(means, states)
        for state in states:
            if state.partition in read:
                for notice, said in ended(state, read[state.partition]):
                    customer, known_as = customers.get(state.id), state.known_as
                    told = AtRisk.known(state.id, customer, notice, said, over=True, known_as=known_as)
                    yield said.place, told


async def standing_in(places: Collection[str], means: Means) -> Mapping[str, list[AtRisk]]:
    """What these places believe to stand, and does, as they were told of it."""
    found: dict[str, list[AtRisk]] = defaultdict(list)
    async for states in in_parts(means, {"at_risk": True}):
        customers, now = await _customers(means, states), means.clock.now()
        for state in states:
            for notice in state.notices:
                for said in notice.said if not notice.is_over(now) else ():
                    if said.place in places:
                        found[said.place].append(AtRisk.known(state.id, customers.get(state.id), notice, said))
    return found


async def in_parts(means: Means, where: Mapping[str, Any]) -> AsyncIterator[Sequence[RiskState]]:
    """The customers at risk of whom this is true, not all at once."""
    after: Mapping[str, Any] = {}
    while states := await means.store.find(RiskState, {**where, **after}, sort=[("_id", 1)], limit=_AT_ONCE):
        yield states
        after = {"_id": {"$gt": states[-1].id}}


async def _customers(means: Means, states: Sequence[State]) -> dict[str, CustomerState]:
    found = await means.store.find(CustomerState, {"_id": {"$in": [state.id for state in states]}})
    return {customer.id: customer for customer in found}
