"""
What is owed to a customer: the needs of a contact, each with its clock, and the policy that sets them deadlines.

A need is there whether or not a policy sets a deadline for it, so that another
policy, chosen later, finds when it began.
"""

from datetime import datetime
from typing import Any, Final

from rapport.contracts.fields import Target

from sla_monitor.domain.clocks import Clock
from sla_monitor.domain.log import instant
from sla_monitor.domain.policy_book import PolicyBook, PolicyVersion
from sla_monitor.domain.rules import Facts, Plan, Rule
from sla_monitor.domain.states import Entry, Status

RECLASSIFIED: Final = "reclassified"
PUBLISHED: Final = "policy.published"
"""In a contact's log: from here on it is under the version then in force."""
_EDITS: Final = (RECLASSIFIED, PUBLISHED)
_ANEW: Final = ("next_response", "update", "escalated")
"""Targets that any number of events may begin."""
_UNWATCHED: Final = ("staff", "test")
_NOBODY: Final[dict[str, Any]] = {"audience": "customer"}


class Owed:
    """Needs begin, pause and end, under the policy for what the contact is at that moment."""

    __slots__ = (
        "_broken",
        "_contact",
        "_customer",
        "_needs",
        "_waits",
        "answered",
        "book",
        "calendar",
        "clocks",
        "facts",
        "opened_at",
        "opening",
        "rule",
        "status",
        "version",
    )

    def __init__(self, book: PolicyBook) -> None:
        self.book = book
        self._contact: Facts = {}
        self._customer: Facts = _NOBODY
        self._needs: dict[Target, Clock] = {}
        self._broken: list[Clock] = []
        """Promises that the customer waits for beside the one that was made after they had been broken."""
        self._waits: list[tuple[str, datetime, datetime | None]] = []
        self.clocks: list[Clock] = []
        self.facts: Facts = {}
        self.status: Status = "unknown"
        self.version: PolicyVersion | None = None
        self.rule: Rule | None = None
        self.calendar: str | None = None
        self.opening: Entry | None = None
        self.opened_at: datetime | None = None
        self.answered = False

    @property
    def is_open(self) -> bool:
        return self.status in ("open", "waiting")

    @property
    def is_watched(self) -> bool:
        """Whether the customer is one to whom anything is owed."""
        return self._customer.get("audience") not in _UNWATCHED

    def owes(self, clock: Clock) -> bool:
        """Whether what that clock is for has not happened, be there a deadline for it at present or not."""
        return self._needs.get(clock.target) is clock

    def pass_time(self, until: datetime) -> None:
        for clock in self._needs.values():
            if clock.counts:
                clock.advance(until)

    # --- beginnings and ends ------------------------------------------------------

    def _begin(self, target: Target, key: str, at: datetime) -> Clock:
        clock = Clock(target, key, at, origin=at)
        self._needs[target] = clock
        self.clocks.append(clock)
        return clock

    def _start(self, target: Target, key: str, at: datetime, entry: Entry) -> bool:
        """Whether it has begun: not if a cut of the log has left of the event only what else it does."""
        if target in _ANEW and not begins(entry, target):
            return False
        self._attach(self._begin(target, key, at), entry)
        return True

    def _attach(self, clock: Clock, entry: Entry, since: datetime | None = None) -> None:
        """Give a need the deadline that the policy in force sets, counted from its original start."""
        try:
            self._date(clock, entry, since)
        except OverflowError:
            clock.lose_deadline()

    def _date(self, clock: Clock, entry: Entry, since: datetime | None) -> None:
        spec = self.rule.targets.get(clock.target) if self.rule else None
        if spec is None or self.version is None or self.calendar is None or self.rule is None:
            return
        calendar = self.version.calendars[self.calendar]
        hours = spec.hours(calendar)
        plan = self.rule.plan(clock.target, clock.started_at, self.calendar, calendar)
        origin = clock.origin or clock.started_at
        if origin != clock.started_at:
            total = hours.between(origin, spec.due(origin, calendar))
            due = hours.add(clock.started_at, max(total - clock.used_before, total * self.rule.reopen_floor))
            plan = Plan.of(clock.started_at, due, hours, self.rule.warn)
        if spec.pause_on:
            spans = [s for s in self._waits if s[0] in spec.pause_on and (s[2] is None or s[2] > clock.started_at)]
            clock.pauses = tuple((max(a, clock.started_at), b) for _, a, b in spans if b is not None)
            clock.paused_since = next((max(a, clock.started_at) for _, a, b in spans if b is None), None)
        else:
            clock.pauses, clock.paused_since = (), None
        clock.spec, clock.rule, clock.hours, clock.calendar = spec, self.rule, hours, self.calendar
        clock.plan, clock.cause = plan, entry.type
        before = clock.due_at
        clock.schedule(since, anew=True)
        if clock.due_at != before:
            clock.recorded = recorded(entry)

    def _end(self, target: Target, entry: Entry, at: datetime) -> None:
        clock = self._needs.pop(target, None)
        if clock is not None:
            self._meet(clock, entry, at)
        if target == "promise":
            for broken in self._broken:
                self._meet(broken, entry, at)
            self._broken.clear()

    def _meet(self, clock: Clock, entry: Entry, at: datetime) -> None:
        if clock.ended:
            return
        if clock.paused_since is not None:
            clock.resume(at, clock.recorded)
        clock.met_at, clock.cause, clock.ended_recorded, clock.ended_by = at, entry.type, recorded(entry), entry.name

    def _cancel_all(self, entry: Entry, at: datetime, cause: str) -> None:
        """Nobody waits for anything any more."""
        for clock in (*self._needs.values(), *self._broken):
            if not clock.ended:
                self._cancel(clock, entry, at, cause)

    def _cancel(self, clock: Clock, entry: Entry, at: datetime, cause: str) -> None:
        clock.cancelled_at, clock.cause, clock.ended_recorded, clock.ended_by = at, cause, recorded(entry), entry.name

    # --- which policy -------------------------------------------------------------

    def _choose(self, at: datetime) -> bool:
        """The policy for what the contact now is; whether that is another than before."""
        before = (self.rule, self.calendar)
        self.facts = {**with_tier(self._customer), **self._contact}
        self.version = self.book.in_force(at)
        self.rule = self.version.match(self.facts) if self.is_watched else None
        self.calendar = self.rule.calendar_name(self.facts) if self.rule else None
        return (self.rule, self.calendar) != before

    def _rematch(self, entry: Entry, at: datetime) -> None:
        """Match the policies again, and recompute from its original start what still runs."""
        changed = self._choose(at)
        if not self.is_watched:
            self._cancel_all(entry, at, _edit(entry))
        elif changed and self.is_open:
            self._report_from_opening(at)
            for clock in self._needs.values():
                if clock.breached_at is None and (not clock.ended or clock.cause in _EDITS):
                    self._put_under(self.rule, clock, entry, at)

    def _report_from_opening(self, at: datetime) -> None:
        """Begin what a policy without a first response owes from opening on, where the former one had one."""
        heard = self.answered or "update" in self._needs
        reopened = self._needs["resolution"].key  # by an event of its own: what the opening had begun was ended
        if self.rule and "first_response" not in self.rule.targets and not heard and not reopened:
            assert self.opening is not None  # noqa: S101 - an open contact has been opened
            if begins(self.opening, "update"):
                self._begin("update", self.opening.name, self.opened_at or at)

    def _put_under(self, rule: Rule | None, clock: Clock, entry: Entry, at: datetime) -> None:
        """A need that nothing has decided yet, from now on under that policy."""
        if clock.target == "promise":
            clock.rule = rule
        elif rule is not None and self._promises(rule, clock):
            self._recompute(clock, entry, at)
        elif clock.spec and not clock.ended:
            self._cancel(clock, entry, at, _edit(entry))

    def _promises(self, rule: Rule, clock: Clock) -> bool:
        """Whether a policy promises what a clock is for: a report from opening on only where it promises no answer."""
        from_opening = clock.target == "update" and self.opening is not None and clock.key == self.opening.name
        return clock.target in rule.targets and not (from_opening and "first_response" in rule.targets)

    def _recompute(self, clock: Clock, entry: Entry, at: datetime) -> None:
        """What would be late already is late at the change; of a clock that stands, not before it runs again."""
        clock.cancelled_at, clock.listed = None, False
        self._attach(clock, entry, since=at)
        if clock.due_at is not None and clock.due_at < (clock.paused_since or at):
            clock.due_at, clock.ahead, clock.listed, clock.cause = at, (), True, _edit(entry)


def _edit(entry: Entry) -> str:
    """What to call the cause of what an edit of the contact or of the policy has changed."""
    return PUBLISHED if entry.type == PUBLISHED else RECLASSIFIED


def with_tier(customer: Facts) -> Facts:
    """A customer with the tier that counts: the one that somebody has given, else the one that was earned."""
    return customer if customer.get("tier") is not None else {**customer, "tier": customer.get("earned_tier")}


def begins(entry: Entry, target: str) -> bool:
    """Whether an event begins what it may; of one from before a cut only what still ran at the cut."""
    sealed = entry.facts.get("sealed")
    return sealed is None or target in sealed


def recorded(entry: Entry) -> datetime | None:
    millis = entry.facts.get("recorded")
    return None if millis is None else instant(millis)
