"""intake put together."""

from rapport.contracts import topics
from rapport.runtime.clock import Clock
from rapport.runtime.followed import Following
from rapport.runtime.service import Service

from intake import dead_letter_pages, http, http_dead_letters, http_hooks, http_sources, telemetry
from intake.connectors import Hooks
from intake.customers import Customers
from intake.gate import Gate, Publishes
from intake.handlers import forwarder, mirror
from intake.load import Load
from intake.openapi import event_schemas
from intake.records import SERVICE
from intake.replay import Replay
from intake.replays import Replays
from intake.settings import IntakeSettings
from intake.sources import Sources
from intake.store import DeadLetters


def create_app(settings: IntakeSettings, clock: Clock | None = None, publisher: Publishes | None = None) -> Service:
    """The service, ready to run. `publisher` stands in for Kafka where there is none."""
    service = Service(SERVICE, settings, clock)
    to_kafka = publisher or service.publisher
    letters = DeadLetters(service.database)
    sources = Sources(service.database, service.clock)
    gate = Gate(to_kafka, sources, live_window=settings.live_window, ack_timeout=settings.ack_timeout)
    hooks = Hooks(settings.hooks)
    customers = Customers(
        service.database,
        letters,
        service.clock,
        lambda: service.keys.some_resolve_customers or hooks.some_resolve_customers,
    )
    replay = Replay(letters, customers, hooks, to_kafka, settings.live_window, service.clock)
    replays = Replays(service.database, letters, replay, service.clock)
    service.on_start(letters.prepare)
    service.on_start(replays.prepare)
    service.on_start(customers.prepare)
    service.on_stop(customers.settle)
    service.background(sources.follow)
    service.background(customers.follow)
    service.background(replays.work)
    service.background(replays.beat)
    service.http.state.schemas = event_schemas()
    load = Load(settings.max_in_flight)
    service.http.include_router(http.routes(gate, customers, load, service.clock))
    within = min(settings.hook_timeout, settings.ack_timeout)
    soon = Gate(to_kafka, sources, live_window=settings.live_window, ack_timeout=within)
    service.http.include_router(
        http_hooks.routes(
            hooks,
            soon,
            customers,
            to_kafka,
            load,
            service.keys,
            service.clock,
            live_window=settings.live_window,
            answer_within=within,
        )
    )
    service.follow(Following("hooks", hooks, telemetry.HOOKS_WRONG))
    service.http.include_router(http_dead_letters.routes(letters, replays, service.clock))
    service.http.include_router(http_sources.routes(sources, service.clock))
    service.http.include_router(dead_letter_pages.routes(letters, replays, service.clock))
    service.forward(
        topics.CONTACT_EVENTS_IN,
        forwarder(to_kafka, sources, customers, service.clock, settings.live_window),
        sends=(topics.CONTACT_EVENTS, topics.DEAD_LETTERS),
    )
    service.forward(topics.DEAD_LETTERS, mirror(letters, service.clock, settings.topic_prefix))
    return service
