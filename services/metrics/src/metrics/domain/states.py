"""What metrics keeps: every event, one fact per contact, and what it knows of customers."""

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Any, ClassVar, Final, Literal, NamedTuple, Self

from msgspec import field
from rapport.decision import Index, Ref, State

from metrics.domain.deadlines import Run, Word
from metrics.domain.digest import digest_of
from metrics.domain.followups import Followed
from metrics.domain.kept import Answer, Mark, Note, Review
from metrics.domain.loyalty import Purchase, Return
from metrics.domain.story import Status, Story
from metrics.domain.surveys import Survey
from metrics.domain.visit import Visit

Fate = Literal["folded", "too_late"]
Life = Literal["prospect", "active", "churned", "cancelled"]
"""What somebody is to us; who cancels has left."""
Repeated = Literal["duplicate", "duplicate (differs)"]

Order = tuple[int, int, str, int, str]
"""The place of an event among those of its contact (`rapport.contracts.natural_order`)."""

DIMENSIONS: Final = (
    "channel",
    "kind",
    "priority",
    "topic",
    "region",
    "location",
    "team",
    "agent",
    "language",
    "tier",
    "policy",
    "product",
    "outcome",
    "direction",
)

EPOCHS: Final = "epochs"
"""The index of what was taken in during a recompute."""

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


def instant(millis: int) -> datetime:
    return _EPOCH + timedelta(milliseconds=millis)


class Repeat(NamedTuple):
    """One more arrival of an event that was known."""

    at: datetime
    fate: Repeated


class JournalEntry(State, frozen=True, kw_only=True):
    """
    An event as it was taken in, and what became of it. The id is its identity.

    `text` is the whole event in structured JSON.
    """

    collection: ClassVar[str] = "journal"
    indexes: ClassVar[tuple[Index, ...]] = (
        Index(("hour", "fate")),
        Index(("customer_id", "-time")),
        Index(("contact_id", "time")),
        Index(("epoch", "contact_id", "time"), {"epoch": {"$gt": 0}}, EPOCHS),
    )

    source: str
    event_id: str
    type: str
    time: datetime
    recorded: datetime
    customer_id: str | None = None
    contact_id: str | None = None
    cause: str | None = None
    fate: Fate = "folded"
    why: str = ""
    text: str
    duplicates: int = 0
    differing: int = 0
    repeats: tuple[Repeat, ...] = ()
    """The last few arrivals after the first."""
    epoch: int = 0
    """Of a recompute, where it was taken in during one."""

    @property
    def digest(self) -> str:
        """Of what it says (type, time, subject, data), not of how it travelled."""
        return digest_of(self.text, self.type, self.time)

    def index(self) -> dict[str, Any]:
        fields: dict[str, Any] = {
            "time": self.time,
            "hour": self.recorded.replace(minute=0, second=0, microsecond=0),
            "fate": self.fate,
        }
        given: dict[str, str | int | None]
        given = {"customer_id": self.customer_id, "contact_id": self.contact_id, "cause": self.cause}
        given["epoch"] = self.epoch or None
        return fields | {name: value for name, value in given.items() if value is not None}

    def made_in(self, epoch: int) -> Self:
        return self.but(epoch=epoch)


class Profile(NamedTuple):
    """What figures need to know of the customer of a contact."""

    tier: str | None = None
    audience: str = "customer"
    language: str | None = None


class Risk(NamedTuple):
    """A conflict that sla-monitor has seen near."""

    order: Order
    reasons: tuple[str, ...]
    contact_id: str | None


class ContactFact(State, frozen=True, kw_only=True):
    """
    One contact: the log it was folded from, and what it last added to the figures.

    `base` is the story of notes folded for good, up to `cut`; `named` is the
    place of the event that says whose contact it is.
    """

    collection: ClassVar[str] = "facts"
    indexes: ClassVar[tuple[Index, ...]] = (Index(("customer_id", "-opened_at")), Index(("until",)))

    customer_id: str = ""
    named: tuple[int, Order] | None = None
    log: tuple[Note, ...] = ()
    base: Story | None = None
    cut: Order | None = None
    runs: dict[str, Run] = field(default_factory=dict)
    policy: str | None = None
    policy_word: Word | None = None
    in_hours: tuple[Word, bool] | None = None
    """Whether it came while the calendar of its policy was open."""
    answers: dict[str, Answer] = field(default_factory=dict)
    reviews: dict[str, Review] = field(default_factory=dict)
    """By the event."""
    surveys: dict[str, Survey] = field(default_factory=dict)
    """Those that were sent about it."""
    followups: dict[str, Followed] = field(default_factory=dict)
    promised: dict[str, dict[int, int]] = field(default_factory=dict)
    """The due instants told of each promise, by the number of the announcement."""
    profile: Profile = Profile()
    status: Status = "unknown"
    opened_at: int | None = None
    dimensions: dict[str, str] = field(default_factory=dict)
    visit: Visit = Visit()
    marks: tuple[Mark, ...] = ()

    def leads_to(self) -> Iterable[Ref]:
        return (Ref(CustomerFact, self.customer_id),)

    def index(self) -> dict[str, Any]:
        opened = None if self.opened_at is None else instant(self.opened_at)
        about: dict[str, Any] = {"customer_id": self.customer_id, "status": self.status, "opened_at": opened}
        about["audience"] = self.profile.audience
        if visit := self.visit.fields():
            about["visit"] = visit
        return about | self.dimensions | marks_index(self.marks)


