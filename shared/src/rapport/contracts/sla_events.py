"""What sla-monitor tells (topic sla-events)."""

from typing import Annotated, Final, Literal

from pydantic import Field, StringConstraints

from rapport.contracts.contact_events import ContactData, CustomerData
from rapport.contracts.envelope import Data
from rapport.contracts.fields import Id, Instant, Label, Target, Text

Verdict = Literal["met", "breached", "cancelled", "running"]

WITHDRAWN: Final = "withdrawn"
"""The cause of what a late event shows never to have been owed."""

AlertId = Annotated[str, StringConstraints(min_length=1, max_length=250)]
"""`contact/target/cycle`: longer than the longest id of a contact."""


class Deadline(Data):
    """One run of a target on a contact. `cycle` counts from 1."""

    target: Target
    cycle: int
    started_at: Instant
    due_at: Instant


class UnderPolicy(ContactData):
    """What every event about deadlines carries: under which policy, whose work it is."""

    policy: Label | None = None
    policy_version: int | None = None
    owner: Id | None = None
    team: Label | None = None


class Scheduled(UnderPolicy):
    """What has come to be due, and how the contact's opening lies to its calendar: late news may move it."""

    in_hours: bool | None = Field(None, description="whether the calendar was open when the contact was opened")
    deadlines: list[Deadline] = Field(default_factory=list)


class SlaOpened(Scheduled):
    """The clocks of a contact run; all its deadlines at that moment."""

    calendar: Label | None = None


class SlaRescheduled(Scheduled):
    """Deadlines were added or moved; `cause` is the type of the event that did it."""

    cause: Text


class SlaDeadlineEvent(UnderPolicy):
    """Something became true of one deadline. `open_seconds` is business time used until then."""

    target: Target
    cycle: int
    started_at: Instant
    due_at: Instant
    open_seconds: float = 0


class SlaWarned(SlaDeadlineEvent):
    """The deadline comes near."""


class SlaBreached(SlaDeadlineEvent):
    """The deadline passed unmet; `time` is the due instant."""

    waiting: bool = True


class SlaMet(SlaDeadlineEvent):
    """The target was met at or before its due instant."""

    met_at: Instant
    without_response: bool = False


class SlaCancelled(SlaDeadlineEvent):
    """The target is no longer owed; `cause` says why."""

    cause: Text


class SlaCorrected(SlaDeadlineEvent):
    """A late event proved an announced verdict wrong, or by when it had to be, or when it was met."""

    announced: Verdict
    verdict: Verdict
    met_at: Instant | None = None
    cause: Text
    in_hours: bool | None = Field(None, description="whether the calendar was open when the contact was opened")


class RiskRaised(CustomerData):
    """A conflict may be near; once per cause until it clears."""

    cause: Label
    reasons: list[Text] = Field(default_factory=list)
    contact_id: Id | None = None


class AlertData(ContactData):
    """Something happened to the alert on one contact, target and cycle."""

    alert_id: AlertId
    target: Target
    cycle: int
    due_at: Instant
    owner: Id | None = None
    team: Label | None = None
    by: Label | None = None


class AlertNotified(AlertData):
    """A message about it went to a receiver. `level` counts the steps of the escalation."""

    receiver: Label
    level: int = 0
    group: Label | None = None
    late: bool = False


class AlertAcknowledged(AlertData):
    """Somebody has taken it."""


class AlertSnoozed(AlertData):
    """Somebody wants to hear of it again at `until`."""

    until: Instant


class AlertAssigned(AlertData):
    """Somebody gave it to `to`."""

    to: Id


class AlertEscalated(AlertData):
    """Nobody took it in time; it climbed to `level`."""

    level: int


class AlertCleared(AlertData):
    """Nobody waits any more, or never did. `open_seconds` is the business time used until `met_at`, late or not."""

    cause: Text
    met_at: Instant | None = None
    open_seconds: float | None = None


class AlertClosed(AlertData):
    """Somebody closed it though the target was not met; the verdict stays."""

    reason: Text


class PolicyPublished(Data):
    """A version of the policy is in force from `effective_from`; secrets stay unexpanded."""

    version: int
    effective_from: Instant
    policies: list[Label]
    document: str


SLA_EVENT_DATA: dict[str, type[Data]] = {
    "sla.opened": SlaOpened,
    "sla.rescheduled": SlaRescheduled,
    "sla.warned": SlaWarned,
    "sla.breached": SlaBreached,
    "sla.met": SlaMet,
    "sla.cancelled": SlaCancelled,
    "sla.corrected": SlaCorrected,
    "risk.raised": RiskRaised,
    "alert.notified": AlertNotified,
    "alert.acknowledged": AlertAcknowledged,
    "alert.snoozed": AlertSnoozed,
    "alert.assigned": AlertAssigned,
    "alert.escalated": AlertEscalated,
    "alert.cleared": AlertCleared,
    "alert.closed": AlertClosed,
    "policy.published": PolicyPublished,
}
