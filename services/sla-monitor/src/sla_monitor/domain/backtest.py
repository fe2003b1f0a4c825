"""
What a policy would have said about recorded history, in virtual time, beside what another said or what was told.

Verdicts follow from what happened when, so nothing has to be waited for: every
contact's log is folded under the policy as if it had always been in force.
"""

from collections import Counter, defaultdict
from collections.abc import Hashable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final, Literal

from rapport.contracts import Data, Event
from rapport.contracts.fields import Target

from sla_monitor.domain.customers import CUSTOMER_TYPES, change_of, relevant
from sla_monitor.domain.fold import fold
from sla_monitor.domain.log import CONTACT_TYPES, counts, entry, to_millis
from sla_monitor.domain.policy_book import PolicyBook
from sla_monitor.domain.states import Entry, Verdict
from sla_monitor.domain.telling import number

Outcome = Literal["same", "moved", "met → breached", "breached → met", "begins", "ends", "other"]
OUTCOMES: Final[tuple[Outcome, ...]] = ("same", "moved", "met → breached", "breached → met", "begins", "ends", "other")

_VERDICTS: Final[Mapping[str, Verdict]] = {"sla.met": "met", "sla.breached": "breached", "sla.cancelled": "cancelled"}
_DEADLINES: Final = ("sla.opened", "sla.rescheduled")


@dataclass(frozen=True, slots=True)
class Judged:
    """One run of a target on a contact, and what became of it."""

    contact_id: str
    target: Target
    cycle: int
    verdict: Verdict
    due_at: datetime | None
    met_at: datetime | None = None
    policy: str | None = None


@dataclass(frozen=True, slots=True)
class Compared:
    """One run of a target under both; None where one of them does not know it."""

    before: Judged | None
    after: Judged | None

    @property
    def either(self) -> Judged:
        judged = self.after or self.before
        assert judged is not None  # noqa: S101 - it is made of one of them at least
        return judged

    @property
    def outcome(self) -> Outcome:
        before, after = self.before, self.after
        if before is None or after is None:
            return "begins" if before is None else "ends"
        if before.verdict == after.verdict:
            return "same" if before.due_at == after.due_at else "moved"
        if {before.verdict, after.verdict} == {"met", "breached"}:
            return "met → breached" if before.verdict == "met" else "breached → met"
        return "other"


