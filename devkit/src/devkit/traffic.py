"""
A company's worth of synthetic traffic, the same for the same seed.

What happens is planned in seconds from the start, and apart from it when the
company's systems get round to telling: some tell late, some twice, some tell
something else under the same id, some tell rubbish.
"""

import itertools
import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, Final

from rapport.contracts import format_instant

_PEOPLE: Final = (
    # name, title, form of address, language, time zone, region
    ("Chiara Rossi", "Ms", "formal", "it", "Europe/Rome", "it"),
    ("Jonas Weber", "Herr", "formal", "de", "Europe/Berlin", "de"),
    ("Lena Huber", "Frau", "informal", "de-AT", "Europe/Vienna", "at"),
    ("Camille Laurent", "Mme", "formal", "fr", "Europe/Paris", "fr"),
    ("Lucía Gómez", "Sra.", "informal", "es", "Europe/Madrid", "es"),
    ("Aarav Patel", "Mr", "formal", "en-IN", "Asia/Kolkata", "in"),
    ("ليلى حداد", "السيدة", "formal", "ar", "Asia/Dubai", "ae"),
    ("佐藤 陽子", "様", "formal", "ja", "Asia/Tokyo", "jp"),
    ("João Silva", "Sr.", "informal", "pt-BR", "America/Sao_Paulo", "br"),
    ("Emily Carter", "Ms", "informal", "en", "America/New_York", "us"),
    ("Oliver Brown", "Mr", "formal", "en", "Australia/Sydney", "au"),
)
_CHANNELS: Final = {
    "email": 30, "phone": 25, "chat": 18, "web": 10, "social": 6, "sms": 5, "in_person": 3, "letter": 2, "other": 1,
}  # fmt: skip
_TEAMS: Final = {"billing": ("invoice", "refund"), "support": ("defect", "setup"), "sales": ("offer", "delivery")}
_LOCATIONS: Final = ("Berlin", "Dubai", "New York", "Tokyo")
_TIERS: Final = ("standard", "silver", "gold")
_STORIES: Final = {
    "answered": 40, "late": 14, "silence": 8, "promise_kept": 7, "promise_broken": 5, "reopened": 8,
    "declined": 4, "abandoned": 4, "escalated": 4, "merged": 3, "spam": 3,
}  # fmt: skip

_SOURCES: Final = {"phone": "/pbx", "chat": "/livechat", "social": "/social"}
_CRM: Final = "/crm"
_LATE, _TWICE, _DIFFERS, _RUBBISH = 0.08, 0.05, 0.005, 0.006


@dataclass(frozen=True, slots=True)
class Told:
    """An event that happens `at` seconds after the start and is sent at `sent`."""

    at: float
    sent: float
    type: str
    source: str
    id: str
    data: dict[str, Any]

    def event(self, start: datetime) -> dict[str, Any]:
        """CloudEvents' JSON, with every instant counted from `start`."""
        data = self.data
        if "promised_by" in data:
            data = {**data, "promised_by": format_instant(start + timedelta(seconds=data["promised_by"]))}
        return {
            "specversion": "1.0",
            "id": self.id,
            "source": self.source,
            "type": self.type,
            "time": format_instant(start + timedelta(seconds=self.at)),
            "datacontenttype": "application/json",
            "data": data,
        }


def company(seed: int, seconds: float, contacts_per_second: float) -> list[Told]:
    """All that is sent, in order of sending: the customers first, then their contacts over `seconds`."""
    chance = random.Random(seed)
    customers = max(20, int(seconds * contacts_per_second / 3))
    told = [*_customers(chance, seed, customers)]
    count = int(seconds * contacts_per_second)
    for number in range(count):
        begins = 1.0 + seconds * number / count
        told += _contact(chance, seed, number, chance.randrange(customers), begins)
        if chance.random() < 0.15:  # noqa: PLR2004 - one contact in seven leads to a sale
            told += _purchase(chance, seed, number, chance.randrange(customers), begins)
    return sorted(_as_it_arrives(chance, told), key=lambda one: one.sent)


