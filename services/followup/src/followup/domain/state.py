"""What followup keeps: a state per customer, messages to send, links of surveys, and what intake has to get."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any, ClassVar, Literal

from msgspec import field
from rapport.contracts.envelope import Name, OrderKey
from rapport.contracts.fields import Channel, SurveyKind
from rapport.decision import Index, Part, Ref, State
from rapport.erasing import Erased, is_anonymous

from followup.domain.durations import RISK_LASTS

Value = str | int | float | bool | list[str | int | float | bool] | None
Stamped = tuple[OrderKey, Value]
"""A value and the event that gave it; the newest event wins, whatever the order of arrival."""
Spoken = dict[str, tuple[OrderKey, bool]]
"""By purpose, what was said last: yes or no."""

Status = Literal[
    "watched",  # nobody has been told yet: waits whether the customer stays silent
    "planned",
    "deferred",
    "reserved",  # the slot is taken and the message written, not yet sent
    "sending",
    "sent",
    "owed",  # a person has to call
    "done",
    "failed",
    "suppressed",
    "cancelled",
]

WAITING: frozenset[Status] = frozenset({"watched", "planned", "deferred"})
CANCELLABLE: frozenset[Status] = WAITING | {"reserved", "owed"}
HEARD: frozenset[Status] = frozenset({"reserved", "sending", "sent"})
_HAS_LINK: frozenset[Status] = frozenset({"reserved", "sending", "sent", "failed"})


class Entry(Part, frozen=True, kw_only=True):
    """
    One event that opens or closes a contact. `live` is neither history nor caused by us: it may start plays.

    History that was `old` when it came may be of a contact that was closed and forgotten
    long ago: by itself it opens nothing.
    """

    key: OrderKey
    type: str
    outcome: str | None = None
    live: bool = True
    old: bool = False

    @property
    def name(self) -> Name:
        return self.key[4]


class Contact(Part, frozen=True, kw_only=True):
    """
    What is known of a contact: its openings and closings in order, and its newest fields.

    `opened` holds the fields that its earliest message gave, `changed` those that
    were said since; `latest` the newest event of each type that cancels a play;
    `touched_at` is when the newest of its events came. `named` is the newest event that names
    whoever has it, kept only of one that was ever told of under `anonymous:…`.
    """

    entries: tuple[Entry, ...] = ()
    opened: tuple[OrderKey, dict[str, Value]] | None = None
    changed: dict[str, Stamped] = field(default_factory=dict)
    latest: dict[str, OrderKey] = field(default_factory=dict)
    touched_at: datetime
    named: OrderKey | None = None

    def field(self, name: str) -> Value:
        if name in self.changed:
            return self.changed[name][1]
        return self.opened[1].get(name) if self.opened else None

    @property
    def fields(self) -> dict[str, Value]:
        opened = self.opened[1] if self.opened else {}
        return {**opened, **{name: value for name, (_, value) in self.changed.items()}}


class Slot(Part, frozen=True, kw_only=True):
    """One time that the customer hears from us, reserved before it happens."""

    followup_id: str
    at: datetime
    survey: SurveyKind | None = None
    exempt: bool = False


class Followup(Part, frozen=True, kw_only=True):
    """
    One step of a play for one customer, as the file had it when its trigger came.

    One that was cancelled because its contact turned out to stand otherwise
    `may_return` when that turns out to be wrong again; `returned` counts how often it has.
    `via` is the channel that the step asks for, `channel` the one that it was sent by.
    """

    id: str
    play: str
    step: int
    do: Literal["survey", "check_in", "message"]
    survey: SurveyKind | None = None
    template: str | None = None
    by: str = "owner"
    purpose: str
    sender: str = "default"
    via: Channel | None = None
    channel: Channel = "email"
    priority: int = 0
    within: int = 0
    match: dict[str, Any] = field(default_factory=dict)
    cancel_on: tuple[str, ...] = ()
    silent: Literal["unconfirmed", "quiet"] | None = None
    needs_risk: bool = False
    risk_within: int = int(RISK_LASTS.total_seconds())

    trigger_type: str
    trigger_key: OrderKey
    contact_id: str | None = None
    promised_at: datetime | None = None

    due_at: datetime
    patient_until: datetime
    release_at: datetime
    status: Status = "planned"
    reason: str | None = None
    until: datetime | None = None
    owner: str | None = None
    team: str | None = None
    finished_at: datetime | None = None
    withdrawn: bool = False
    may_return: bool = False
    returned: int = 0
    outcome: str | None = None
    note: str | None = None
    done_by: str | None = None

    @property
    def triggered_at(self) -> datetime:
        return from_millis(self.trigger_key[0])


class CustomerState(State, frozen=True, kw_only=True):
    """
    Everything that decides what a customer hears from us; the unit that a slot is reserved in.

    `consent` is what they said of no channel or of e-mail, which is also the channel
    of the page where they choose; `consent_to_calls` what they said of the phone alone.
    `consent_elsewhere` is what they said of each channel for texts, and under "" once more what of none.
    `latest` is the newest event of each type that cancels a play, `at_large` the newest that was about no contact.
    Or, under a key made of the id, that a customer was erased: it lies here because it is then
    found with the customers, and costs no query of its own.

    It is found by its contacts, too, for those who tell of one and don't know whose it is.
    """

    collection: ClassVar[str] = "customers"
    wakeful: ClassVar[bool] = True
    indexes: ClassVar[tuple[Index, ...]] = (
        Index(("erasing",), only={"erasing": True}),
        Index(("contacts",), only={"contacts": {"$exists": True}}),
    )

    profile: dict[str, Stamped] = field(default_factory=dict)
    earned_tier: Stamped | None = None
    consent: Spoken = field(default_factory=dict)
    consent_to_calls: Spoken = field(default_factory=dict)
    consent_elsewhere: dict[str, Spoken] = field(default_factory=dict)
    blocked: dict[str, Literal["bounced", "complained"]] = field(default_factory=dict)
    contacts: dict[str, Contact] = field(default_factory=dict)
    firsts: dict[str, OrderKey] = field(default_factory=dict)
    latest: dict[str, OrderKey] = field(default_factory=dict)
    at_large: dict[str, OrderKey] = field(default_factory=dict)
    signs: dict[str, OrderKey] = field(default_factory=dict)
    heard: OrderKey | None = None
    erased: bool = False
    erasure: Erased | None = None
    followups: dict[str, Followup] = field(default_factory=dict)
    slots: tuple[Slot, ...] = ()
    sequence: int = 0

    def index(self) -> dict[str, Any]:
        if self.erasure:
            return {"erasing": True} if self.erasure.customer_id is not None else {}
        return {"contacts": list(self.contacts)} if self.contacts else {}

    def leads_to(self) -> Iterable[Ref]:
        """Those who had the id and were erased; or what was written about contacts that may turn out another's."""
        if self.erasure:
            return [Ref(CustomerState, name) for name in self.erasure.names]
        return self._written() if self.followups else ()

    def _written(self) -> list[Ref]:
        unsure = {name for name, contact in self.contacts.items() if contact.named}
        nameless = is_anonymous(self.id)
        if not unsure and not nameless:
            return []
        written: list[Ref] = []
        for one in self.followups.values():
            if one.do != "check_in" and (nameless or one.contact_id in unsure):
                written += [Ref(Message, one.id)] if one.status in {"reserved", "sending"} else []
                written += [Ref(SurveyLink, one.id)] if one.do == "survey" and one.status in _HAS_LINK else []
        return written

    def says(self, name: str) -> Value:
        """A field of the customer's profile; a tier that somebody set wins over one that was earned."""
        if name in self.profile:
            value = self.profile[name][1]
            if value is not None or name != "tier":
                return value
        return self.earned_tier[1] if name == "tier" and self.earned_tier else None

    def text(self, name: str) -> str | None:
        value = self.says(name)
        return value if isinstance(value, str) and value else None

    @property
    def address(self) -> str | None:
        return self.text("email")