@dataclass(slots=True)
class History:
    """Recorded events, in any order and with any repetition, gathered by contact and by customer."""

    asked: frozenset[str]
    """The fields that any of the policies asks for."""
    first: datetime | None = None
    last: datetime | None = None
    events: int = 0
    _logs: dict[str, dict[str, Entry]] = field(default_factory=lambda: defaultdict(dict))
    _customers: dict[str, dict[str, Entry]] = field(default_factory=lambda: defaultdict(dict))
    _customer_of: dict[str, tuple[bool, Entry, str]] = field(default_factory=dict)
    _told: dict[Hashable, Judged] = field(default_factory=dict)
    _told_at: dict[tuple[str, str, int], tuple[int, datetime]] = field(default_factory=dict)

    def take(self, event: Event[Data]) -> None:
        """One more event; those that decide about no deadline are left out."""
        if event.type in CONTACT_TYPES and counts(event):
            self._contact(event)
        elif event.type in CUSTOMER_TYPES:
            change = change_of(event)
            self._customers[_id(event, "customer_id")].setdefault(change.name, change)
        elif event.type.startswith("sla."):
            self._heard(event)
            return
        else:
            return
        self.events += 1
        self.first = min(self.first or event.time, event.time)
        self.last = max(self.last or event.time, event.time)

    @property
    def contacts(self) -> int:
        return len(self._logs)

    @property
    def told(self) -> dict[Hashable, Judged]:
        """What was told at the time, by contact, target and cycle."""
        return self._told

    def judged(self, book: PolicyBook, until: datetime, *, by_cycle: bool = False) -> Iterator[tuple[Hashable, Judged]]:
        """
        Every run of every target as the book has it by then.

        Its key is the event that began it, which is the same whatever the policy;
        `by_cycle` the cycle's number, under which it was told.
        """
        for contact_id, entries in self._logs.items():
            _, _, customer_id = self._customer_of[contact_id]
            known = (relevant(change, book.asked) for change in self._customers.get(customer_id, {}).values())
            log = sorted([*entries.values(), *filter(None, known)], key=lambda one: one.order)
            folding = fold([one for one in log if one.order[0] <= to_millis(until)], book, until)
            for one in number(folding, {}, until)[0]:
                clock = one.clock
                name = clock.rule.name if clock.rule else None
                judged = Judged(contact_id, clock.target, one.cycle, one.verdict, clock.due_at, clock.met_at, name)
                yield (contact_id, clock.target, one.cycle if by_cycle else clock.key), judged

    def _contact(self, event: Event[Data]) -> None:
        contact_id, customer_id = _id(event, "contact_id"), _id(event, "customer_id")
        made = entry(event, self.asked)
        self._logs[contact_id].setdefault(made.name, made)
        named = (not customer_id.startswith("anonymous:"), made, customer_id)
        known = self._customer_of.get(contact_id)
        if known is None or (known[0], known[1].order) < (named[0], made.order):
            self._customer_of[contact_id] = named

    def _heard(self, event: Event[Data]) -> None:
        data = vars(event.data)
        at = (int(event.sequence or 0), event.time)
        if event.type in _DEADLINES:
            for deadline in data["deadlines"]:
                self._note(at, data, deadline.target, deadline.cycle, "running", deadline.due_at, None)
        elif event.type == "sla.corrected":
            self._note(at, data, data["target"], data["cycle"], data["verdict"], data["due_at"], data["met_at"])
        elif event.type in _VERDICTS:
            verdict = _VERDICTS[event.type]
            self._note(at, data, data["target"], data["cycle"], verdict, data["due_at"], data.get("met_at"))

    def _note(
        self,
        at: tuple[int, datetime],
        data: Mapping[str, object],
        target: Target,
        cycle: int,
        verdict: Verdict,
        due_at: datetime,
        met_at: datetime | None,
    ) -> None:
        """What was told last of a run counts; a deadline that moves leaves its verdict open."""
        contact_id, policy = str(data["contact_id"]), data.get("policy")
        key = (contact_id, target, cycle)
        if at >= self._told_at.get(key, at):
            self._told_at[key] = at
            name = str(policy) if policy is not None else None
            self._told[key] = Judged(contact_id, target, cycle, verdict, due_at, met_at, name)


def compare(before: Iterable[tuple[Hashable, Judged]], after: Iterable[tuple[Hashable, Judged]]) -> Iterator[Compared]:
    """Run by run, in the order of `after`; then what only `before` knows."""
    left = dict(before)
    for key, judged in after:
        yield Compared(left.pop(key, None), judged)
    for judged in left.values():
        yield Compared(judged, None)


@dataclass(slots=True)
class Sums:
    """What the comparison comes to for one target or one policy."""

    outcomes: Counter[str] = field(default_factory=Counter)
    met: list[int] = field(default_factory=lambda: [0, 0])
    breached: list[int] = field(default_factory=lambda: [0, 0])

    def add(self, compared: Compared) -> None:
        self.outcomes[compared.outcome] += 1
        for side, judged in enumerate((compared.before, compared.after)):
            self.met[side] += judged is not None and judged.verdict == "met"
            self.breached[side] += judged is not None and judged.verdict == "breached"

    def attainment(self, side: int) -> float | None:
        """Met / (met + breached) before (0) or after (1); None where nothing has been decided."""
        decided = self.met[side] + self.breached[side]
        return self.met[side] / decided if decided else None


def _id(event: Event[Data], name: str) -> str:
    return str(getattr(event.data, name))
