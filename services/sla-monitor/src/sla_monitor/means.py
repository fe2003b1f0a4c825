"""What those work with who reach out to people: the sender, what tells again, the auditor, who tells of risks."""

from dataclasses import dataclass

from rapport.runtime.clock import Clock
from rapport.runtime.mongo import Database
from rapport.runtime.processor import Processor
from rapport.runtime.store import Store

from sla_monitor.delivery import Delivery
from sla_monitor.policies import Policies
from sla_monitor.receivers import Health
from sla_monitor.store import Reading


@dataclass(frozen=True, slots=True)
class Means:
    """The same for all of them."""

    processor: Processor
    store: Store
    database: Database
    policies: Policies
    delivery: Delivery
    health: Health
    reading: Reading
    clock: Clock