class Message(State, frozen=True, kw_only=True):
    """
    One message to be sent. What it says is made when it is sent, from what is known then.

    `fence` is the token of the sender that took it: one in `sending` under an older
    token was lost in a crash, and nobody knows whether it went out.
    """

    collection: ClassVar[str] = "messages"
    indexes = (Index(("status", "next_at")),)

    customer_id: str
    status: Literal["pending", "sending", "sent", "failed", "withdrawn"] = "pending"
    next_at: datetime
    first_at: datetime
    attempts: int = 0
    fence: int = 0
    reason: str | None = None

    def index(self) -> dict[str, Any]:
        return {"status": self.status, "next_at": self.next_at}

    def leads_to(self) -> Iterable[Ref]:
        return (Ref(CustomerState, self.customer_id),)


class CheckIn(State, frozen=True, kw_only=True):
    """A call that a person owes, as the work list shows it; written from the customer's state."""

    collection: ClassVar[str] = "check_ins"
    projection = True
    indexes = (
        Index(("status", "due_at")),
        Index(("status", "owner", "due_at")),
        Index(("status", "team", "due_at")),
        Index(("customer_id",)),
    )

    customer_id: str
    contact_id: str | None = None
    play: str
    owner: str | None = None
    team: str | None = None
    due_at: datetime
    status: str
    outcome: str | None = None
    note: str | None = None
    by: str | None = None

    def index(self) -> dict[str, Any]:
        about = {"customer_id": self.customer_id, "owner": self.owner, "team": self.team}
        return {"status": self.status, **about, "due_at": self.due_at}


