"""Whether it balances: what was sent, against what Kafka holds, against what each service says."""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, TypeVar

from rapport.contracts import topics
from rich.table import Table

from devkit.demo.pager import Pager
from devkit.demo.people import Emitters, Respondents
from devkit.errors import CommandFailed
from devkit.ledger import Ledger, progress, read
from devkit.platform import Platform
from devkit.sending import CloudEvent
from devkit.target import Api

READ: Final = (topics.CONTACT_EVENTS, topics.SLA_EVENTS, topics.FOLLOWUP_EVENTS, topics.METRICS_EVENTS)
_SETTLED: Final = ("sent", "owed", "done", "deferred", "suppressed", "cancelled", "failed")
Message = Mapping[str, Any]
T = TypeVar("T")

_A_CENT: Final = {"EUR": 10, "USD": 9}
"""Thousandths of a point."""
_TIERS: Final = ((1_000_000, "gold"), (300_000, "silver"), (0, None))
_OF_ALL_AUDIENCES: Final = "customer|staff|test|partner"


@dataclass(frozen=True, slots=True)
class Line:
    """Two counts of the same thing, each with who says it."""

    what: str
    says: str
    count: int
    against: str
    other: int

    @property
    def balances(self) -> bool:
        return self.count == self.other


@dataclass(frozen=True, slots=True)
class Facts:
    """What the demo itself knows."""

    platform: Platform
    emitters: Emitters
    respondents: Respondents
    pager: Pager


def reconcile(facts: Facts) -> list[Line]:
    """All lines of the balance, as things stand now."""
    platform = facts.platform
    key = platform.keys.admin
    intake, sla, metrics = (
        Api(name, "admin", getattr(platform.addresses, name), key) for name in ("intake", "sla_monitor", "metrics")
    )
    ledger = read(platform.addresses.kafka, READ)
    return [
        *_taken_in(facts, ledger, intake, metrics),
        *_read(facts, ledger),
        *_counted(ledger, metrics),
        *_contacts(ledger, sla, metrics),
        *_alerts(facts, ledger, sla, metrics),
        *_followed_up(facts, ledger, metrics),
        *_tiers(ledger),
    ]


def table(lines: Iterable[Line]) -> Table:
    drawn = Table("what", "says", "count", "against", "count", "", title="Does it balance?")
    drawn.columns[2].justify = drawn.columns[4].justify = "right"
    for line in lines:
        verdict = "[green]✓[/]" if line.balances else f"[bold red]{line.other - line.count:+}[/]"
        drawn.add_row(line.what, line.says, f"{line.count:,}", line.against, f"{line.other:,}", verdict)
    return drawn


def _fate(metrics: Api, source: str, event_id: str) -> str:
    try:
        return str(metrics.get("/v1/events", source=source, id=event_id)["fate"])
    except CommandFailed:
        return "unknown"


def _taken_in(facts: Facts, ledger: Ledger, intake: Api, metrics: Api) -> Iterator[Line]:
    taken = set(facts.emitters.sent.taken)
    stored = {name for name in ledger.of(topics.CONTACT_EVENTS) if not name[0].startswith("/rapport/")}
    yield Line("events", "emitters, answered 2xx", len(taken), "Kafka, contact-events", len(stored))
    yield Line("of these, in both", "emitters", len(taken), "in both", len(taken & stored))
    refused = {(one.source, one.id) for one in facts.emitters.sent.refused}
    letters = _all(intake, "/v1/dead-letters", "items")
    dead = {(letter["source"], letter["event_id"]) for letter in letters}
    yield Line("refused", "emitters, answered 422", len(refused), "dead letters", len(dead))
    told = {name for name in refused if _fate(metrics, *name) == "rejected"}
    yield Line("of these, told why", "emitters", len(refused), "metrics, fate rejected", len(told))


def _read(facts: Facts, ledger: Ledger) -> Iterator[Line]:
    addresses, key = facts.platform.addresses, facts.platform.keys.watch
    for name in ("sla_monitor", "followup", "metrics"):
        described = Api(name, "watch", getattr(addresses, name), key).get("/asyncapi")["operations"].values()
        receives = {o["channel"]["$ref"].rpartition("/")[2] for o in described if o["action"] == "receive"}
        own = progress(addresses.mongodb, name)
        there = sum(ledger.records[topic] for topic in receives - {topics.DEAD_LETTERS})  # has Kafka's own positions
        service = name.replace("_", "-")
        yield Line(f"records for {service}", "Kafka", there, f"{service}, settled", sum(own.settled.values()))
        yield Line(f"untold by {service}", "nobody", 0, f"{service}, outbox", own.unpublished)


def _counted(ledger: Ledger, metrics: Api) -> Iterator[Line]:
    balance = metrics.get("/v1/balance")["total"]
    told = sum(len(ledger.of(topic)) for topic in READ)
    yield Line("all events", "Kafka, all topics", told, "metrics, journal", balance["journal"])
    yield Line("journal", "metrics", balance["journal"], "folded + rejected", balance["folded"] + balance["rejected"])
    yield Line("difference", "nobody", 0, "metrics, balance", balance["difference"])


def _contacts(ledger: Ledger, sla: Api, metrics: Api) -> Iterator[Line]:
    opened = {data["contact_id"] for data in ledger.typed(topics.CONTACT_EVENTS, "contact.received")}
    watched = {contact["contact_id"] for contact in _all(sla, "/v1/contacts", "contacts")}
    yield Line("contacts", "Kafka", len(opened), "sla-monitor", len(watched & opened))
    yield Line("contacts", "Kafka", len(opened), "metrics", _figure(metrics, "contacts", "contacts"))


