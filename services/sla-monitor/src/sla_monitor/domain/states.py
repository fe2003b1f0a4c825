"""
The documents that sla-monitor keeps of contacts with their log, customers and alerts.

A contact is the one truth: its log decides its clocks, and its alerts live inside
it. `AlertState` is what lists and boards read, written whole from the contact.
"""

from datetime import datetime
from typing import Any, ClassVar, Final, Literal, NamedTuple

from msgspec import field
from rapport.contracts.envelope import OrderKey
from rapport.contracts.fields import Target
from rapport.decision import Index, Part, State
from rapport.erasing import Erased

Verdict = Literal["running", "met", "breached", "cancelled"]
Status = Literal["open", "waiting", "resolved", "spam", "duplicate", "merged", "abandoned", "unknown"]
AlertStatus = Literal["warned", "breached", "acknowledged", "snoozed", "cleared", "closed"]
Paging = Literal["now", "business_hours", "list"]

Verb = Literal["acknowledged", "snoozed", "assigned", "closed", "escalated", "cleared", "corrected"]

BOARD: Final = Index(
    ("in_work", "next_due_at", "_id", "team", "owner", "policy", "breached", "paused", "opened_at"),
    only={"in_work": True},
    name="board",
)
"""Contacts in the board's order; and all that it counts, so that no contact is read for that."""

LOG_LIMIT = 500
"""Events that a contact remembers; beyond, ended exchanges of the older half are forgotten (see `log.cut`)."""


class Entry(NamedTuple):
    """One event of a contact's log: its place in the order, and the fields that deciding needs."""

    millis: int
    number: int
    text: str
    rank: int
    name: str
    """The event: `source`, a blank and `id`."""
    type: str
    facts: dict[str, Any]
    """Fields of the event; instants as milliseconds. `recorded` is there where the event is backfilled."""

    @property
    def order(self) -> OrderKey:
        return self[:5]


NEVER: Final = -1


class Told(NamedTuple):
    """What has been announced of one clock."""

    verdict: Verdict
    due: int
    """Milliseconds since 1970; `NEVER` where it has been withdrawn."""
    warned: int = 0
    """How many of its warnings."""
    revision: int = 0
    """How many corrections."""
    took: int = NEVER
    """Milliseconds from its start until it was met, late or in time."""


class Deed(NamedTuple):
    """Something done about an alert: by a person, by the escalation, or because nobody waits any more."""

    at: datetime
    verb: Verb
    by: str = ""
    why: str = ""


DEEDS = 20
"""So many are remembered of an alert, the newest."""


class Alert(Part, frozen=True, kw_only=True):
    """
    The alert on one clock, inside its contact.

    `next_at` is when the step after `level` rings, None when none will.
    """

    state: AlertStatus
    raised_at: datetime | None = None
    """The breach instant; None while there is only a warning."""
    warned_at: datetime | None = None
    warned_of: list[datetime] = field(default_factory=list)
    """The deadlines of which its owner has been warned."""
    paged: bool = False
    level: int = 0
    """How many steps of the escalation have rung."""
    base_at: datetime | None = None
    """The moment it could first ring; steps count from it."""
    next_at: datetime | None = None
    repeats: int = 0
    rounds: int = 0
    """How many times it came back (from a snooze, or raised anew)."""
    revision: int = 0
    """Rises with what people do about it and with each end; part of the ids of the events that tell of these."""
    owner: str | None = None
    """Assigned by hand; else the contact's own."""
    by: str | None = None
    until: datetime | None = None
    reason: str | None = None
    notified: list[str] = field(default_factory=list)
    """Receivers that have been sent to, in this round or an earlier one, who are told when it clears."""
    deeds: list[Deed] = field(default_factory=list)

    def done(self, at: datetime, verb: Verb, by: str = "", why: str = "") -> list[Deed]:
        """Its deeds with one more."""
        return [*self.deeds, Deed(at, verb, by, why)][-DEEDS:]

    @property
    def active(self) -> bool:
        return self.state not in ("cleared", "closed")


class ContactState(State, frozen=True, kw_only=True):
    """
    One contact: its log, what has been told of it, its alerts, and the sums that lists show.

    Everything after `alerts` follows from the log by `fold`.
    """

    collection: ClassVar[str] = "contacts"
    wakeful: ClassVar[bool] = True
    indexes: ClassVar[tuple[Index, ...]] = (
        Index(("customer_id", "open", "opened_at")),
        BOARD,
    )
    """
    As few as can be: MongoDB 6 reads what describes all of them twice for each whenever one is written.

    What is seldom done, such as applying a policy or a closure, goes through the contacts by their ids.
    """

    customer_id: str
    source: str = ""
    trace: str | None = None
    """The traceparent of the message that opened it, which what time makes true of it goes on with."""
    log: list[Entry] = field(default_factory=list)
    cut: int = 0
    """What is dated before this instant (milliseconds) comes too late; 0 while the log is whole."""
    told: dict[str, Told] = field(default_factory=dict)
    """By `target/cycle`."""
    cycles: dict[str, int] = field(default_factory=dict)
    """The number of each cycle, by `target:name of the event that opened it`."""
    sequence: int = 0
    opened: bool = False
    """Whether sla.opened has been told."""
    swept: datetime | None = None
    """The latest instant up to which a sweep has looked."""
    alerts: dict[str, Alert] = field(default_factory=dict)
    """By `target/cycle`."""

    status: Status = "unknown"
    policy: str | None = None
    policy_version: int | None = None
    calendar: str | None = None
    owner: str | None = None
    team: str | None = None
    channel: str | None = None
    kind: str | None = None
    priority: str | None = None
    subject: str | None = None
    reference: str | None = None
    url: str | None = None
    opened_at: datetime | None = None
    closed_at: datetime | None = None
    due_at: datetime | None = None
    """The earliest due instant of what still waits."""
    next_due_at: datetime | None = None
    """The earliest of what still waits and is not late."""
    breached: bool = False
    """Whether somebody waits beyond a deadline."""
    paused: bool = False
    promises_moved: int = 0
    watched: bool = True
    """Whether the customer is one to whom anything is owed: neither staff nor test."""

    @property
    def open(self) -> bool:
        return self.status in ("open", "waiting", "unknown")

    @property
    def in_work(self) -> bool:
        """Whether a customer waits for something: it is open, or something was promised after it had been closed."""
        waits = self.due_at is not None or self.breached or self.paused
        return self.watched and (waits or self.status in ("open", "waiting"))

    @property
    def recalls(self) -> bool:
        """Whether it is closed and its log is whole still, so that late news may yet change its verdicts."""
        return not self.open and not self.cut

    def index(self) -> dict[str, Any]:
        return {
            **({"recalls": True, "closed_at": self.closed_at} if self.recalls else {}),
            "customer_id": self.customer_id,
            "open": self.open,
            "in_work": self.in_work,
            "status": self.status,
            "team": self.team,
            "owner": self.owner,
            "policy": self.policy,
            "due_at": self.due_at,
            "next_due_at": self.next_due_at,
            "breached": self.breached,
            "paused": self.paused,
            "opened_at": self.opened_at,
            "reference": self.reference,
        }