class Answer(Part, frozen=True, kw_only=True):
    number: int
    score: int
    comment: str | None = None
    at: datetime


class SurveyLink(State, frozen=True, kw_only=True):
    """
    One survey that was sent, found by the hash of the token in its link.

    `answer` is the last answer; `id` is both the survey's and the follow-up's.
    """

    collection: ClassVar[str] = "survey_links"
    indexes = (Index(("token",)), Index(("expires_at",)), Index(("customer_id",)))

    customer_id: str
    token: str
    survey: SurveyKind
    contact_id: str | None = None
    expires_at: datetime
    answer: Answer | None = None

    def index(self) -> dict[str, Any]:
        return {"token": self.token, "expires_at": self.expires_at, "customer_id": self.customer_id}

    def leads_to(self) -> Iterable[Ref]:
        return (Ref(CustomerState, self.customer_id),)


class NamelessContact(State, frozen=True, kw_only=True):
    """
    A contact that was told of under `anonymous:…` at least once: who has it, by whatever name it is told of.

    Of all other contacts there is none, so that their events cost nothing more than to ask for it.
    While nobody known has it, what other events than its own say of its customer is kept here.
    """

    collection: ClassVar[str] = "nameless_contacts"
    indexes = (Index(("customer_id",)), Index(("since",)))

    customer_id: str
    since: datetime
    latest: dict[str, OrderKey] = field(default_factory=dict)
    signs: dict[str, OrderKey] = field(default_factory=dict)
    heard: OrderKey | None = None

    def index(self) -> dict[str, Any]:
        return {"customer_id": self.customer_id, "since": self.since}

    def leads_to(self) -> Iterable[Ref]:
        return (Ref(CustomerState, self.customer_id),)


class Posting(State, frozen=True, kw_only=True):
    """An event of ours that intake has not confirmed yet; kept until it has."""

    collection: ClassVar[str] = "postings"
    indexes = (Index(("status", "next_at")),)

    event: str
    status: Literal["pending", "taken"] = "pending"
    next_at: datetime
    attempts: int = 0
    reason: str | None = None

    def index(self) -> dict[str, Any]:
        return {"status": self.status, "next_at": self.next_at}


def from_millis(millis: int) -> datetime:
    return datetime.fromtimestamp(millis / 1000, UTC)
