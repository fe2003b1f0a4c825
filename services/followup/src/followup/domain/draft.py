"""A decision in the making: the customer as changed so far, and what is told and written beside."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from rapport.contracts import Data, Event, tell
from rapport.contracts import followup_events as told
from rapport.decision import Decision, State, Tell

from followup.domain.plays import Plays
from followup.domain.state import CheckIn, CustomerState, Followup, Slot, SurveyLink

SOURCE = "/rapport/followup"


@dataclass(frozen=True, slots=True)
class Rules:
    """What is decided by: the plays, which of their senders can send at all, and which templates name no time."""

    plays: Plays
    senders: frozenset[str] = frozenset({"default"})
    timeless: frozenset[str] = frozenset()
    cancelling: frozenset[str] = field(init=False)
    attributes: frozenset[str] = field(init=False)

    def __post_init__(self) -> None:
        names = frozenset(name for play in self.plays.plays for name in play.cancel_on)
        asked = frozenset(name for play in self.plays.plays for name in play.on.match)
        object.__setattr__(self, "cancelling", names)
        object.__setattr__(
            self, "attributes", frozenset(n.removeprefix("attributes.") for n in asked if n.startswith("attributes."))
        )


@dataclass(slots=True)
class Draft:
    """Collects what follows from one event, wake-up or click for one customer."""

    customer: CustomerState
    rules: Rules
    cause: Event[Data] | None = None
    events: list[Tell] = field(default_factory=list)
    written: dict[tuple[type[State], str], State] = field(default_factory=dict)
    changed: bool = False

    def put(self, followup: Followup) -> Followup:
        """Keep a follow-up as it is now; a call that a person owes shows in the work list."""
        before = self.customer.followups.get(followup.id)
        self._customer(followups={**self.customer.followups, followup.id: followup})
        if followup.do == "check_in" and (followup.status == "owed" or (before and before.status == "owed")):
            self.write(check_in_of(followup, self.customer))
        return followup

    def drop(self, followup: Followup) -> None:
        """Forget one that nobody has been told of."""
        self._customer(followups={name: f for name, f in self.customer.followups.items() if name != followup.id})

    def reserve(self, slot: Slot) -> None:
        self._customer(slots=(*self.customer.slots, slot))

    def free(self, followup: Followup) -> None:
        """Give its slot back: the customer has not heard from us."""
        self._customer(slots=tuple(slot for slot in self.customer.slots if slot.followup_id != followup.id))

    def write(self, state: State) -> None:
        self.written[type(state), state.id] = state

    def tell(self, kind: str, followup: Followup, at: datetime, *, mark: str = "", **more: Any) -> None:
        """Tell that something became true of a follow-up at `at`; the id says what, so that it is told but once."""
        data = _DATA[kind](
            customer_id=self.customer.id,
            followup_id=followup.id,
            play=followup.play,
            step=followup.step,
            do=followup.do,
            purpose=followup.purpose,
            contact_id=followup.contact_id,
            owner=followup.owner,
            team=followup.team,
            **more,
        )
        name = ":".join(part for part in (followup.id, kind.partition(".")[2], mark) if part)
        self._tell(kind, data, name, at)

    def tell_survey_sent(self, followup: Followup, link: SurveyLink, at: datetime) -> None:
        data = told.SurveySent(
            customer_id=self.customer.id,
            survey_id=link.id,
            survey=link.survey,
            followup_id=followup.id,
            context=context_of(followup.contact_id),
            contact_id=followup.contact_id,
            channel=followup.channel,
            expires_at=link.expires_at,
        )
        self._tell("survey.sent", data, f"{followup.id}:survey", at)

    def decision(self, why: str = "") -> Decision[Any]:
        """All of it; the customer wakes when the next follow-up is to be let go."""
        waits = [f.release_at for f in self.customer.followups.values() if f.status in _WAITING]
        customer = self.customer.but(wake_at=min(waits, default=None))
        return Decision((customer, *self.written.values()), tuple(self.events), why=why)

    def _tell(self, kind: str, data: Data, name: str, at: datetime) -> None:
        self._customer(sequence=self.customer.sequence + 1)
        event = tell(kind, data, source=SOURCE, id=name, time=at, sequence=self.customer.sequence, cause=self.cause)
        self.events.append(Tell(self.customer.id, event))

    def _customer(self, **update: Any) -> None:
        self.customer = self.customer.but(**update)
        self.changed = True


def context_of(contact_id: str | None) -> Any:
    """A survey about a contact is transactional, any other about the relation."""
    return "transactional" if contact_id else "relational"


def finished(followup: Followup, status: str, at: datetime, reason: str | None = None, **more: Any) -> Followup:
    return followup.but(status=status, finished_at=at, reason=reason, **more)


def slot_of(followup: Followup, at: datetime, plays: Plays) -> Slot:
    exempt = followup.purpose in plays.budget.exempt
    return Slot(followup_id=followup.id, at=at, survey=followup.survey, exempt=exempt)


def owners(followup: Followup, customer: CustomerState) -> tuple[str | None, str | None]:
    """Who is to call, and whose team: as the step asks, else whoever the customer or the contact has."""
    contact = customer.contacts.get(followup.contact_id or "")
    fields = contact.fields if contact else {}
    of_contact = next((v for n in ("agent_id", "answered_by") if isinstance(v := fields.get(n), str)), None)
    of_customer = customer.text("owner_id")
    team = fields.get("team")
    if followup.by == "team":
        owner = None
    else:
        owner = of_customer or of_contact if followup.by == "customer.owner" else of_contact or of_customer
    return owner, team if isinstance(team, str) else None


def in_order(followups: Iterable[Followup]) -> list[Followup]:
    """By when they are let go; of those at one instant, the most important first."""
    return sorted(followups, key=lambda one: (one.release_at, -one.priority, one.id))


def check_in_of(followup: Followup, customer: CustomerState) -> CheckIn:
    return CheckIn(
        id=followup.id,
        partition=customer.partition,
        customer_id=customer.id,
        contact_id=followup.contact_id,
        play=followup.play,
        owner=followup.owner,
        team=followup.team,
        due_at=followup.until or followup.release_at + timedelta(seconds=followup.within),
        status=followup.status,
        outcome=followup.outcome,
        note=followup.note,
        by=followup.done_by,
    )


_WAITING = {"watched", "planned", "deferred"}
_DATA: dict[str, Callable[..., Data]] = {
    "followup.scheduled": told.FollowupScheduled,
    "followup.deferred": told.FollowupDeferred,
    "followup.suppressed": told.FollowupSuppressed,
    "followup.cancelled": told.FollowupCancelled,
    "followup.sent": told.FollowupSent,
    "followup.failed": told.FollowupFailed,
    "followup.owed": told.FollowupOwed,
    "followup.done": told.FollowupDone,
}
