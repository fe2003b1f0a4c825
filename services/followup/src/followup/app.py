"""followup put together."""

import secrets
from collections.abc import Awaitable, Callable
from functools import partial

from rapport.contracts import topics
from rapport.runtime import telemetry
from rapport.runtime.clock import Clock
from rapport.runtime.lease import Lease
from rapport.runtime.retention import Over
from rapport.runtime.service import Service

from followup import customer_pages, http, http_plays
from followup.domain.folding import KEPT_CLOSED
from followup.domain.followups import Followups
from followup.domain.state import CheckIn, CustomerState, Message, NamelessContact, Posting, SurveyLink
from followup.erasing import Erasures
from followup.mails import Links, Writer
from followup.playbook import Playbook
from followup.postings import Postbox
from followup.preview import warn_of_missing
from followup.sender import Sender
from followup.settings import FollowupSettings
from followup.store import Followup
from followup.tokens import Seal
from followup.wording import Wording

CONSUMED = (topics.CONTACT_EVENTS, topics.SLA_EVENTS, topics.METRICS_EVENTS)

log = telemetry.logger()


def create_app(settings: FollowupSettings, clock: Clock | None = None) -> Service:
    """The service: three topics in; follow-ups, messages, surveys and a work list out."""
    service = Service("followup", settings, clock)
    wording = Wording(settings.templates, settings.language)
    playbook = Playbook(service.database, service.clock, settings.plays, wording.without("promised"))
    domain = Followups(playbook.book)
    playbook.on_change(lambda book: setattr(domain, "book", book))
    playbook.on_change(partial(warn_of_missing, wording))
    store = service.store(CustomerState, Message, SurveyLink, Posting, CheckIn, NamelessContact)
    processor = service.consume(domain, topics=CONSUMED, store=store, sends=(topics.FOLLOWUP_EVENTS,))
    queries = Followup(store, domain)
    erasures = Erasures(store, processor, domain, Lease(service.database, "erasing", service.clock), service.clock)
    seal = Seal(_secret(settings))
    key = settings.intake_key.get_secret_value() if settings.intake_key else None
    postbox = Postbox(
        processor, store, Lease(service.database, "postings", service.clock), service.clock, settings.intake_url, key
    )
    sender = Sender(
        processor,
        store,
        Lease(service.database, "sender", service.clock),
        service.clock,
        playbook,
        Writer(wording),
        lambda: Links((settings.public_url or service.url).rstrip("/"), seal),
        domain.of_customer,
    )
    pages = customer_pages.CustomerPages(processor, queries, postbox, seal, playbook, service.clock, settings.language)
    service.http.include_router(http.routes(processor, queries, playbook, service.clock))
    service.http.include_router(http_plays.routes(playbook))
    service.http.include_router(http.work_list(queries, playbook, service.clock))
    service.http.include_router(customer_pages.routes(pages))
    service.forget(store, *_overs(settings), Over(NamelessContact, {}, "since", KEPT_CLOSED, queries.held))
    service.on_start(erasures.prepare)
    service.on_start(playbook.load)
    service.on_start(_warnings(settings))
    service.background(playbook.follow)
    service.background(sender.run)
    service.background(postbox.run)
    service.background(erasures.run)
    return service


def _overs(settings: FollowupSettings) -> list[Over]:
    """What nobody decides about any more; what a customer has heard stays in their own state while it binds us."""
    done = {"status": {"$in": ["done", "cancelled"]}}
    gone = {"status": {"$in": ["sent", "failed", "withdrawn"]}}
    return [
        Over(Message, gone, "next_at", settings.retention_messages),
        Over(Posting, {"status": "taken"}, "next_at", settings.retention_messages),
        Over(SurveyLink, {}, "expires_at", settings.retention_surveys),
        Over(CheckIn, done, "due_at", settings.retention_check_ins),
    ]


def _secret(settings: FollowupSettings) -> bytes:
    return settings.secret.get_secret_value().encode() if settings.secret else secrets.token_bytes(32)


def _warnings(settings: FollowupSettings) -> Callable[[], Awaitable[None]]:
    """Says at the start what will not work, and why."""

    async def warn() -> None:
        if not settings.secret:
            log.warning("RAPPORT_SECRET is not set: links to unsubscribe end with this process")
        if not (settings.public_url or "").startswith("https:"):
            log.warning("RAPPORT_PUBLIC_URL is no https address: mail programs offer no one-click unsubscribing")

    return warn
