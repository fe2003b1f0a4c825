"""followup put together."""

import os
import secrets
from collections.abc import Awaitable, Callable, Mapping
from importlib.resources import files

from rapport.contracts import topics
from rapport.runtime import telemetry
from rapport.runtime.clock import Clock
from rapport.runtime.lease import Lease
from rapport.runtime.service import Service
from rapport.runtime.settings import Misconfigured

from followup import customer_pages, http
from followup.domain.draft import Rules
from followup.domain.followups import Followups
from followup.domain.plays import Plays, WrongPlays, parse_plays
from followup.domain.state import CheckIn, CustomerState, Message, Posting, SurveyLink
from followup.mails import Links, Writer, expanded
from followup.postings import Postbox
from followup.sender import Sender
from followup.settings import FollowupSettings
from followup.smtp import Server
from followup.store import Followup
from followup.tokens import Seal

CONSUMED = (topics.CONTACT_EVENTS, topics.SLA_EVENTS, topics.METRICS_EVENTS)

log = telemetry.logger()


def create_app(settings: FollowupSettings, clock: Clock | None = None) -> Service:
    """The service: three topics in; follow-ups, messages, surveys and a work list out."""
    plays = read_plays(settings)
    servers = mail_servers(plays)
    rules = Rules(plays, frozenset(servers))
    service = Service("followup", settings, clock)
    store = service.store(CustomerState, Message, SurveyLink, Posting, CheckIn)
    processor = service.consume(Followups(rules), topics=CONSUMED, store=store, sends=(topics.FOLLOWUP_EVENTS,))
    queries = Followup(store)
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
        rules,
        Writer(plays, settings.templates, settings.language),
        servers,
        lambda: Links((settings.public_url or service.url).rstrip("/"), seal),
    )
    pages = customer_pages.CustomerPages(processor, queries, postbox, seal, plays, service.clock, settings.language)
    service.http.include_router(http.routes(processor, queries, rules, service.clock))
    service.http.include_router(http.work_list(queries, rules, service.clock))
    service.http.include_router(customer_pages.routes(pages))
    service.on_start(_warnings(settings, plays, servers))
    service.background(sender.run)
    service.background(postbox.run)
    return service


def read_plays(settings: FollowupSettings) -> Plays:
    """The plays of the file, or ours where none is set; `Misconfigured` names file, path and reason."""
    try:
        text = settings.plays.read_text("utf-8") if settings.plays else _own_plays()
        return parse_plays(text)
    except (OSError, UnicodeDecodeError) as error:
        raise Misconfigured(f"plays file {settings.plays}: {' '.join(str(error).split())}") from None
    except WrongPlays as error:
        raise Misconfigured(f"plays file {settings.plays}: {error}") from None


def mail_servers(plays: Plays) -> dict[str, Server]:
    """Where each sender sends; one whose variables are not set is left out, and what it should send suppressed."""
    servers = {}
    for name, sender in plays.senders.items():
        url = expanded(sender, os.environ)
        if url is None:
            continue
        try:
            servers[name] = Server.read(url)
        except ValueError as error:
            raise Misconfigured(f"plays: senders.{name}.url: {error}") from None
    return servers


def _own_plays() -> str:
    return (files("followup") / "plays.yaml").read_text("utf-8")


def _secret(settings: FollowupSettings) -> bytes:
    return settings.secret.get_secret_value().encode() if settings.secret else secrets.token_bytes(32)


def _warnings(settings: FollowupSettings, plays: Plays, servers: Mapping[str, Server]) -> Callable[[], Awaitable[None]]:
    """Says at the start what will not work, and why."""

    async def warn() -> None:
        if not settings.secret:
            log.warning("RAPPORT_SECRET is not set: links to unsubscribe end with this process")
        for name in plays.senders.keys() - servers.keys():
            url = plays.senders[name].url
            log.warning("a sender has no mail server: a variable in its url is not set", sender=name, url=url)

    return warn
