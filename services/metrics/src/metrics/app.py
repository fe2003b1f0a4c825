"""Where the parts of metrics meet."""

from functools import partial

from fastapi import Depends
from rapport.contracts import topics
from rapport.erasing import Pseudonyms
from rapport.runtime.clock import Clock
from rapport.runtime.service import Service

from metrics import loyalty_file
from metrics.balancing import Balancing
from metrics.contacts_page import contacts_page
from metrics.customers import Customers
from metrics.customers import routes as customer_routes
from metrics.domain import ContactFact, CustomerFact, Figures, JournalEntry
from metrics.domain.erasing import Erasure, Forgetful
from metrics.domain.replay import FIGURES
from metrics.erasing import Erasures
from metrics.http import routes
from metrics.http_recompute import of_one_edition, recompute_routes
from metrics.http_traces import traces
from metrics.pages import pages
from metrics.recompute import Recompute
from metrics.rejections import Rejections, keeper
from metrics.replaying import Replaying
from metrics.settings import MetricsSettings
from metrics.store import Reports

CONSUMED = (topics.CONTACT_EVENTS, topics.SLA_EVENTS, topics.FOLLOWUP_EVENTS, topics.METRICS_EVENTS)


def create_app(settings: MetricsSettings, clock: Clock | None = None) -> Service:
    """The service: four topics and what was refused in, figures out."""
    service = Service("metrics", settings, clock)
    store = service.store(JournalEntry, ContactFact, CustomerFact, Erasure, editions=FIGURES)
    loyalty = loyalty_file.read(settings.loyalty)
    domain = Forgetful(Figures(loyalty), Pseudonyms())
    processor = service.consume(domain, topics=CONSUMED, store=store, sends=(topics.METRICS_EVENTS,))
    reports = Reports(store)
    rejections = Rejections(service.database, settings.retention_rejections)
    erasures = Erasures(store, processor, domain, rejections, service.clock)
    service.forward(topics.DEAD_LETTERS, keeper(rejections, erasures.kept, service.clock, settings.topic_prefix))
    service.on_start(reports.prepare)
    service.on_start(rejections.prepare)
    service.on_start(erasures.prepare)
    service.background(erasures.run)
    service.background(Balancing(reports, processor, service.clock).for_ever)
    recompute = Recompute(service.database, service.clock)
    service.background(Replaying(store, recompute, service.database, service.clock).for_ever)
    service.http.include_router(recompute_routes(recompute, store))
    reading = partial(service.http.include_router, dependencies=[Depends(of_one_edition(store))])
    reading(routes(reports, service.clock, settings))
    reading(customer_routes(Customers(store, loyalty), reports, service.clock, settings))
    reading(traces(reports, rejections, service.clock))
    reading(contacts_page(reports, service.clock, settings))
    reading(pages(reports, service.clock, settings))
    return service
