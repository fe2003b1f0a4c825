"""What is to be sent to whom, as sla-monitor keeps it."""

from datetime import datetime
from typing import Any, ClassVar, Literal

from rapport.contracts.fields import Target
from rapport.decision import Index, State


class NotificationState(State, frozen=True, kw_only=True, forbid_unknown_fields=False):
    """
    One message to one receiver about one alert, written when its step is due; a sender takes it from here.

    `status`: pending → sending → sent or failed; dropped where it was no longer needed. The alert's id is the key under
    which the receiver recognises what belongs together. What older versions kept besides is left out when it is read.
    """

    collection: ClassVar[str] = "notifications"
    indexes: ClassVar[tuple[Index, ...]] = (
        Index(("status", "due", "_id")),
        Index(("alert_id",)),
        Index(("known_as",), only={"known_as": {"$exists": True}}),
    )

    alert_id: str
    contact_id: str
    customer_id: str
    kind: Literal["warning", "breach", "acknowledged", "cleared"] = "breach"
    target: Target
    cycle: int
    deadline: datetime
    owner: str | None = None
    team: str | None = None
    receiver: str
    """A name among the policy's receivers or people."""
    entry: int = 0
    """Which of the receiver's addresses, where it lists several by calendar."""
    policy_version: int | None = None
    calendar: str | None = None
    """In whose hours alone it may ring; None for what may at any."""
    level: int = 0
    due: datetime
    known_at: datetime | None = None
    """When the event that led to it was taken in, where that was after it had become due."""
    late: bool = False
    source: str = ""
    """Where its contact comes from, and with it the news that may make this needless."""
    group: str = ""
    status: Literal["pending", "sending", "sent", "failed", "dropped"] = "pending"
    attempts: int = 0
    token: int | None = None
    """Of the lease under which it is being sent."""
    tried_since: datetime | None = None
    """When it was first tried, of what is sent again in this round."""
    sent_at: datetime | None = None
    error: str | None = None
    passed: bool = False
    """Whether the escalation has gone on past this receiver."""
    repeats: int = 0
    """How many times the same was sent again because nobody had taken it."""
    perhaps: bool = False
    """Whether the receiver may have had it without our having heard so: it was cut off while it was sent."""
    known_as: str = ""
    """Under which name or labels the receiver's product knows the alert, where it has one of its own."""

    def index(self) -> dict[str, Any]:
        found = {"status": self.status, "due": self.due, "alert_id": self.alert_id, "receiver": self.receiver}
        return {**found, "known_as": self.known_as} if self.known_as else found