class CustomerState(State, frozen=True, kw_only=True):
    """
    Who a customer is; of every field the value with the newest `time`.

    Or, under a key made of the id, that a customer was erased: it lies here because it is then
    found with the customers, and costs no query of its own.
    """

    collection: ClassVar[str] = "customers"
    indexes: ClassVar[tuple[Index, ...]] = (Index(("erasing",), only={"erasing": True}),)

    name: str | None = None
    title: str | None = None
    form_of_address: str | None = None
    language: str | None = None
    timezone: str | None = None
    region: str | None = None
    lifecycle: str | None = None
    tier: str | None = None
    earned_tier: str | None = None
    """What customer.tier_changed says; it counts where customer.updated names no tier."""
    account_id: str | None = None
    owner_id: str | None = None
    audience: str | None = None
    preferred_channel: str | None = None
    since: dict[str, int] = field(default_factory=dict)
    """When each field got its value, in milliseconds."""
    changes: list[Entry] = field(default_factory=list)
    """The changes that policies may ask about, in order, for contacts that arrive late; the newest 32."""
    erasure: Erased | None = None
    erased: int = 0
    """When somebody was erased who keeps their id (by version 0.1), in milliseconds; `erasing` until that was done."""
    erasing: bool = False

    def index(self) -> dict[str, Any]:
        unfinished = self.erasing or (self.erasure is not None and self.erasure.customer_id is not None)
        return {"erasing": True} if unfinished else {}


def alerts_of(contact_id: str) -> dict[str, Any]:
    """The condition for the alerts of a contact, whose ids begin with its own."""
    return {"_id": {"$gt": f"{contact_id}/", "$lt": f"{contact_id}0"}, "contact_id": contact_id}


class AlertState(State, frozen=True, kw_only=True):
    """
    One alert as lists show it; its id is `contact/target/cycle`.

    `state` is warned, breached, acknowledged, snoozed, cleared or closed.
    """

    collection: ClassVar[str] = "alerts"
    projection: ClassVar[bool] = True
    indexes: ClassVar[tuple[Index, ...]] = (
        Index(("active", "-raised", "due_at", "_id", "state", "team", "group")),
        Index(("rings_from",), only={"rings_from": {"$exists": True}}),
    )

    contact_id: str
    customer_id: str
    target: Target
    cycle: int
    state: AlertStatus
    started_at: datetime
    due_at: datetime
    met_at: datetime | None = None
    warned_at: datetime | None = None
    breached_at: datetime | None = None
    waiting: bool = True
    """Whether somebody still waits for what this target promises."""
    paused: bool = False
    """Whether its clock stands: it is not late then, whatever `due_at` says."""
    group: str = ""
    level: int = 0
    next_step_at: datetime | None = None
    next_receivers: list[str] = field(default_factory=list)
    owner: str | None = None
    team: str | None = None
    policy: str | None = None
    policy_version: int | None = None
    page: Paging = "list"
    paged: bool = False
    """Whether a step of the escalation has rung."""
    rings_from: datetime | None = None
    """When it could first ring; None for what never does."""
    exhausted: bool = False
    """Whether every step of the escalation has rung; the last may ring again."""
    timezone: str = "UTC"
    """Of the calendar."""
    by: str | None = None
    until: datetime | None = None
    reason: str | None = None
    channel: str | None = None
    subject: str | None = None
    reference: str | None = None
    url: str | None = None

    @property
    def active(self) -> bool:
        return self.state not in ("cleared", "closed")

    @property
    def words(self) -> str:
        """What may be searched for in it, without regard to case."""
        return " ".join(filter(None, (self.reference, self.subject))).casefold()

    def index(self) -> dict[str, Any]:
        return {
            "contact_id": self.contact_id,
            "words": self.words,
            "customer_id": self.customer_id,
            "state": self.state,
            "active": self.active,
            "raised": self.breached_at is not None,
            "target": self.target,
            "due_at": self.due_at,
            "group": self.group,
            "team": self.team,
            "owner": self.owner,
            "policy": self.policy,
            **({"rings_from": self.rings_from} if self.rings_from else {}),
        }
