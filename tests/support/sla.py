"""Builders that speak the domain of sla-monitor: `story(received("09:00"), responded("17:00"))`."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import cache
from itertools import count
from typing import Any

from rapport.contracts import EVENT_DATA, Data, Event, tell
from rapport.decision import Counted, Decision, Ref, State, States, Touch
from rapport.erasing import Pseudonyms
from sla_monitor.domain.monitor import SlaDomain
from sla_monitor.domain.notifications import NotificationState
from sla_monitor.domain.policy_book import PolicyBook, PolicyVersion, publish
from sla_monitor.domain.states import AlertState, ContactState, CustomerState

from tests.support.declared import assert_declared

MONDAY = datetime(2026, 3, 2, tzinfo=UTC)
"""The day on which everything happens, unless said otherwise."""

_DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")

OFFICE = """
calendars:
  office: {timezone: UTC, hours: {mon-fri: ["09:00-17:00"]}}
  always: {timezone: UTC, hours: {mon-sun: ["00:00-24:00"]}}
  night: {timezone: UTC, hours: {mon-sun: ["20:00-08:00"]}}
"""

POLICY = (
    OFFICE
    + """
policies:
  - name: mail
    calendar: office
    targets: {first_response: {within: 4h}}
    warn: [80%]
"""
)


def at(text: str | datetime) -> datetime:
    """The instant of "09:00" on Monday, of "Tue 09:00", or of "+8 09:00", eight days on; seconds may follow."""
    if isinstance(text, datetime):
        return text
    day, _, clock = text.rpartition(" ")
    days = _DAYS.index(day) if day in _DAYS else int(day or 0)
    hours, minutes, *seconds = clock.split(":")
    return MONDAY + timedelta(
        days=days, hours=int(hours), minutes=int(minutes), seconds=float(seconds[0]) if seconds else 0
    )


def when(instant: datetime) -> str:
    """The inverse of `at`, for stories."""
    days, rest = (instant - MONDAY).days, instant.strftime("%H:%M:%S").removesuffix(":00")
    if instant.microsecond:
        rest = instant.strftime("%H:%M:%S.%f")[:-3]
    if not days:
        return rest
    return f"{_DAYS[days]} {rest}" if 0 < days < len(_DAYS) else f"{days:+} {rest}"


_ids = count(1)


def happened(kind: str, time: str | datetime, *, id: str | None = None, **data: Any) -> Event[Data]:  # noqa: A002
    """An event as it comes from intake; `recorded` and `backfill` may be given."""
    instant = at(time)
    facts: dict[str, Any] = {"customer_id": "K-1", **data}
    recorded, backfill = facts.pop("recorded", instant), facts.pop("backfill", False)
    sequence, causation = facts.pop("sequence", None), facts.pop("causationid", None)
    if kind.startswith("contact."):
        facts.setdefault("contact_id", "c-1")
    if "promised_by" in facts:
        facts["promised_by"] = at(facts["promised_by"])
    event = tell(
        kind,
        EVENT_DATA[kind].model_validate(facts),
        source="/help-desk",
        id=id or f"{kind}@{time}#{next(_ids)}",
        time=instant,
        sequence=sequence,
        backfill=backfill,
    )
    return event.model_copy(update={"recordedtime": at(recorded), "causationid": causation})


def received(time: str | datetime, **data: Any) -> Event[Data]:
    return happened("contact.received", time, **{"channel": "email", **data})


def responded(time: str | datetime, **data: Any) -> Event[Data]:
    return happened("contact.responded", time, **data)


def updated(time: str | datetime, **data: Any) -> Event[Data]:
    return happened("contact.updated", time, **data)


def promised(time: str | datetime, by: str, **data: Any) -> Event[Data]:
    return happened("contact.promised", time, promised_by=by, **data)


def assigned(time: str | datetime, **data: Any) -> Event[Data]:
    return happened("contact.assigned", time, **data)


def escalated(time: str | datetime, to: str = "lead", **data: Any) -> Event[Data]:
    return happened("contact.escalated", time, to=to, **data)


def waiting(time: str | datetime, on: str = "customer", **data: Any) -> Event[Data]:
    return happened("contact.waiting", time, on=on, **data)


def resumed(time: str | datetime, **data: Any) -> Event[Data]:
    return happened("contact.resumed", time, **data)


def reclassified(time: str | datetime, **data: Any) -> Event[Data]:
    return happened("contact.reclassified", time, **data)


def resolved(time: str | datetime, outcome: str = "solved", **data: Any) -> Event[Data]:
    return happened("contact.resolved", time, outcome=outcome, **data)


def reopened(time: str | datetime, **data: Any) -> Event[Data]:
    return happened("contact.reopened", time, **data)


def merged(time: str | datetime, into: str = "c-2", **data: Any) -> Event[Data]:
    return happened("contact.merged", time, into=into, **data)


def abandoned(time: str | datetime, **data: Any) -> Event[Data]:
    return happened("contact.abandoned", time, **data)


def customer(time: str | datetime, **data: Any) -> Event[Data]:
    return happened("customer.updated", time, **data)


def tier_changed(time: str | datetime, tier: str, **data: Any) -> Event[Data]:
    return happened("customer.tier_changed", time, tier=tier, **data)


def policy(text: str = POLICY, number: int = 1, since: str | datetime = "00:00") -> PolicyVersion:
    return publish(text, number=number, effective_from=at(since))


@cache
def book(*texts: str) -> PolicyBook:
    """A book of versions; the second takes effect on Tuesday, the third on Wednesday, and so on."""
    return PolicyBook(policy(text, at_, f"{at_ - 1} 00:00") for at_, text in enumerate(texts or (POLICY,), 1))


def targets(text: str, **more: str) -> str:
    """A policy file with one policy: `targets("first_response: {within: 4h}", warn="[80%]")`."""
    more = {"calendar": "office", **more}
    rest = more.pop("rest", "")
    lines = "".join(f"    {key}: {value}\n" for key, value in more.items())
    return f"{OFFICE}policies:\n  - name: only\n    targets: {{{text}}}\n{lines}{rest}"


def notification(number: int = 1, **fields: Any) -> NotificationState:
    """A message to `desk` about the first response of a contact, due at noon."""
    given: dict[str, Any] = {
        "id": f"C-1/first_response/1/{number}",
        "partition": 0,
        "alert_id": "C-1/first_response/1",
        "contact_id": "C-1",
        "customer_id": "K-1",
        "target": "first_response",
        "cycle": 1,
        "deadline": at("12:00"),
        "receiver": "desk",
        "due": at("12:00"),
        **fields,
    }
    return NotificationState(**given)


@dataclass(slots=True)
class Desk:
    """sla-monitor without anything around it: events and looks in, everything that was told out."""

    domain: SlaDomain
    kept: dict[tuple[type[State], str], State] = field(default_factory=dict)
    events: list[Event[Data]] = field(default_factory=list)
    counts: list[Counted] = field(default_factory=list)

    def take(self, event: Event[Data], now: str | datetime | None = None) -> Decision[Any]:
        instant = at(now) if now else max(event.time, event.recorded)
        touches = list(self.domain.touches(event))
        states = self.states(*(touch for touch in touches if isinstance(touch, Ref)))
        decision = self.domain.on_event(event, 1, states, instant)
        self.check_declared(decision, touches)
        return self.carry_out(decision)

    def look(self, now: str | datetime) -> None:
        """A sweep up to that instant, of all that wants to be woken by then."""
        instant = at(now)
        for _ in range(1000):
            due = [s for s in self.kept.values() if s.wake_at is not None and s.wake_at <= instant]
            if not due:
                return
            for state in due:
                touches = list(self.domain.touches_on_clock(state))
                states = self.states(*(touch for touch in touches if isinstance(touch, Ref)))
                decision = self.domain.on_clock(state, states, instant)
                self.check_declared(decision, [Ref(type(state), state.id), *touches])
                self.carry_out(decision)
                assert all(s.wake_at is None or s.wake_at > instant for s in decision.states), "wake_at must move on"
        raise AssertionError("the sweep never ends")

    def states(self, *touched: Ref) -> States:
        states = States()
        refs = [*touched, *(Ref(kind, state_id) for kind, state_id in self.kept)]
        refs += [
            Ref(ContactState, "c-1"),
            Ref(ContactState, "c-2"),
            Ref(CustomerState, "K-1"),
            Ref(CustomerState, "K-2"),
        ]
        refs += [Ref(CustomerState, "anonymous:7")]
        refs += [Ref(CustomerState, Pseudonyms().place_of(one)) for one in ("K-1", "K-2", "anonymous:7")]
        states.loaded(refs, [state for state in self.kept.values() if not state.projection])
        return states

    def check_declared(self, decision: Decision[Any], touches: Iterable[Touch]) -> None:
        """What is there already and was not declared to be touched would be inserted once more."""
        states = States()
        for touch in touches:
            if isinstance(touch, Ref):
                found = self.kept.get((touch.kind, touch.id))
                states.loaded([touch], [found] if found else [])
            else:
                of_kind = [s for (kind, _), s in self.kept.items() if kind is touch.kind]
                states.loaded([], [s for s in of_kind if s.index().get(touch.field) == touch.value])
        there = tuple(s for s in decision.states if (type(s), s.id) in self.kept)
        assert_declared(Decision(there), states)

    def carry_out(self, decision: Decision[Any]) -> Decision[Any]:
        for state in decision.states:
            kind = type(state)
            self.kept[kind, state.id] = kind.restored(state.stored())
        for ref in decision.gone:
            self.kept.pop((ref.kind, ref.id), None)
        self.events += [told.event for told in decision.events]
        self.counts += decision.counts
        return decision

    @property
    def contact(self) -> ContactState:
        state = self.kept[ContactState, "c-1"]
        assert isinstance(state, ContactState)
        return state

    def alert(self, key: str = "first_response/1") -> AlertState:
        state = self.kept[AlertState, f"c-1/{key}"]
        assert isinstance(state, AlertState)
        return state

    @property
    def notifications(self) -> list[NotificationState]:
        return [state for state in self.kept.values() if isinstance(state, NotificationState)]

    def told(self, *kinds: str) -> list[tuple[str, str]]:
        """The story so far: what was told, and as of when."""
        wanted = kinds or VERDICTS
        return [(event.type, when(event.time)) for event in self.events if event.type in wanted]


VERDICTS = ("sla.warned", "sla.breached", "sla.met", "sla.cancelled", "sla.corrected")


def desk(*texts: str) -> Desk:
    return Desk(SlaDomain(book(*texts)))


def play(
    events: Iterable[Event[Data]], *, under: str | Sequence[str] = POLICY, looks: Iterable[str | datetime] = ()
) -> Desk:
    """Events in the order given, each taken in when it happened, with sweeps in between and after."""
    played = desk(*([under] if isinstance(under, str) else under))
    pending = sorted(at(look) for look in looks)
    for event in events:
        while pending and pending[0] < event.time:
            played.look(pending.pop(0))
        played.take(event)
    for look in pending:
        played.look(look)
    return played


def story(
    *events: Event[Data], under: str | Sequence[str] = POLICY, looks: Iterable[str | datetime] = ()
) -> list[tuple[str, str]]:
    """What is told of these events: `[("sla.warned", "12:12"), ("sla.breached", "13:00")]`."""
    return play(events, under=under, looks=looks).told()


def due(played: Desk, key: str = "resolution/1") -> str:
    """When that cycle of a target is due, as was told last."""
    return when(next(d.due_at for e in reversed(played.events) for d in deadlines(e) if f"{d.target}/{d.cycle}" == key))


def deadlines(event: Event[Data]) -> list[Any]:
    """What an event says of deadlines."""
    return list(getattr(event.data, "deadlines", []))
