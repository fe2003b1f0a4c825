"""
Which messages go out together, and when: many alerts of one group are one message to each receiver.

As Alertmanager does it: a new group waits a little for more members, and what
joins a group that has just been sent waits for the interval.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, NamedTuple, TypeVar

from rapport.business_time import Calendar

from sla_monitor.domain.escalation import LATE, opening
from sla_monitor.domain.notifications import NotificationState
from sla_monitor.domain.policy import Grouping
from sla_monitor.domain.states import AlertState

T = TypeVar("T")

STORM: Final = 20
"""Members from which a group counts as part of a storm."""

AT_ONCE: Final = 20
"""Incidents that one message to PagerDuty concerns: it takes each within a third of a second or so."""

_LOOK_EVERY: Final = 0.25
_LONGEST_REST: Final = 5.0
_RESTS: Final = 9
"""Times as long as a look has taken, so that very much that waits holds up deadlines by a tenth at most."""

LONGEST_HOLD: Final = timedelta(seconds=60)
"""How much longer a storm's message waits for the rest of the storm."""


class GroupKey(NamedTuple):
    """What may be one message: the same receiver, group and kind of news."""

    receiver: str
    entry: int
    group: str
    kind: str

    @property
    def lasting(self) -> str:
        """The group as its receiver knows it, from the first of its news to the last."""
        return f"{self.receiver}#{self.entry}/{self.group}"

    @property
    def text(self) -> str:
        return f"{self.receiver}#{self.entry}/{self.kind}/{self.group}"


@dataclass(frozen=True, slots=True)
class Batch:
    """Notifications that go out as one message, the longest waiting first."""

    key: GroupKey
    members: tuple[NotificationState, ...]
    ready_at: datetime


def batches(
    pending: Iterable[NotificationState],
    grouping: Grouping,
    seen: Mapping[GroupKey, datetime],
    sent: Mapping[str, datetime],
) -> list[Batch]:
    """
    All that waits to be sent as messages, each with the instant from which it may go.

    `seen` says since when a group has had something to send, `sent` when it was
    sent last, by the key's text. The one that may go first comes first.
    """
    members: dict[GroupKey, list[NotificationState]] = defaultdict(list)
    for one in pending:
        members[key_of(one)].append(one)
    found = []
    for key, group in members.items():
        ready_at = seen[key] + grouping.wait
        if key.text in sent:
            ready_at = max(ready_at, sent[key.text] + grouping.interval)
        found.append(Batch(key, tuple(sorted(group, key=lambda n: (n.deadline, n.id))), ready_at))
    return sorted(found, key=lambda batch: (batch.ready_at, batch.key))


def folded(members: Sequence[NotificationState]) -> tuple[list[NotificationState], list[NotificationState]]:
    """Of each alert the latest step, and the steps before it, which say nothing that it does not."""
    latest: dict[str, NotificationState] = {}
    for one in members:
        known = latest.get(one.alert_id)
        if known is None or (one.due, one.level, one.id) > (known.due, known.level, known.id):
            latest[one.alert_id] = one
    kept = list(latest.values())
    names = {one.id for one in kept}
    return kept, [one for one in members if one.id not in names]


def in_pieces(members: Sequence[T], known: Callable[[T], Iterable[str]]) -> list[list[T]]:
    """
    Members in pieces that concern so many incidents at most; where they are known by none, in one.

    PagerDuty is told of each incident by itself, and takes some 120 events a minute: of
    all at once the first ones would be told again and again, and the last ones never.
    """
    pieces: list[list[T]] = [[]]
    incidents: set[str] = set()
    for one in members:
        also = incidents.union(known(one))
        if len(also) > AT_ONCE and pieces[-1]:
            pieces.append([])
            also = set(known(one))
        incidents = also
        pieces[-1].append(one)
    return pieces


def to_repeat(sent: Mapping[str, datetime], grouping: Grouping, now: datetime) -> list[str]:
    """The groups, by their key's text, that have not been told anything for as long as `repeat` says."""
    if grouping.repeat is None:
        return []
    return [text for text, at in sent.items() if "/breach/" in text and at + grouping.repeat <= now]


def may_go(batch: Batch, now: datetime, *, behind: bool) -> bool:
    """
    Whether a message goes now.

    `behind` says that deadlines which have passed are still being looked at: then
    a storm's message waits for the others, or it would be two.
    """
    if batch.ready_at > now:
        return False
    return not (behind and len(batch.members) >= STORM and now < batch.ready_at + LONGEST_HOLD)


def rest_after(look: timedelta) -> float:
    """
    Seconds until the next look at what waits, after one that has taken so long.

    Never many: an outage that it sat out, or a clock that was set, is no reason to keep a page back.
    """
    return min(max(_LOOK_EVERY, _RESTS * look.total_seconds()), _LONGEST_REST)


def outside_hours(one: NotificationState, calendar: Calendar | None, grouping: Grouping, now: datetime) -> bool:
    """Whether the hours in which it may ring are over; what only waited for its group is told all the same."""
    if calendar is None or now - one.due <= grouping.wait + grouping.interval + LATE:
        return False
    return opening(calendar, now) > now


def waits_since(one: NotificationState, calendar: Calendar | None, now: datetime) -> datetime:
    """Since when it might have rung: since it was due, or the last opening after that."""
    stretches = calendar.segments(one.due, now) if calendar and one.due < now else []
    return next((stretch.end for stretch in reversed(stretches) if stretch.why != "open"), one.due)


def key_of(notification: NotificationState) -> GroupKey:
    return GroupKey(notification.receiver, notification.entry, notification.group, notification.kind)


def moot(notification: NotificationState, alert: AlertState | None) -> str:
    """Why a message need not be sent any more, seen right before it would be; empty while it must."""
    if alert is None:
        return "the alert is gone"
    if notification.kind == "cleared":  # a warning rings nobody: whoever was rung is to hear that nothing is missed
        return "" if not alert.active or alert.state == "warned" else f"the alert is {alert.state} again"
    if notification.kind == "acknowledged":
        return "" if alert.state == "acknowledged" else f"the alert is {alert.state}"
    wanted = "warned" if notification.kind == "warning" else "breached"
    return "" if alert.state == wanted else f"the alert is {alert.state}"
