"""All that reaches out to people and products, put together."""

from dataclasses import dataclass
from functools import partial

from rapport.runtime.processor import Processor
from rapport.runtime.service import Service
from rapport.runtime.store import Store

from sla_monitor.auditor import Auditor
from sla_monitor.composing import Composer
from sla_monitor.delivery import Delivery
from sla_monitor.links import Links
from sla_monitor.means import Means
from sla_monitor.policies import Policies
from sla_monitor.receivers import Health
from sla_monitor.risk_teller import RiskTeller
from sla_monitor.sender import Sender
from sla_monitor.settings import SlaSettings
from sla_monitor.silences import Holding, Silences
from sla_monitor.sources import Sources
from sla_monitor.standing import Standing
from sla_monitor.store import Reading


@dataclass(frozen=True, slots=True)
class Outward:
    """What the service's pages and endpoints need of it."""

    health: Health
    delivery: Delivery
    silences: Silences
    links: Links
    auditor: Auditor


def reach_out(
    service: Service, settings: SlaSettings, store: Store, policies: Policies, processor: Processor, reading: Reading
) -> Outward:
    """The sender, what tells again, the auditor and who tells of risks; they run with the service."""
    now = service.clock
    health = Health(service.database, now)
    delivery = Delivery(now, timeout=settings.send_timeout, allow_internal=settings.allow_internal_receivers)
    silences = Silences(service.database, now)
    links = Links(settings, service.database, now, lifetime=settings.link_lifetime, url=settings.public_url)
    means = Means(processor, store, service.database, policies, delivery, health, reading, now)
    composer = Composer(store, policies, links, now, settings.public_url)
    sources = Sources(now, url=settings.intake_url, key=settings.intake_key)
    holding = partial(
        Holding,
        silences,
        reading,
        sources,
        policies,
        now,
        lag_limit=settings.lag_limit,
        silent_hold=settings.silent_hold,
    )
    sender = Sender(
        means,
        composer=composer,
        holding=holding(),
        attempts=settings.send_attempts,
    )
    standing = Standing(
        means,
        composer=composer,
        sender=sender,
        every=settings.tell_again_every,
    )
    auditor = Auditor(
        means,
        holding=holding(),
        public_url=settings.public_url,
        every=settings.audit_every,
        overdue=settings.overdue_after,
        tell_again_every=settings.tell_again_every,
    )
    risks = RiskTeller(
        means, silences=silences, public_url=settings.public_url, tell_again_every=settings.tell_again_every
    )
    for part in (silences, links):
        service.on_start(part.prepare)
    if settings.intake_url:
        service.background(sources.follow)
    for work in (sender, standing, auditor, risks):
        service.background(work.run)
    return Outward(health, delivery, silences, links, auditor)