def endless(seed: int, contacts_per_second: float) -> Iterator[Told]:
    """The same without an end: minute after minute of the same company, in order of sending."""
    waiting: list[Told] = []
    for minute in itertools.count():
        begins, ends = minute * 60.0, (minute + 1) * 60.0
        told = company(seed * 1_000_000 + minute, 60.0, contacts_per_second)
        waiting = sorted([*waiting, *(_later(one, begins) for one in told)], key=lambda one: one.sent)
        yield from (one for one in waiting if one.sent < ends)
        waiting = [one for one in waiting if one.sent >= ends]


def _later(one: Told, seconds: float) -> Told:
    data = one.data
    if "promised_by" in data:
        data = {**data, "promised_by": data["promised_by"] + seconds}
    return replace(one, at=one.at + seconds, sent=one.sent + seconds, data=data)


def _customers(chance: random.Random, seed: int, count: int) -> Iterator[Told]:
    for number in range(count):
        name, title, form, language, zone, region = _PEOPLE[number % len(_PEOPLE)]
        data = {
            "customer_id": _customer(number), "name": name, "title": title, "form_of_address": form,
            "language": language, "timezone": zone, "region": region, "email": f"customer-{number}@example.net",
            "tier": chance.choice(_TIERS), "owner_id": f"agent-{number % 9}", "lifecycle": "active",
        }  # fmt: skip
        yield Told(0.0, 0.0, "customer.updated", _CRM, f"{seed}-customer-{number}", data)
        if number % 10 == 0:
            refused = {"customer_id": _customer(number), "purpose": "survey", "granted": False}
            yield Told(0.1, 0.1, "consent.changed", _CRM, f"{seed}-consent-{number}", refused)


def _customer(number: int) -> str:
    return f"K-{number}"


@dataclass(slots=True)
class _Contact:
    """Writes down the events of one contact."""

    contact_id: str
    customer_id: str
    source: str
    begins: float
    told: list[Told]

    def tell(self, after: float, event_type: str, /, **data: Any) -> None:
        at = self.begins + after
        event_id = f"{self.contact_id}-{len(self.told)}"
        whole = {"customer_id": self.customer_id, "contact_id": self.contact_id, **data}
        self.told.append(Told(at, at, event_type, self.source, event_id, whole))


def _contact(chance: random.Random, seed: int, number: int, customer: int, begins: float) -> list[Told]:
    channel = _weighted(chance, _CHANNELS)
    team = chance.choice(list(_TEAMS))
    agent = f"agent-{chance.randrange(9)}"
    known = chance.random() > 0.05  # noqa: PLR2004 - one caller in twenty is nobody we know
    contact_id = f"{seed}-C{number}"
    owner = _customer(customer) if known else f"anonymous:{contact_id}"
    contact = _Contact(contact_id, owner, _SOURCES.get(channel, _CRM), begins, [])
    topic = chance.choice(_TEAMS[team])
    contact.tell(
        0.0,
        "contact.received",
        channel=channel,
        kind="complaint" if chance.random() < 0.15 else chance.choice(["question", "request"]),  # noqa: PLR2004 - a share
        priority=chance.choices(["low", "normal", "high", "urgent"], [1, 6, 2, 1])[0],
        subject=f"About my {topic}",
        topic=topic,
        team=team,
        location=chance.choice(_LOCATIONS),
        language=_PEOPLE[customer % len(_PEOPLE)][3],
        reference=f"#{number}",
    )
    if chance.random() < 0.5:  # noqa: PLR2004 - half of them are given to somebody at once
        contact.tell(0.2, "contact.assigned", agent_id=agent, team=team)
    story = _weighted(chance, _STORIES)
    _tell_story(chance, contact, story, agent, begins)
    return contact.told