class CustomerFact(State, frozen=True, kw_only=True):
    """
    What metrics knows of a customer: who they are to us over time, what they bought, answers that belong to no contact.

    It wakes when a purchase stops counting for their tier, and once a backfill that told of purchases is over.
    """

    collection: ClassVar[str] = "customers"
    wakeful: ClassVar[bool] = True
    indexes: ClassVar[tuple[Index, ...]] = (Index(("until",)),)

    tiers: dict[str, tuple[Order, str | None, bool]] = field(default_factory=dict)
    """By event: its place, the tier, and whether a word of another system said so."""
    audiences: dict[str, tuple[Order, str]] = field(default_factory=dict)
    answers: dict[str, Answer] = field(default_factory=dict)
    followups: dict[str, Followed] = field(default_factory=dict)
    """Those that are about no contact."""
    marks: tuple[Mark, ...] = ()
    language: tuple[Order, str | None] | None = None
    owners: dict[str, tuple[Order, str | None]] = field(default_factory=dict)
    """By event: its place, and whose customer they are from then on."""
    lives: dict[str, tuple[Order, Life | None]] = field(default_factory=dict)
    """By event: its place, and what they were to us from then on."""
    bounces: dict[str, int] = field(default_factory=dict)
    """By event: when a message to them came back."""
    surveys: dict[str, Survey] = field(default_factory=dict)
    """Those that were sent about no contact."""
    purchases: dict[str, Purchase] = field(default_factory=dict)
    """By the purchase's id."""
    returns: dict[str, Return] = field(default_factory=dict)
    """By event."""
    risks: dict[str, Risk] = field(default_factory=dict)
    """By cause, as it was raised last."""
    told: dict[int, str | None] = field(default_factory=dict)
    """The tier that was told as of each instant (milliseconds)."""
    sequence: int = 0
    """Of the newest event that was told."""
    rules: tuple[str, int] = ("", 0)
    """The rules by which the tier is told, and since when (milliseconds)."""
    history: int = 0
    """The newest instant that a purchase told as history has."""

    def index(self) -> dict[str, Any]:
        return {"customer_id": self.id, "audience": self.audience} | marks_index(self.marks)

    @property
    def audience(self) -> str:
        return max(self.audiences.values())[1] if self.audiences else "customer"

    def owner_at(self, millis: int | None = None) -> str | None:
        """Their own agent, at an instant or now."""
        told = [word for word in self.owners.values() if millis is None or word[0][0] <= millis]
        return max(told)[1] if told else None

    def given_tier(self) -> str | None:
        """The tier that another system gave last, unless it has taken it back."""
        given = max((tier for tier in self.tiers.values() if tier[2]), default=None, key=lambda tier: tier[0])
        return given[1] if given else None

    def tier_at(self, millis: int | None) -> str | None:
        """
        The tier at an instant; failing that the first that became known.

        A tier that another system gave wins over what purchases made of it.
        """
        if not self.tiers:
            return None
        told = self._words()
        before = [tier for tier in told if millis is None or tier[0][0] <= millis]
        before = before or [tier for tier in told if tier[1] is not None][:1]
        given = [tier for tier in before if tier[2]]
        if given and given[-1][1] is not None:
            return given[-1][1]
        earned = [tier for tier in before if not tier[2]]
        return earned[-1][1] if earned else None

    def _words(self) -> list[tuple[Order, str | None, bool]]:
        """What was said of the tier, in order; of tiers by purchases the newest word as of each instant."""
        newest = {}
        for word in sorted(self.tiers.values(), key=lambda tier: tier[0]):
            order, _, given = word
            newest[order if given else order[0]] = word
        return sorted(newest.values(), key=lambda tier: tier[0])

    def profile_at(self, millis: int | None) -> Profile:
        return Profile(self.tier_at(millis), self.audience, self.language[1] if self.language else None)


def marks_index(marks: tuple[Mark, ...]) -> dict[str, Any]:
    """Marks as reports query them, and the range of their instants."""
    documents = []
    for measure, at, agent, team, part, figures in marks:
        document: dict[str, Any] = {"measure": measure, "at": instant(at), "figures": figures}
        if agent is not None:
            document["agent"] = agent
        if team is not None:
            document["team"] = team
        if part is not None:
            document["part"] = part
        documents.append(document)
    if not documents:
        return {"marks": []}
    instants = [mark.at for mark in marks]
    return {"since": instant(min(instants)), "until": instant(max(instants)), "marks": documents}
