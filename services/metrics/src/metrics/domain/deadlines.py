"""What sla-monitor has told of one deadline: the newest word counts, whatever the order of arrival."""

from collections.abc import Iterator
from datetime import datetime
from typing import Final, NamedTuple, TypeVar

from rapport.contracts import Data, Event
from rapport.contracts.sla_events import (
    WITHDRAWN,
    AlertCleared,
    SlaBreached,
    SlaCancelled,
    SlaCorrected,
    SlaDeadlineEvent,
    SlaMet,
    SlaOpened,
    SlaRescheduled,
    SlaWarned,
    UnderPolicy,
    Verdict,
)

from metrics.domain.naming import identity_of


class Word(NamedTuple):
    """The place of an announcement: sla-monitor numbers them per contact."""

    number: int
    millis: int
    rank: int
    name: str


class Scheduled(NamedTuple):
    word: Word
    due: int


class Decided(NamedTuple):
    word: Word
    verdict: Verdict
    due: int
    open_millis: int
    """Business time used up to the verdict."""
    withdrawn: bool = False
    """It was never owed: a late event has shown that."""


class Ended(NamedTuple):
    """An answer that came after the breach."""

    word: Word
    open_millis: int
    """Business time used until the answer."""


class Run(NamedTuple):
    """One cycle of a target on a contact."""

    scheduled: Scheduled | None = None
    decided: Decided | None = None
    ended: Ended | None = None
    owner: str | None = None
    team: str | None = None

    def after(self, told: Scheduled | Decided | Ended, by: UnderPolicy | AlertCleared) -> "Run":
        """The run after one more announcement. A deadline told again never takes back a verdict; a correction does."""
        if isinstance(told, Ended):
            return self._replace(ended=_newer(self.ended, told))
        is_news = all(part is None or told.word > part.word for part in (self.scheduled, self.decided))
        owner, team = (by.owner, by.team) if is_news else (self.owner, self.team)
        if isinstance(told, Scheduled):
            return Run(_newer(self.scheduled, told), self.decided, self.ended, owner, team)
        return Run(self.scheduled, _newer(self.decided, told), self.ended, owner, team)

    @property
    def is_withdrawn(self) -> bool:
        """Whether there is nothing to count: it was never owed, as far as has been told since."""
        return self.decided is not None and self.decided.withdrawn and not self._is_owed_again

    @property
    def _is_owed_again(self) -> bool:
        decided, scheduled = self.decided, self.scheduled
        return bool(decided and decided.verdict == "cancelled" and scheduled and scheduled.word > decided.word)

    @property
    def open_millis(self) -> int | None:
        """Business time used until it was met, late or in time; None while that is not known."""
        if self.verdict == "breached":
            return self.ended.open_millis if self.ended else None
        return self.decided.open_millis if self.decided and self.verdict == "met" else None

    @property
    def verdict(self) -> Verdict:
        """What stands; what was cancelled and is owed again runs."""
        if self.decided is None or self._is_owed_again:
            return "running"
        return self.decided.verdict

    @property
    def due(self) -> int | None:
        """The due instant: of the verdict, or of the newest word while it runs."""
        if self.decided and self.decided.verdict != "running" and not self._is_owed_again:
            return self.decided.due
        parts = [part for part in (self.scheduled, self.decided) if part]
        return max(parts, key=lambda part: part.word).due if parts else None


P = TypeVar("P", Scheduled, Decided, Ended)


def _newer(held: P | None, told: P) -> P:
    return told if held is None or told.word > held.word else held


def millis(instant: datetime) -> int:
    return int(instant.timestamp() * 1000 + 0.5)


_RANK: dict[type[Data], int] = {SlaOpened: 0, SlaRescheduled: 1, SlaWarned: 2, SlaCorrected: 4}
_SCHEDULES: Final = (SlaOpened, SlaRescheduled)
_VERDICT: dict[type[Data], Verdict] = {SlaMet: "met", SlaBreached: "breached", SlaCancelled: "cancelled"}


def word_of(event: Event[Data]) -> Word:
    number = int(event.sequence) if event.sequence and event.sequence.isdecimal() else -1
    return Word(number, millis(event.time), _RANK.get(type(event.data), 3), identity_of(event))


def told_by(event: Event[Data], word: Word) -> Iterator[tuple[str, int, Scheduled | Decided | Ended]]:
    """(target, cycle, what is said of it) for every deadline that the event speaks of."""
    data = event.data
    if isinstance(data, _SCHEDULES):
        for deadline in data.deadlines:
            yield deadline.target, deadline.cycle, Scheduled(word, millis(deadline.due_at))
    elif isinstance(data, SlaWarned):
        yield data.target, data.cycle, Scheduled(word, millis(data.due_at))
    elif isinstance(data, AlertCleared):
        if data.met_at is not None and data.open_seconds is not None:
            yield data.target, data.cycle, Ended(word, int(data.open_seconds * 1000 + 0.5))
    elif isinstance(data, SlaDeadlineEvent):
        verdict = data.verdict if isinstance(data, SlaCorrected) else _VERDICT[type(data)]
        used = int(data.open_seconds * 1000 + 0.5)
        withdrawn = isinstance(data, SlaCorrected | SlaCancelled) and data.cause == WITHDRAWN
        yield data.target, data.cycle, Decided(word, verdict, millis(data.due_at), used, withdrawn)
