"""
A contact's log, played from its first event to its last: which clocks ran, and what became of them.

Pure in the sorted log: whatever the order of arrival, whoever looks and when,
the same log gives the same clocks. Time passes between the events, so that a
warning or a breach becomes true under the rules that held at its instant.
"""

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Final

from sla_monitor.domain.clocks import Clock
from sla_monitor.domain.hours import WALL
from sla_monitor.domain.log import MARKS, classification, instant
from sla_monitor.domain.owed import PUBLISHED, Owed, begins, recorded, with_tier
from sla_monitor.domain.policy_book import PolicyBook
from sla_monitor.domain.rules import Facts, Plan
from sla_monitor.domain.states import Entry, Status

_FOR_GOOD: Final = ("spam", "duplicate", "merged")
"""What nothing reopens, and about which nothing is promised."""


def fold(log: Sequence[Entry], book: PolicyBook, until: datetime) -> "Folding":
    """What the log says, seen from `until`: clocks with their verdicts, status, policy, owner and team."""
    folding = Folding(book)
    for entry in log:
        folding.take(entry)
    folding.pass_time(until)
    return folding


class Folding(Owed):
    """The state of a contact between two events of its log."""

    __slots__ = (
        "outbound_only",
        "owner",
        "promises_moved",
        "resolved_at",
        "team",
        "waiting_on",
        "waiting_since",
    )

    def __init__(self, book: PolicyBook) -> None:
        super().__init__(book)
        self.owner: str | None = None
        self.team: str | None = None
        self.resolved_at: datetime | None = None
        self.outbound_only = False
        self.waiting_on: str | None = None
        self.waiting_since: datetime | None = None
        self.promises_moved = 0

    def take(self, entry: Entry) -> None:
        """Let time pass up to an event, then let it happen."""
        at = instant(entry.millis)
        self.pass_time(at)
        _STEPS[entry.type](self, entry, at)

    # --- what happens -------------------------------------------------------------

    def _received(self, entry: Entry, at: datetime) -> None:
        inbound = entry.facts.get("direction") != "outbound"
        if self.opening is None:
            self._open(entry, at, inbound=inbound)
        elif inbound:
            self._message(entry, at)
        self._promise(entry, at)

    def _open(self, entry: Entry, at: datetime, *, inbound: bool) -> None:
        self.opening, self.opened_at, self.status = entry, at, "open"
        self.outbound_only = not inbound
        self._contact = classification({**self._contact, **entry.facts})
        self._hand_to(self._contact)
        self._choose(at)
        made = self._needs.get("promise")
        if made is not None and made.due_at is not None:
            made.rule = self.rule
            self._date_promise(made, made.due_at, at)
        self._start("resolution", "", at, entry)
        if inbound:
            self._start("first_response", "", at, entry)
            self.waiting_since = at
        if self.rule and "first_response" not in self.rule.targets:
            self._start("update", entry.name, at, entry)

    def _message(self, entry: Entry, at: datetime) -> None:
        """The customer writes again: that ends waiting for them, and starts what is owed anew."""
        if self.status in _FOR_GOOD:
            return
        if not self.is_open:
            self._reopen(entry, at)
            return
        if self.waiting_on == "customer":
            self._resume(entry, at)
        if self.outbound_only:
            self._first_message(entry, at)
        elif self.waiting_since is not None:
            for target in ("first_response", "next_response"):
                if target in self._needs:
                    self._needs[target].joined += (entry.name,)
        elif self.answered:
            if self._start("next_response", entry.name, at, entry):
                self.waiting_since = at
        else:
            self.waiting_since = at

    def _first_message(self, entry: Entry, at: datetime) -> None:
        """The customer answers a contact that we began."""
        self.outbound_only = False
        self.waiting_since = at
        self._start("first_response", "", at, entry)

    def _responded(self, entry: Entry, at: datetime) -> None:
        if self.opening is not None:
            self.answered = True
            self.waiting_since = None
        for target in ("first_response", "next_response"):
            self._end(target, entry, at)
        self._progress(entry, at)

    def _progress(self, entry: Entry, at: datetime) -> None:
        """An answer or a report to the customer."""
        for target in ("escalated", "promise", "update"):
            self._end(target, entry, at)
        if self.is_open:
            self._start("update", entry.name, at, entry)
        self._promise(entry, at)

    def _promise(self, entry: Entry, at: datetime) -> None:
        millis = entry.facts.get("promised_by")
        if millis is None or not self.is_watched or not begins(entry, "promise") or self.status in _FOR_GOOD:
            return
        due, known = instant(millis), self._needs.get("promise")
        if known is not None and known.breached_at is None and not known.ended:
            known.joined += (entry.name,)
            if known.due_at != due:
                known.moves += 1
                self.promises_moved += 1
        else:
            if known is not None and not known.ended:
                self._broken.append(known)
            known = self._needs["promise"] = Clock("promise", entry.name, at, rule=self.rule, hours=WALL)
            self.clocks.append(known)
        known.cause = entry.type
        known.recorded = recorded(entry)
        self._date_promise(known, due, at)

    def _date_promise(self, clock: Clock, due: datetime, since: datetime) -> None:
        clock.plan = Plan.of(clock.started_at, due, WALL, clock.rule.warn if clock.rule else ())
        clock.schedule(since, anew=True)

    def _assigned(self, entry: Entry, _at: datetime) -> None:
        self._hand_to(entry.facts)

    def _hand_to(self, facts: Facts) -> None:
        """Somebody else's from here on, also for policies that are matched later."""
        given = {field: value for field in ("agent_id", "team") if (value := facts.get(field))}
        self._contact = {**self._contact, **given}
        self.owner, self.team = given.get("agent_id", self.owner), given.get("team", self.team)

    def _escalated(self, entry: Entry, at: datetime) -> None:
        if self.is_open and "escalated" not in self._needs:
            self._start("escalated", entry.name, at, entry)

    def _waiting(self, entry: Entry, at: datetime) -> None:
        if not self.is_open or self.waiting_on == entry.facts["on"]:
            return
        self._resume(entry, at)
        self.waiting_on, self.status = entry.facts["on"], "waiting"
        self._waits.append((entry.facts["on"], at, None))
        for clock in self._needs.values():
            if clock.counts and clock.spec and self.waiting_on in clock.spec.pause_on:
                clock.pause(at)

    def _resume(self, entry: Entry, at: datetime) -> None:
        if self.waiting_on is None:
            return
        on, since, _ = self._waits[-1]
        self._waits[-1] = (on, since, at)
        self.waiting_on = None
        if self.status == "waiting":
            self.status = "open"
        for clock in self._needs.values():
            clock.resume(at, recorded(entry))

    def _reclassified(self, entry: Entry, at: datetime) -> None:
        facts = {field: value for field, value in entry.facts.items() if field not in MARKS}
        self._contact = {**self._contact, **facts}
        self.team = facts.get("team") or self.team
        if self.opening is not None:
            self._rematch(entry, at)

    def _published(self, entry: Entry, at: datetime) -> None:
        """Somebody has applied the policy in force to what was open under another."""
        if self.opening is not None and self.is_open:
            self._rematch(entry, at)

    def _customer_changed(self, entry: Entry, at: datetime) -> None:
        before, watched = with_tier(self._customer), self.is_watched
        self._customer = {**self._customer, **{f: v for f, v in entry.facts.items() if f not in MARKS}}
        after, asked = with_tier(self._customer), self.book.in_force(at).asked
        changed = not self.answered and any(before.get(field) != after.get(field) for field in asked)
        if self.opening is not None and (changed or watched != self.is_watched):
            self._rematch(entry, at)

    def _resolved(self, entry: Entry, at: datetime) -> None:
        outcome = entry.facts.get("outcome")
        if outcome in ("spam", "duplicate"):
            self._stop(entry, at, outcome, cause=outcome)
            return
        for target in tuple(self._needs):
            self._needs[target].without_response = target == "first_response"
            self._end(target, entry, at)
        self._stop(entry, at, "resolved", cause="")

    def _merged(self, entry: Entry, at: datetime) -> None:
        self._stop(entry, at, "merged", cause="merged")

    def _abandoned(self, entry: Entry, at: datetime) -> None:
        self._stop(entry, at, "abandoned", cause="abandoned")

    def _reopened(self, entry: Entry, at: datetime) -> None:
        if self.status in ("resolved", "abandoned"):
            self._reopen(entry, at)

    def _confirmed(self, entry: Entry, at: datetime) -> None:
        """The customer's word ends nothing that our own resolution has not ended."""

    # --- over, and open again ------------------------------------------------------

    def _reopen(self, entry: Entry, at: datetime) -> None:
        """
        New cycles of resolution and next_response; the former goes on with what was left, or starts anew.

        Where we began the contact, no response is owed until the customer writes, and then it is the first.
        """
        last = next((clock for clock in reversed(self.clocks) if clock.target == "resolution"), None)
        closed_at = self.resolved_at or at
        self.status, self.resolved_at = "open", None
        rule = self.rule
        clock = self._begin("resolution", entry.name, at)
        if rule and last and last.spec and rule.reopen == "continue" and at - closed_at <= rule.reopen_within:
            clock.origin = last.origin
            clock.used_before = last.used_before + last.open_seconds(closed_at)
        self._attach(clock, entry)
        if not self.outbound_only:
            self.waiting_since = at if self._start("next_response", entry.name, at, entry) else None
        elif entry.type == "contact.received":
            self._first_message(entry, at)

    def _stop(self, entry: Entry, at: datetime, status: Status, *, cause: str) -> None:
        """The contact is over; what still runs is cancelled."""
        if self.opening is not None:
            self.status, self.resolved_at, self.waiting_since = status, at, None
        self._cancel_all(entry, at, cause)
        self._needs.clear()
        self._broken.clear()
        if self.waiting_on is not None:
            on, since, _ = self._waits[-1]
            self._waits[-1] = (on, since, at)
            self.waiting_on = None


