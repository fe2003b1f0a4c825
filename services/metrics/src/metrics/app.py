"""Where the parts of metrics meet."""

from rapport.contracts import topics
from rapport.runtime.clock import Clock
from rapport.runtime.service import Service

from metrics.domain import ContactFact, CustomerFact, Figures, JournalEntry
from metrics.http import routes
from metrics.pages import pages
from metrics.settings import MetricsSettings
from metrics.store import Reports

CONSUMED = (topics.CONTACT_EVENTS, topics.SLA_EVENTS, topics.FOLLOWUP_EVENTS, topics.METRICS_EVENTS)


def create_app(settings: MetricsSettings, clock: Clock | None = None) -> Service:
    """The service: four topics in, figures out."""
    service = Service("metrics", settings, clock)
    store = service.store(JournalEntry, ContactFact, CustomerFact)
    service.consume(Figures(), topics=CONSUMED, store=store)
    reports = Reports(store)
    service.on_start(reports.prepare)
    service.http.include_router(routes(reports, service.clock, settings))
    service.http.include_router(pages(reports, service.clock, settings))
    return service
