"""What followup tells (topic followup-events)."""

from typing import Literal

from pydantic import Field

from rapport.contracts.contact_events import CustomerData
from rapport.contracts.envelope import Data
from rapport.contracts.fields import Channel, Id, Instant, Label, SurveyContext, SurveyKind, Text

Step = Literal["survey", "check_in", "message"]


class FollowupData(CustomerData):
    """Something happened to one step of a play for one customer."""

    followup_id: Id
    play: Label
    step: int
    do: Step
    purpose: Label
    contact_id: Id | None = None
    owner: Id | None = None
    team: Label | None = None


class FollowupScheduled(FollowupData):
    """A step is planned for `due_at`."""

    due_at: Instant


class FollowupDeferred(FollowupData):
    """It waits until `until`, and why."""

    until: Instant
    reason: Text


class FollowupSuppressed(FollowupData):
    """It will not happen, why, and until when not, where that is known."""

    reason: Text
    until: Instant | None = Field(None, description="when nothing would have stood in the way")


class FollowupCancelled(FollowupData):
    """What it was for has gone, such as by a reopening."""

    reason: Text


class FollowupSent(FollowupData):
    """It went out."""

    channel: Channel


class FollowupFailed(FollowupData):
    """It could not be sent, and why."""

    reason: Text


class FollowupOwed(FollowupData):
    """A person has to call."""

    due_at: Instant


class FollowupDone(FollowupData):
    """A person has done it."""

    outcome: Label
    note: Text | None = None
    by: Label | None = None
    due_at: Instant | None = None


class SurveySent(CustomerData):
    """The customer has been asked."""

    survey_id: Id
    survey: SurveyKind
    followup_id: Id
    context: SurveyContext = "transactional"
    contact_id: Id | None = None
    channel: Channel
    expires_at: Instant


FOLLOWUP_EVENT_DATA: dict[str, type[Data]] = {
    "followup.scheduled": FollowupScheduled,
    "followup.deferred": FollowupDeferred,
    "followup.suppressed": FollowupSuppressed,
    "followup.cancelled": FollowupCancelled,
    "followup.sent": FollowupSent,
    "followup.failed": FollowupFailed,
    "followup.owed": FollowupOwed,
    "followup.done": FollowupDone,
    "survey.sent": SurveySent,
}
