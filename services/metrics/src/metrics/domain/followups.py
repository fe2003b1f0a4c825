"""What followup has told of one step of a play: the newest word counts, whatever the order of arrival."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final, NamedTuple

from rapport.contracts import Data, Event
from rapport.contracts.followup_events import (
    FollowupCancelled,
    FollowupData,
    FollowupDeferred,
    FollowupDone,
    FollowupFailed,
    FollowupOwed,
    FollowupScheduled,
    FollowupSent,
    FollowupSuppressed,
)

from metrics.domain.deadlines import Word, millis, word_of
from metrics.domain.kept import Mark


class Followed(NamedTuple):
    """A follow-up as it stands: at what instant that is counted, and whose it is."""

    word: Word
    stands: str
    at: int
    agent: str | None
    team: str | None
    late: bool = False
    """Done after it was due."""
    reason: str | None = None
    """Why it was suppressed."""


_STANDS: Final[Mapping[type[Data], str]] = {
    FollowupScheduled: "planned",
    FollowupDeferred: "planned",
    FollowupOwed: "owed",
    FollowupDone: "done",
    FollowupSent: "sent",
    FollowupSuppressed: "suppressed",
    FollowupCancelled: "cancelled",
    FollowupFailed: "failed",
}


def is_about_followup(event: Event[Data]) -> bool:
    return type(event.data) in _STANDS


def with_followup(known: Mapping[str, Followed], event: Event[Any]) -> dict[str, Followed]:
    """The follow-ups with what one more event says."""
    data: FollowupData = event.data
    held, told = known.get(data.followup_id), _told(event, data)
    return {**known, data.followup_id: told if held is None or told.word > held.word else held}


def _told(event: Event[Any], data: FollowupData) -> Followed:
    """A call belongs to the instant at which it is due, everything else to when it happened or is to happen."""
    at = due = millis(event.time)
    if isinstance(data, FollowupScheduled | FollowupOwed):
        due = millis(data.due_at)
    elif isinstance(data, FollowupDeferred):
        due = millis(data.until)
    elif isinstance(data, FollowupDone) and data.due_at is not None:
        due = millis(data.due_at)
    agent = (data.owner or data.by) if isinstance(data, FollowupDone) else data.owner
    reason = data.reason if isinstance(data, FollowupSuppressed) else None
    return Followed(word_of(event), _STANDS[type(data)], due, agent, data.team, at > due, reason)


def followup_marks(known: Iterable[Followed]) -> Iterator[Mark]:
    """One mark each; `waiting` is a call that is owed and not done."""
    for one in known:
        figures = {one.stands: 1}
        if one.stands == "owed":
            figures["waiting"] = 1
        elif one.stands == "done":
            figures |= {"owed": 1, **({"late": 1} if one.late else {})}
        yield Mark("followups", one.at, one.agent, one.team, one.reason, figures)
