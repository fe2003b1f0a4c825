"""What a customer's purchases change: the tier that they give, told when it becomes another."""

from datetime import datetime
from typing import Any, Final

from rapport.contracts import Data, Event, tell
from rapport.contracts.contact_events import PurchaseMade, PurchaseReturned
from rapport.contracts.metrics_events import CustomerTierChanged
from rapport.decision import Tell

from metrics.domain.deadlines import millis
from metrics.domain.loyalty import Loyalty, Purchase, Return, in_millionths, points_at, steps, untold
from metrics.domain.naming import identity_of
from metrics.domain.states import CustomerFact, instant

SOURCE: Final = "/rapport/metrics"
_ANONYMOUS: Final = "anonymous:"


def is_about_purchases(event: Event[Data]) -> bool:
    return isinstance(event.data, PurchaseMade | PurchaseReturned)


def after_purchase(customer: CustomerFact, event: Event[Data]) -> CustomerFact:
    """The customer with one more purchase or return; of one told twice the newer word holds."""
    data = event.data
    if isinstance(data, PurchaseReturned):
        back = Return(event.order[0], data.purchase_id, max(0, in_millionths(data.amount)))
        return customer.but(returns={**customer.returns, identity_of(event): back})
    assert isinstance(data, PurchaseMade)  # noqa: S101 - there are these two
    margin = None if data.margin is None else in_millionths(data.margin)
    bought = Purchase(event.order, in_millionths(data.amount), data.currency, margin)
    known = customer.purchases.get(data.purchase_id)
    if known is not None and known.order > bought.order:
        return customer
    return customer.but(purchases={**customer.purchases, data.purchase_id: bought})


def announced(
    customer: CustomerFact, rules: Loyalty, now: datetime, cause: Event[Data] | None
) -> tuple[CustomerFact, tuple[Tell, ...]]:
    """
    The customer with all tiers told that were so by now, and when to look again.

    What comes as history is told when that is over, once, as history.
    """
    if not rules.tiers or customer.id.startswith(_ANONYMOUS):
        return customer.but(wake_at=None), ()
    if cause is not None and cause.backfill:
        return customer.but(wake_at=now, backfill=True), ()
    until = millis(now)
    bought = (customer.purchases, customer.returns.values(), rules)
    found = steps(*bought)
    told, events, sequence = dict(customer.told), [], customer.sequence
    for step, previous in untold(found, told, until):
        sequence += 1
        points = points_at(*bought, step.at)
        data = CustomerTierChanged(customer_id=customer.id, tier=step.tier, previous=previous, points=points)
        event: Event[Any] = tell(
            "customer.tier_changed",
            data,
            source=SOURCE,
            id=f"{customer.id}/tier/{step.at}/{sequence}",
            time=instant(step.at),
            sequence=sequence,
            backfill=customer.backfill,
            cause=cause,
        )
        events.append(Tell(customer.id, event))
        told[step.at] = step.tier
    ahead = next((step.at for step in found if step.at > until), None)
    wake_at = None if ahead is None else instant(ahead)
    return customer.but(told=told, sequence=sequence, wake_at=wake_at, backfill=False), tuple(events)
