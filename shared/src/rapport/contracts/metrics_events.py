"""What metrics tells (topic metrics-events)."""

from rapport.contracts.contact_events import CustomerData
from rapport.contracts.envelope import Data
from rapport.contracts.fields import Label


class CustomerTierChanged(CustomerData):
    """Purchases or a word of another system moved the customer to another tier."""

    tier: Label | None = None
    previous: Label | None = None
    points: int = 0


METRICS_EVENT_DATA: dict[str, type[Data]] = {"customer.tier_changed": CustomerTierChanged}