_STEPS: Final[dict[str, Callable[[Folding, Entry, datetime], None]]] = {
    "contact.received": Folding._received,  # noqa: SLF001 - the table of this very class
    "contact.responded": Folding._responded,  # noqa: SLF001
    "contact.updated": Folding._progress,  # noqa: SLF001
    "contact.promised": Folding._promise,  # noqa: SLF001
    "contact.assigned": Folding._assigned,  # noqa: SLF001
    "contact.escalated": Folding._escalated,  # noqa: SLF001
    "contact.waiting": Folding._waiting,  # noqa: SLF001
    "contact.resumed": Folding._resume,  # noqa: SLF001
    "contact.reclassified": Folding._reclassified,  # noqa: SLF001
    "contact.resolved": Folding._resolved,  # noqa: SLF001
    "contact.confirmed": Folding._confirmed,  # noqa: SLF001
    "contact.reopened": Folding._reopened,  # noqa: SLF001
    "contact.merged": Folding._merged,  # noqa: SLF001
    "contact.abandoned": Folding._abandoned,  # noqa: SLF001
    PUBLISHED: Folding._published,  # noqa: SLF001
    "customer.updated": Folding._customer_changed,  # noqa: SLF001
    "customer.tier_changed": Folding._customer_changed,  # noqa: SLF001
}
