"""What metrics tells (topic metrics-events)."""

from rapport.contracts.contact_events import CustomerData
from rapport.contracts.envelope import Data
from rapport.contracts.fields import Label


class CustomerTierChanged(CustomerData):
    """
    Purchases have moved the customer to another tier; what customer.updated says wins over it.

    `time` is when that became so. What was told of an instant and turns out otherwise is told again, with a higher
    `sequence`.
    """

    tier: Label | None = None
    previous: Label | None = None
    points: int = 0


METRICS_EVENT_DATA: dict[str, type[Data]] = {"customer.tier_changed": CustomerTierChanged}
