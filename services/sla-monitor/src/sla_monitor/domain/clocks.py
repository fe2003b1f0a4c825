"""One run of a target on a contact: when it is due, what paused it, how it ended, and how it explains itself."""

from dataclasses import dataclass
from datetime import datetime
from typing import Final, NamedTuple

from rapport.contracts.fields import Target

from sla_monitor.domain.hours import WALL, Hours
from sla_monitor.domain.rules import Plan, Rule, Spec
from sla_monitor.domain.states import Verdict

NEVER_OPENS: Final = "its calendar never opens again"
"""The cause of a need that can't be given a deadline."""


class Stretch(NamedTuple):
    """A stretch of a clock's life, and why it counted or did not."""

    start: datetime
    end: datetime
    counted_seconds: float
    why: str


@dataclass(slots=True, eq=True)
class Clock:
    """
    A need of the customer, and the deadline that a policy sets for it.

    `spec` is None where the policy in force promises nothing; such a clock is
    not shown. `due_at` stays what it was while the clock is paused.
    """

    target: Target
    key: str
    """Identity of the event that opened it; empty for the run that there is once per contact."""
    started_at: datetime
    joined: tuple[str, ...] = ()
    """Events that would have opened it, had they come first."""
    spec: Spec | None = None
    rule: Rule | None = None
    hours: Hours = WALL
    calendar: str | None = None
    plan: Plan | None = None
    """What would hold without pauses."""
    due_at: datetime | None = None
    origin: datetime | None = None
    """The start of the first cycle that it goes on from."""
    used_before: float = 0
    """Open seconds that those cycles have used of what is allowed."""
    pauses: tuple[tuple[datetime, datetime], ...] = ()
    paused_since: datetime | None = None
    ahead: tuple[datetime, ...] = ()
    """Warnings to come."""
    warned: tuple[datetime, ...] = ()
    """Warnings that have become true."""
    outdated: int = 0
    """How many of these were of a deadline that has been moved away since."""
    breached_at: datetime | None = None
    met_at: datetime | None = None
    cancelled_at: datetime | None = None
    cause: str = ""
    """The type of the event that last decided about it, or why it was cancelled."""
    without_response: bool = False
    listed: bool = False
    """Made late by a change of the contact's class: listed, never paged."""
    recorded: datetime | None = None
    """When the event that set its deadline was taken in, where that was a backfill."""
    ended_recorded: datetime | None = None
    """Likewise for the event that ended it."""
    ended_by: str = ""
    """The name of that event."""
    moves: int = 0

    @property
    def ended(self) -> bool:
        """Whether nobody waits for it any more."""
        return self.met_at is not None or self.cancelled_at is not None

    @property
    def ended_at(self) -> datetime | None:
        return self.met_at or self.cancelled_at

    @property
    def verdict(self) -> Verdict:
        if self.breached_at is not None:
            return "breached"
        if self.cancelled_at is not None:
            return "cancelled"
        return "met" if self.met_at is not None else "running"

    @property
    def status(self) -> str:
        """As lists show it: the verdict, or paused."""
        return "paused" if self.paused_since and not self.ended and self.breached_at is None else self.verdict

    @property
    def counts(self) -> bool:
        """Whether time still decides about it."""
        return not self.ended and self.breached_at is None and self.spec_or_promise

    @property
    def spec_or_promise(self) -> bool:
        return self.spec is not None or self.target == "promise"

    @property
    def comes_near(self) -> bool:
        """Whether a warning has been given of the deadline that it has now."""
        return len(self.warned) > self.outdated

    def schedule(self, since: datetime | None = None, *, anew: bool = False) -> None:
        """
        Say when it is due and when warnings are, after its plan or its pauses have changed.

        `since` is when they did: what has not been warned of by then is warned of no
        earlier. With `anew` it is another deadline, of which only those warnings have
        been given that it would have had by then, too.
        """
        plan = self.plan
        if plan is None:
            return
        lost = sum(self.hours.between(start, end) for start, end in self.pauses) if self.pauses else 0
        self.due_at = due = self.hours.add(plan.due, lost) if lost else plan.due
        if not plan.used:
            self.ahead, self.outdated = (), len(self.warned)
            return
        instants = tuple(self._instant_after(used) for used in plan.used) if self.pauses else plan.instants
        given = len(self.warned) - self.outdated
        if anew and since is not None:
            given = min(given, sum(at <= since for at in instants))
            self.outdated = len(self.warned) - given
        ahead = instants[given:]
        if since is not None:
            ahead = tuple(max(at, since) for at in ahead)
        self.ahead = ahead if not ahead or ahead[-1] < due else tuple(at for at in ahead if at < due)

    def lose_deadline(self) -> None:
        """Nothing can be due by a calendar that never opens again."""
        self.spec, self.plan, self.due_at, self.ahead, self.cause = None, None, None, (), NEVER_OPENS

    def _instant_after(self, used: float) -> datetime:
        """When so many open seconds, pauses not counted, will have passed."""
        cursor = self.started_at
        for start, end in self.pauses:
            span = self.hours.between(cursor, start)
            if span >= used:
                break
            used -= span
            cursor = end
        return self.hours.add(cursor, used)

    def pause(self, at: datetime) -> None:
        if self.paused_since is None:
            self.paused_since = at

    def resume(self, at: datetime, recorded: datetime | None) -> None:
        if self.paused_since is None:
            return
        if at > self.paused_since:
            self.pauses += ((self.paused_since, at),)
        self.paused_since = None
        if self.breached_at is None:
            before = self.due_at
            try:
                self.schedule(at)
            except OverflowError:
                self.lose_deadline()
            if self.listed and self.due_at:
                self.due_at = at
            if self.due_at != before:
                self.recorded = recorded

    def advance(self, until: datetime) -> None:
        """Let time pass: warnings up to and including `until`, a breach if the due instant lies before it."""
        if self.paused_since is not None or self.due_at is None:
            return
        while self.ahead and self.ahead[0] <= until:
            self.warned += self.ahead[:1]
            self.ahead = self.ahead[1:]
        if self.due_at < until:
            self.breached_at = self.due_at

    def end_of(self, at: datetime) -> datetime:
        """Up to when it has run, seen from `at`."""
        ended = self.ended_at
        return min(ended, at) if ended else max(at, self.started_at)

    def explain(self, at: datetime) -> list[Stretch]:
        """All its time up to `at` (or its end), in order; what counts adds up to `open_seconds`."""
        end = self.end_of(at)
        found: list[Stretch] = []
        cursor = self.started_at
        for start, stop in self._paused(end):
            found += self._counted(cursor, start)
            found.append(Stretch(start, stop, 0.0, "paused"))
            cursor = stop
        return found + self._counted(cursor, end)

    def open_seconds(self, at: datetime) -> float:
        """Business time used up to `at` (or its end), pauses not counted."""
        end = self.end_of(at)
        if not self.pauses and self.paused_since is None:
            return self.hours.between(self.started_at, end)
        used, cursor = 0.0, self.started_at
        for start, stop in self._paused(end):
            used += self.hours.between(cursor, start)
            cursor = stop
        return round(used + self.hours.between(cursor, end), 6)

    def _counted(self, start: datetime, end: datetime) -> list[Stretch]:
        return [Stretch(s.start, s.end, s.counted_seconds, s.why) for s in self.hours.segments(start, end)]

    def _paused(self, end: datetime) -> list[tuple[datetime, datetime]]:
        spans = (*self.pauses, (self.paused_since, end)) if self.paused_since else self.pauses
        return [(start, min(stop, end)) for start, stop in spans if start < end]