def _tell_story(chance: random.Random, contact: _Contact, story: str, agent: str, begins: float) -> None:
    soon, late = chance.uniform(0.3, 1.5), chance.uniform(5.0, 8.0)
    match story:
        case "answered":
            contact.tell(soon, "contact.responded", agent_id=agent, handle_seconds=chance.randrange(30, 600))
            contact.tell(soon + 1.0, "contact.resolved", outcome="solved", agent_id=agent)
        case "late":
            contact.tell(late, "contact.responded", agent_id=agent)
            contact.tell(late + 1.0, "contact.resolved", outcome="workaround", agent_id=agent)
        case "promise_kept" | "promise_broken":
            contact.tell(soon, "contact.promised", promised_by=begins + soon + 3.0, agent_id=agent)
            done = soon + (2.0 if story == "promise_kept" else 5.0)
            contact.tell(done, "contact.responded", agent_id=agent)
            contact.tell(done + 0.5, "contact.resolved", outcome="solved", agent_id=agent)
        case "reopened":
            contact.tell(soon, "contact.responded", agent_id=agent)
            contact.tell(soon + 0.5, "contact.resolved", outcome="solved", agent_id=agent)
            contact.tell(soon + 3.0, "contact.reopened", reason="still broken")
            contact.tell(soon + 4.5, "contact.responded", agent_id=agent)
            contact.tell(soon + 5.0, "contact.resolved", outcome="refunded", agent_id=agent)
            contact.tell(soon + 5.5, "contact.confirmed")
        case "declined":
            contact.tell(soon, "contact.responded", agent_id=agent, automated=True)
            contact.tell(soon + 1.5, "contact.resolved", outcome="declined", agent_id=agent)
        case "abandoned":
            contact.tell(soon, "contact.abandoned", waited_seconds=round(soon, 2))
        case "escalated":
            contact.tell(soon, "contact.escalated", to="manager", reason="asks for the manager")
            contact.tell(soon + 0.5, "contact.assigned", agent_id="agent-0")
            contact.tell(soon + 2.0, "contact.responded", agent_id="agent-0")
            contact.tell(soon + 3.0, "contact.waiting", on="customer")
            contact.tell(soon + 5.0, "contact.received", channel="email", subject="Here it is")
            contact.tell(soon + 6.0, "contact.resolved", outcome="solved", agent_id="agent-0")
        case "merged":
            # somebody pressed the button twice
            again = f"{contact.contact_id}-again"
            contact.tell(0.3, "contact.received", contact_id=again, channel="web", subject="The same again")
            contact.tell(soon + 0.5, "contact.merged", contact_id=again, into=contact.contact_id)
            contact.tell(soon + 1.0, "contact.responded", agent_id=agent)
            contact.tell(soon + 1.5, "contact.resolved", outcome="solved", agent_id=agent)
        case "spam":
            contact.tell(soon, "contact.resolved", outcome="spam")


def _purchase(chance: random.Random, seed: int, number: int, customer: int, begins: float) -> Iterator[Told]:
    purchase, who = f"{seed}-P{number}", _customer(customer)
    amount = f"{chance.randrange(5, 900)}.{chance.randrange(100):02d}"
    made = {
        "customer_id": who, "purchase_id": purchase, "amount": amount, "currency": chance.choice(["EUR", "USD"]),
        "product": chance.choice(["kettle", "lamp", "bicycle"]), "agent_id": f"agent-{chance.randrange(9)}",
    }  # fmt: skip
    yield Told(begins, begins, "purchase.made", "/shop", f"{purchase}-made", made)
    parcel = {"customer_id": who, "purchase_id": purchase}
    yield Told(begins + 1.5, begins + 1.5, "purchase.delivered", "/shop", f"{purchase}-delivered", parcel)


def _as_it_arrives(chance: random.Random, told: Sequence[Told]) -> Iterator[Told]:
    """What the systems send of it, and when."""
    for one in told:
        sent = one.at + (chance.uniform(0.3, 2.5) if chance.random() < _LATE else 0.0)
        yield replace(one, sent=sent)
        if chance.random() < _TWICE:
            yield replace(one, sent=sent + chance.uniform(0.0, 2.0))
        if chance.random() < _DIFFERS and "subject" in one.data:
            other = {**one.data, "subject": "Something else under the same id"}
            yield Told(one.at, sent + 2.0, one.type, one.source, one.id, other)
        if chance.random() < _RUBBISH:
            yield Told(one.at, sent, one.type, one.source, f"{one.id}-rubbish", {"customer_id": ""})


def _weighted(chance: random.Random, weights: dict[str, int]) -> str:
    return chance.choices(list(weights), list(weights.values()))[0]
