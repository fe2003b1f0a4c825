"""What a customer's purchases change: the tier that they give, told when it becomes another."""

from datetime import datetime
from typing import Any, Final

from rapport.contracts import Data, Event, tell
from rapport.contracts.contact_events import PurchaseMade, PurchaseReturned
from rapport.contracts.metrics_events import CustomerTierChanged
from rapport.decision import Tell
from rapport.erasing import is_anonymous, is_erased

from metrics.domain.deadlines import millis
from metrics.domain.loyalty import Loyalty, Purchase, Return, in_millionths, points_at, standing, steps, untold
from metrics.domain.naming import identity_of
from metrics.domain.states import CustomerFact, instant

SOURCE: Final = "/rapport/metrics"


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
    bought = Purchase(event.order, in_millionths(data.amount), data.currency, margin, data.agent_id, data.product)
    known = customer.purchases.get(data.purchase_id)
    if known is not None and known.order > bought.order:
        return customer
    return customer.but(purchases={**customer.purchases, data.purchase_id: bought})


def announced(
    customer: CustomerFact, rules: Loyalty, now: datetime, cause: Event[Data] | None
) -> tuple[CustomerFact, tuple[Tell, ...]]:
    """
    The customer with all tiers told that were so by now, and when to look again.

    What comes as history is told when that is over, once, as history. So is what
    changes the past alone: only a step to another tier than they were told to have
    now is news. Other rules than before hold from now on.
    """
    if not rules.tiers or is_anonymous(customer.id) or is_erased(customer.id):
        return customer.but(wake_at=None), ()
    if cause is not None and (cause.backfill or customer.backfill):
        history = max(customer.history, millis(cause.time)) if cause.backfill else customer.history
        return customer.but(wake_at=now, backfill=True, history=history), ()
    until = millis(now)
    if customer.rules[0] != rules.name:
        customer = customer.but(rules=(rules.name, until if customer.told else 0))
    bought = (customer.purchases, customer.returns.values(), rules)
    found = steps(*bought)
    news = untold(found, customer.told, until, customer.rules[1])
    told = {**customer.told, **{step.at: step.tier for step, _ in news}}
    is_other = standing(told, until) != standing(customer.told, until)
    events, sequence = [], customer.sequence
    for step, previous in news:
        sequence += 1
        data = CustomerTierChanged(
            customer_id=customer.id, tier=step.tier, previous=previous, points=points_at(*bought, step.at)
        )
        is_news = is_other and step is news[-1][0] and step.at > customer.history
        event: Event[Any] = tell(
            "customer.tier_changed",
            data,
            source=SOURCE,
            id=f"{customer.id}/tier/{step.at}/{sequence}",
            time=instant(step.at),
            sequence=sequence,
            backfill=not is_news,
            cause=cause,
        )
        events.append(Tell(customer.id, event))
    ahead = next((step.at for step in found if step.at > until), None)
    wake_at = None if ahead is None else instant(ahead)
    return customer.but(told=told, sequence=sequence, wake_at=wake_at, backfill=False), tuple(events)
