"""A customer's story in virtual time: events in, what followup tells and sends out. Speaks the domain."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from followup.domain import sending
from followup.domain.draft import Rules
from followup.domain.erasing import customer_of
from followup.domain.followups import Followups
from followup.domain.plays_file import parse_plays
from followup.domain.rule_book import RuleBook
from followup.domain.state import CustomerState, Message, SurveyLink
from pydantic_core import to_json
from rapport.contracts import Data, Event, decode, encode
from rapport.decision import Decision, Match, Ref, State, States, Touch

from tests.support.declared import assert_declared

PLAYS = """
plays:
  - name: after-resolution
    on: {type: contact.resolved, match: {outcome: [solved, workaround, refunded]}}
    steps:
      - {after: 1d, do: survey, survey: csat, template: thanks}
      - {after: 14d, do: check_in, by: owner}
    cancel_on: [contact.reopened, contact.received]
    priority: 5
budget: {max: 2 per 30d, gap: 3d, per: {csat: 1 per 30d, nps: 1 per 180d}, exempt: [service]}
quiet: {hours: "20:00-09:00", days: [sat, sun], holidays: true}
timezone: Europe/Berlin
consent: {default: {survey: true, marketing: true, service: true}}
senders: {default: {from: "care@example.org", reply_to: "help@example.org", url: "smtp://localhost"}}
links: {survey_ttl: 7d}
"""

MONDAY = datetime(2026, 3, 2, tzinfo=UTC)
"""Times in stories are days and hours of the week from this Monday on, in UTC: `1 09:00` is Tuesday morning."""


def at(text: str) -> datetime:
    day, _, clock = text.partition(" ")
    hours, minutes = clock.split(":")
    return MONDAY + timedelta(days=int(day), hours=int(hours), minutes=int(minutes))


def said(instant: datetime) -> str:
    """The inverse of `at`."""
    passed = instant - MONDAY
    return f"{passed.days} {passed.seconds // 3600:02}:{passed.seconds // 60 % 60:02}"


_ENVELOPE = ("source", "backfill", "causationid", "sequence", "recordedtime")


def event(kind: str, when: datetime, *, customer: str = "K-1", id: str = "", **more: Any) -> Event[Data]:  # noqa: A002
    """An event as it would be read from a topic; envelope attributes by their names."""
    envelope: dict[str, Any] = {n: more.pop(n) for n in _ENVELOPE if n in more}
    name = id or f"{kind}:{more.get('contact_id', customer)}:{when.isoformat()}"
    attributes: dict[str, Any] = {
        "specversion": "1.0",
        "id": name,
        "source": "/test",
        "type": kind,
        "partitionkey": customer,
    }
    record: dict[str, Any] = {**attributes, "time": when, **envelope, "data": {"customer_id": customer, **more}}
    return decode(to_json(record))


def received(when: str, contact: str = "C-1", **more: Any) -> Event[Data]:
    return event("contact.received", at(when), contact_id=contact, **{"channel": "email", **more})


def resolved(when: str, contact: str = "C-1", **more: Any) -> Event[Data]:
    return event("contact.resolved", at(when), contact_id=contact, **{"outcome": "solved", **more})


def reopened(when: str, contact: str = "C-1", **more: Any) -> Event[Data]:
    return event("contact.reopened", at(when), contact_id=contact, **more)


def profile(when: str = "0 00:00", **fields: Any) -> Event[Data]:
    return event("customer.updated", at(when), **{"email": "ada@example.org", "name": "Ada Rossi", **fields})


def consent(when: str, purpose: str, *, granted: bool, **more: Any) -> Event[Data]:
    return event("consent.changed", at(when), purpose=purpose, granted=granted, **more)


@dataclass
class Story:
    """One followup service without Kafka, MongoDB and SMTP, and the world's time."""

    plays: str = PLAYS
    senders: frozenset[str] = frozenset({"default"})
    now: datetime = MONDAY
    told: list[Event[Data]] = field(default_factory=list)
    states: dict[tuple[type[State], str], State] = field(default_factory=dict)
    sends: list[tuple[str, datetime]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.rules = Rules(parse_plays(self.plays), self.senders)
        self.domain = Followups(RuleBook.of(self.rules))

    def customer(self, name: str = "K-1") -> CustomerState:
        state = self.states[CustomerState, name]
        assert isinstance(state, CustomerState)
        return state

    def take_in(self, *events: Event[Data]) -> "Story":
        for one in events:
            states = self.loaded(self.domain.touches(one))
            self.apply(self.domain.on_event(one, 0, states, max(self.now, one.time)), states)
        return self

    def look(self, when: datetime, *, send: bool = True) -> "Story":
        """A sweep, and a round of the sender right after it."""
        self.now = max(self.now, when)
        for state in list(self.states.values()):
            if isinstance(state, CustomerState) and state.wake_at and state.wake_at <= self.now:
                states = self.loaded([Ref(CustomerState, state.id), *self.domain.touches_on_clock(state)])
                decision = self.domain.on_clock(state, states, self.now)
                woken = next(one for one in decision.states if isinstance(one, CustomerState))
                assert woken.wake_at is None or woken.wake_at > self.now
                self.apply(decision, states)
        if send:
            self.send()
        return self

    def until(self, when: str | datetime) -> "Story":
        """Let time pass, looking whenever something is due, as the sweep does."""
        end = at(when) if isinstance(when, str) else when
        while True:
            wakes = [s.wake_at for s in self.states.values() if s.wake_at and s.wake_at <= end]
            if not wakes:
                break
            self.look(min(wakes))
        self.now = max(self.now, end)
        return self

    def play(self, events: Iterable[Event[Data]], end: str) -> "Story":
        """Events in order of their time, each when it happens."""
        for one in sorted(events, key=lambda one: one.time):
            self.until(one.time).take_in(one)
        return self.until(end)

    def send(self) -> None:
        for message in self.pending():
            if taken := self.take(message):
                self.sends.append((message.id, self.now))
                self._arrive(message, taken)

    def take(self, message: Message, *, fence: int = 1) -> sending.Taken | None:
        """The sender takes a message up; answers with what may go out now."""
        loaded = self._loaded_to_send(message)
        current, customer = self._with_customer(message, loaded)
        decision, taken = sending.take(current, customer, self.rules, self.now, fence=fence, token="hash")
        self.apply(decision, loaded)
        return taken

    def _with_customer(self, message: Message, loaded: States) -> tuple[Message, CustomerState]:
        """A message as it is now, and whose it is, as the sender sees them."""
        customer = customer_of(message, loaded)
        assert customer is not None
        return self.message(message.id).but(customer_id=customer.id), customer

    def settle(self, message: Message, become: Callable[[Message, CustomerState], Decision[Any]]) -> None:
        """What became of a message that was taken up."""
        loaded = self._loaded_to_send(message)
        self.apply(become(*self._with_customer(message, loaded)), loaded)

    def _arrive(self, message: Message, taken: sending.Taken) -> None:
        self.settle(message, lambda one, customer: sending.sent(one, customer, taken.link, self.rules, self.now))

    def message(self, name: str) -> Message:
        found = self.states[Message, name]
        assert isinstance(found, Message)
        return found

    def pending(self) -> list[Message]:
        found = [s for s in self.states.values() if isinstance(s, Message) and s.status == "pending"]
        return [message for message in found if message.next_at <= self.now]

    @property
    def lines(self) -> list[tuple[str, str]]:
        """What was told, and when it became true."""
        return [(one.type, said(one.time)) for one in self.told]

    def of(self, kind: str) -> Sequence[Any]:
        return [one.data for one in self.told if one.type == kind]

    def loaded(self, touches: Iterable[Touch]) -> States:
        """The states of what was declared to be touched, and no others."""
        states = States()
        refs: list[Ref] = []
        for touch in touches:
            refs += [touch] if isinstance(touch, Ref) else self._matching(touch)
        while refs:
            found = [self.states[ref.kind, ref.id] for ref in refs if (ref.kind, ref.id) in self.states]
            states.loaded(refs, found)
            refs = [ref for one in found for ref in one.leads_to() if not states.knows(ref)]
        return states

    def _matching(self, match: Match) -> list[Ref]:
        """As MongoDB finds them: by a value of a field, or of a list of values."""
        held = {Ref(*place): one.index().get(match.field) for place, one in self.states.items()}
        fitting = {
            ref: match.value in one if isinstance(one, list) else one == match.value for ref, one in held.items()
        }
        return [ref for ref, fits in fitting.items() if fits and ref.kind is match.kind]

    def apply(self, decision: Decision[Any], loaded: States) -> None:
        """Carry a decision out on what was `loaded` for it; it may write nothing else."""
        assert_declared(decision, loaded)
        for ref in decision.gone:
            self.states.pop((ref.kind, ref.id), None)
        for state in decision.states:
            self.states[type(state), state.id] = type(state).restored(state.stored())
        for told in decision.events:
            assert decode(encode(told.event)) == told.event
            self.told.append(told.event)

    def _loaded_to_send(self, message: Message) -> States:
        return self.loaded(
            [Ref(Message, message.id), *self.domain.of_customer(message.customer_id), Ref(SurveyLink, message.id)]
        )


def story(*events: Event[Data], until: str, plays: str = PLAYS) -> list[tuple[str, str]]:
    return Story(plays).play(events, until).lines
