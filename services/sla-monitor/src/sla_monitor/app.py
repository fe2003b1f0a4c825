"""sla-monitor put together."""

from typing import NoReturn

from rapport.contracts import topics
from rapport.runtime.clock import Clock
from rapport.runtime.processor import Processor
from rapport.runtime.retention import Over
from rapport.runtime.service import Service

from sla_monitor import (
    http_alerting_pages,
    http_alerts,
    http_board,
    http_closures,
    http_contacts,
    http_links,
    http_outlook,
    http_pagerduty,
    http_pages,
    http_policy,
    http_receivers,
    http_silences,
    http_versions,
)
from sla_monitor.applying import Applications
from sla_monitor.board import Board
from sla_monitor.closures import Closures
from sla_monitor.commands import Commands
from sla_monitor.domain.notifications import NotificationState
from sla_monitor.domain.risk import RiskState
from sla_monitor.domain.states import AlertState, ContactState, CustomerState
from sla_monitor.domain.watch import WatchDomain
from sla_monitor.drawing import Drawing
from sla_monitor.erasing import Erasures
from sla_monitor.feed import Feed
from sla_monitor.live import Live
from sla_monitor.outward import reach_out
from sla_monitor.policies import Policies
from sla_monitor.settings import SlaSettings
from sla_monitor.store import Queries, Reading


def create_app(settings: SlaSettings, clock: Clock | None = None) -> Service:
    """The service, ready to run."""
    service = Service("sla-monitor", settings, clock)
    now = service.clock
    store = service.store(ContactState, CustomerState, AlertState, NotificationState, RiskState)
    policies = Policies(service.database, service.publisher, now, settings.policy)
    domain = WatchDomain(policies.book)
    policies.on_change(lambda book: setattr(domain, "book", book))
    processor = service.consume(
        domain, topics=(topics.CONTACT_EVENTS, topics.METRICS_EVENTS), store=store, sends=(topics.SLA_EVENTS,)
    )

    reading = Reading(service.database, now, settings.partitions)
    outward = reach_out(service, settings, store, policies, processor, reading)
    queries = Queries(store)
    feed = Feed(service.database, now)
    board = Board(queries, reading, outward, policies, now)
    drawing = Drawing(now)
    live = Live(feed, board, store, drawing, now)
    commands = Commands(processor, store, policies, now)
    applications = Applications(service.database, store, processor, policies, now)
    erasures = Erasures(service.database, store, processor, domain, now)
    closures = Closures(service.database, store, processor, policies, now)

    over = {"status": {"$in": ["sent", "failed", "dropped"]}}
    stay = settings.retention_notifications
    service.forget(store, Over(NotificationState, over, "due", stay, needed=queries.messages_still_needed))
    service.on_start(erasures.prepare)
    service.on_start(policies.load)
    service.background(policies.follow)
    service.background(applications.run)
    service.background(closures.run)
    service.background(erasures.run)
    service.background(feed.run)
    service.background(live.run)
    service.background(lambda: _note_reading(service, processor, reading))

    service.http.include_router(http_alerts.routes(store, commands, feed, board))
    service.http.include_router(http_outlook.routes(store, queries, policies, now))
    service.http.include_router(http_contacts.routes(store, queries, policies, now))
    service.http.include_router(http_versions.routes(policies, applications, queries, now))
    service.http.include_router(http_policy.routes(policies, queries, now))
    service.http.include_router(http_closures.routes(closures, policies, queries, now))
    service.http.include_router(http_receivers.routes(policies, outward, now))
    service.http.include_router(http_silences.routes(outward.silences, now))
    service.http.include_router(
        http_links.routes(http_links.Opened(store, outward.links, commands, policies, now), now)
    )
    followed = http_pagerduty.Followed(store, commands)
    service.on_stop(followed.stop)
    service.http.include_router(http_pagerduty.routes(followed, settings.pagerduty_secret))
    service.http.include_router(http_board.routes(board, live, drawing, commands, now))
    service.http.include_router(http_alerting_pages.routes(outward, queries, policies, drawing, now))
    service.http.include_router(http_pages.routes(store, queries, drawing, policies, now))
    return service


async def _note_reading(service: Service, processor: Processor, reading: Reading) -> NoReturn:
    """Say once a second how far this replica has read its partitions."""
    while True:
        await processor.patiently("reading", lambda: reading.note(service.horizons()))
        await service.clock.sleep(Reading.EVERY)