def _alerts(facts: Facts, ledger: Ledger, sla: Api, metrics: Api) -> Iterator[Line]:
    verdicts = _verdicts(ledger)
    for verdict in ("met", "breached"):
        count = sum(one == verdict for one in verdicts.values())
        yield Line(f"targets {verdict}", "sla-events", count, "metrics", _figure(metrics, "sla", verdict))
    told = {_run(data) for data in ledger.typed(topics.SLA_EVENTS, "sla.warned", "sla.breached")}
    alerts = {_run(alert): alert for alert in _all(sla, "/v1/alerts", "alerts")}
    yield Line("alerts", "sla-events", len(told), "sla-monitor", len(told & set(alerts)))
    notified = {data["alert_id"] for data in ledger.typed(topics.SLA_EVENTS, "alert.notified")}
    messages = list(facts.pager.messages.values())
    yield Line("alerts paged", "sla-events", len(notified), "the pager", heard(notified, messages, alert_ids))
    standing = {(one["customer_id"], c["cause"]) for one in _all(sla, "/v1/risks", "risks") for c in one["causes"]}
    yield Line("customers at risk", "sla-monitor", len(standing), "the pager", heard(standing, messages, risks))


def _followed_up(facts: Facts, ledger: Ledger, metrics: Api) -> Iterator[Line]:
    planned = {data["followup_id"] for data in ledger.typed(topics.FOLLOWUP_EVENTS, "followup.scheduled")}
    kinds = [f"followup.{settled}" for settled in _SETTLED]
    settled = {data["followup_id"] for data in ledger.typed(topics.FOLLOWUP_EVENTS, *kinds)}
    yield Line("follow-ups", "planned", len(planned), "sent, owed, put off, given up", len(planned & settled))
    asked = {data["followup_id"] for data in ledger.typed(topics.FOLLOWUP_EVENTS, "survey.sent")}
    # killed while it sent one, followup can't know whether it went out, says so, and does not send it again
    unknown = {data["followup_id"] for data in ledger.typed(topics.FOLLOWUP_EVENTS, "followup.failed")}
    mails = facts.respondents.asked.keys() - unknown
    yield Line("surveys", "followup-events", len(asked), "mails that came", len(mails))
    yield Line("of these, in both", "followup-events", len(asked), "in both", len(asked & mails))
    answers = {data["survey_id"] for data in ledger.typed(topics.CONTACT_EVENTS, "survey.answered")}
    yield Line("survey answers", "customers", len(facts.respondents.answered), "Kafka", len(answers))
    yield Line("survey answers", "Kafka", len(answers), "metrics", _figure(metrics, "csat", "answers"))


def _tiers(ledger: Ledger) -> Iterator[Line]:
    """By loyalty.yaml, summed up from what was bought, against what metrics told as of last."""
    sums: Counter[str] = Counter()
    for data in ledger.typed(topics.CONTACT_EVENTS, "purchase.made"):
        sums[data["customer_id"]] += _A_CENT[data["currency"]] * int(data["amount"].replace(".", ""))
    reached = {(who, next(name for least, name in _TIERS if total >= least)) for who, total in sums.items()}
    expected = {one for one in reached if one[1]}
    told = sorted(ledger.of(topics.METRICS_EVENTS).values(), key=_as_of)
    standing = {event["data"]["customer_id"]: event["data"].get("tier") for event in told}
    yield Line("customers with a tier", "their purchases", len(expected), "metrics", len(expected & standing.items()))


def _as_of(event: CloudEvent) -> tuple[datetime, int]:
    return datetime.fromisoformat(event["time"]), int(event["sequence"])


def _verdicts(ledger: Ledger) -> dict[tuple[str, str, int], str]:
    """The last verdict told on each run of a target; those that were cancelled have none."""
    verdicts: dict[tuple[str, str, int], str] = {}
    kinds = ("sla.met", "sla.breached", "sla.cancelled", "sla.corrected")
    for data in ledger.typed(topics.SLA_EVENTS, *kinds):
        verdict = data["verdict"] if data["type"] == "sla.corrected" else data["type"].removeprefix("sla.")
        verdicts[_run(data)] = verdict
    return verdicts


def _run(data: dict[str, Any]) -> tuple[str, str, int]:
    return data["contact_id"], data["target"], data["cycle"]


def heard(told: set[T], messages: Sequence[Message], listed: Callable[[Message], Iterator[T]]) -> int:
    """How many of these the pager was told of: all that messages list, and as many as they count and don't list."""
    found, counted = set[T](), 0
    for message in messages:
        if these := set(listed(message)):
            found |= these
            counted += int(message.get("truncatedAlerts", 0))
    return len(told & found) + min(len(told - found), counted)


def alert_ids(message: Message) -> Iterator[str]:
    """The contacts' alerts; those about the platform itself (an auditor's finding) or a customer have no target."""
    for alert in message.get("alerts", ()):
        labels = alert["labels"]
        if "target" in labels:
            yield f"{labels['contact_id']}/{labels['target']}/{labels['cycle']}"


def risks(message: Message) -> Iterator[tuple[str, str]]:
    """The customers at risk, each with the cause."""
    for alert in message.get("alerts", ()):
        labels = alert["labels"]
        if labels["alertname"] == "customer_at_risk":
            yield labels["customer_id"], labels["cause"]


def _figure(metrics: Api, measure: str, name: str) -> int:
    rows = metrics.get("/v1/report", measure=measure, filter=f"audience:{_OF_ALL_AUDIENCES}")["rows"]
    return int(sum(row[name] or 0 for row in rows))


def _all(api: Api, path: str, name: str) -> list[dict[str, Any]]:
    """Every page of a list."""
    found: list[dict[str, Any]] = []
    cursor = None
    while True:
        page = api.get(path, limit=1000, cursor=cursor)
        found += page[name]
        cursor = page.get("cursor")
        if not cursor:
            return found
