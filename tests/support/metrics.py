"""Metrics in memory: events in, rows and facts out, reports from either; and builders of events."""

import json
from collections import defaultdict
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from itertools import chain
from typing import Any, Self

from metrics.domain import ContactFact, CustomerFact, Figures, JournalEntry
from metrics.domain.histories import teller
from metrics.domain.history import History, chapter_of, in_order
from metrics.domain.loyalty import NO_LOYALTY, Loyalty
from metrics.domain.marks import HOURS
from metrics.domain.measures import Limits
from metrics.domain.periods import local_day
from metrics.domain.question import Question, parse
from metrics.domain.report import Group, Tally, rows
from rapport.contracts import Data, Event, decode, format_instant
from rapport.contracts.registry import EVENT_DATA
from rapport.decision import Decision, Domain, Match, Ref, State, States, Touch

from tests.support.declared import assert_declared

NOW = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
LIMITS = Limits(NOW, timedelta(seconds=20), timedelta(days=365))
MONDAY = datetime(2026, 3, 2, tzinfo=UTC)

_made = 0


def at(text: str, day: int = 0) -> datetime:
    """A time of day ("09:00", "09:00:30") on that many days after Monday, 2 March 2026, UTC."""
    hour, minute, second = (*map(int, text.split(":")), 0, 0)[:3]
    return MONDAY + timedelta(days=day, hours=hour, minutes=minute, seconds=second)


def event(
    event_type: str,
    when: datetime,
    *,
    id: str | None = None,  # noqa: A002 - CloudEvents' own name
    source: str = "/crm",
    sequence: int | None = None,
    caused_by: str | None = None,
    backfill: bool = False,
    recorded: datetime | None = None,
    **data: Any,
) -> Event[Data]:
    """An event as metrics reads it from the topic."""
    global _made  # noqa: PLW0603 - every event has an id of its own
    _made += 1
    data.setdefault("customer_id", "K-1")
    if issubclass(EVENT_DATA[event_type], _CONTACT):
        data.setdefault("contact_id", "C-1")
    envelope = {
        "specversion": "1.0",
        "id": id or f"e{_made}",
        "source": source,
        "type": event_type,
        "time": format_instant(when),
        "recordedtime": format_instant(recorded or when + timedelta(seconds=1)),
        "sequence": None if sequence is None else str(sequence),
        "causationid": caused_by,
        "backfill": backfill or None,
    }
    given = {name: value for name, value in envelope.items() if value is not None}
    return decode(json.dumps({**given, "data": data}, default=format_instant).encode())


_CONTACT: tuple[type[Data], ...] = tuple(
    kind
    for kind in EVENT_DATA.values()
    if "contact_id" in kind.model_fields and kind.model_fields["contact_id"].is_required()
)


def received(when: datetime, contact: str = "C-1", **data: Any) -> Event[Data]:
    return event("contact.received", when, contact_id=contact, **{"channel": "email", **data})


def responded(when: datetime, contact: str = "C-1", **data: Any) -> Event[Data]:
    return event("contact.responded", when, contact_id=contact, **data)


def resolved(when: datetime, contact: str = "C-1", **data: Any) -> Event[Data]:
    return event("contact.resolved", when, contact_id=contact, **{"outcome": "solved", **data})


def answered(when: datetime, score: int, survey_id: str, survey: str = "csat", **data: Any) -> Event[Data]:
    return event("survey.answered", when, survey_id=survey_id, survey=survey, score=score, caused_by="sent", **data)


def opened(when: datetime, deadlines: Mapping[str, datetime], contact: str = "C-1", **data: Any) -> Event[Data]:
    """sla.opened with the first cycle of each target."""
    runs = [{"target": name, "cycle": 1, "started_at": when, "due_at": due} for name, due in deadlines.items()]
    return event(
        "sla.opened", when, source="/rapport/sla-monitor", contact_id=contact, deadlines=runs, **{"sequence": 1, **data}
    )


def verdict(kind: str, when: datetime, due: datetime, contact: str = "C-1", **data: Any) -> Event[Data]:
    """sla.met, sla.breached, sla.cancelled or sla.corrected of a target's first cycle."""
    fields: dict[str, Any] = {
        "target": "first_response",
        "cycle": 1,
        "started_at": MONDAY,
        "due_at": due,
        "sequence": 2,
    }
    if kind == "met":
        fields["met_at"] = when
    if kind in ("cancelled", "corrected"):
        fields["cause"] = "contact.responded"
    return event(f"sla.{kind}", when, source="/rapport/sla-monitor", contact_id=contact, **{**fields, **data})


def cleared(met_at: datetime, due: datetime, contact: str = "C-1", **data: Any) -> Event[Data]:
    """alert.cleared by an answer that came after the breach of first_response."""
    fields = {"alert_id": f"{contact}/first_response/1", "target": "first_response", "cycle": 1, "due_at": due}
    fields |= {"met_at": met_at, "cause": "contact.responded", "sequence": 3}
    return event("alert.cleared", met_at, source="/rapport/sla-monitor", contact_id=contact, **{**fields, **data})


class Memory:
    """The processor and the store, as far as the figures need them."""

    def __init__(self, partitions: int = 1, loyalty: Loyalty = NO_LOYALTY) -> None:
        self.domain: Domain = Figures(loyalty)
        self.partitions = partitions
        self.kept: dict[type[State], dict[str, State]] = defaultdict(dict)
        self.counts: dict[tuple[str, tuple[tuple[str, Any], ...]], dict[str, int]] = defaultdict(dict)
        self.told: list[Event[Any]] = []

    def feed(self, *events: Event[Data], now: datetime = NOW) -> Self:
        for one in events:
            loaded = self._load(one)
            decision = self.domain.on_event(one, self._partition(one), loaded, now)
            assert_declared(decision, loaded)
            self.carry_out(decision)
        return self

    def look(self, now: datetime) -> Self:
        """Wake what is due by then."""
        for state in list(self.kept[CustomerFact].values()):
            if state.wake_at is not None and state.wake_at <= now:
                self.carry_out(self.domain.on_clock(state, States(), now))
        return self

    def carry_out(self, decision: Decision[Any]) -> None:
        for ref in decision.gone:
            self.kept[ref.kind].pop(ref.id, None)
        for state in decision.states:
            again = type(state).restored(state.stored())
            assert again == state, "a state survives being stored"
            self.kept[type(state)][state.id] = again
        for counted in decision.counts:
            row = self.counts[counted.collection, tuple(counted.row.items())]
            for name, amount in counted.add.items():
                row[name] = row.get(name, 0) + amount
        self.told += [one.event for one in decision.events]

    def _partition(self, one: Event[Data]) -> int:
        return sum(str(getattr(one.data, "customer_id", "")).encode()) % self.partitions

    def _load(self, one: Event[Data]) -> States:
        return self.loaded(self.domain.touches(one))

    def loaded(self, touches: Iterable[Touch]) -> States:
        states = States()
        for touch in touches:
            if isinstance(touch, Ref):
                found = self.kept[touch.kind].get(touch.id)
                states.loaded([touch], [found] if found else [])
            elif isinstance(touch, Match):
                states.loaded(
                    [], [s for s in self.kept[touch.kind].values() if s.index().get(touch.field) == touch.value]
                )
        for ref in [ref for kind in self.kept for state in states.of(kind) for ref in state.leads_to()]:
            further = self.kept[ref.kind].get(ref.id)
            states.loaded([ref], [further] if further else [])
        return states

    @property
    def rows(self) -> dict[tuple[tuple[str, Any], ...], dict[str, int]]:
        """The hourly rows without zeros."""
        held = {row: {k: n for k, n in add.items() if n} for (name, row), add in self.counts.items() if name == HOURS}
        return {row: add for row, add in held.items() if add}

    @property
    def balance(self) -> dict[str, int]:
        total: dict[str, int] = defaultdict(int)
        for (name, _), add in self.counts.items():
            for what, amount in add.items() if name == "balance" else ():
                total[what] += amount
        return dict(total)

    def fact(self, contact_id: str = "C-1") -> ContactFact:
        found = self.kept[ContactFact][contact_id]
        assert isinstance(found, ContactFact)
        return found

    def entry(self, one: Event[Data]) -> JournalEntry:
        found = self.kept[JournalEntry][one.identity]
        assert isinstance(found, JournalEntry)
        return found

    def report(
        self, measure: str, *, facts: bool | None = None, now: datetime = NOW, **parameters: Any
    ) -> list[dict[str, Any]]:
        """A report's rows, from the hourly rows where these serve unless `facts` says which."""
        question = parse({"measure": [measure], **{name.rstrip("_"): [text] for name, text in parameters.items()}})
        if question.measure.whole:
            return rows(question, self._from_histories(question, now))
        combination = None if facts else question.combination()
        assert facts is not False or combination is not None, "the hourly rows don't serve this"
        asked = [question, *filter(None, [question.beside()])]
        if combination is None:
            return rows(question, chain.from_iterable(map(self._from_facts, asked)))
        return rows(question, chain.from_iterable(self._from_rows(one, combination) for one in asked))

    def _from_histories(self, question: Question, now: datetime) -> list[Group]:
        tally, tell = Tally(question), teller(question, LIMITS._replace(now=now))
        held = (*self.kept[ContactFact].values(), *self.kept[CustomerFact].values())
        for name in sorted({state.index()["customer_id"] for state in held}):
            for told in tell(self.history(name)):
                tally.add(told.at, told.fields, told.mark.figures)
        return tally.groups()

    def history(self, customer_id: str) -> History:
        customer = self.kept[CustomerFact].get(customer_id) or CustomerFact(id=customer_id, partition=0)
        assert isinstance(customer, CustomerFact)
        indexes = [{"_id": state.id, "s": state.stored(), **state.index()} for state in self.kept[ContactFact].values()]
        return History(customer, in_order(chapter_of(one) for one in indexes if one["customer_id"] == customer_id))

    def _from_rows(self, question: Question, combination: str) -> Iterable[Group]:
        for row, add in self.rows.items():
            fields = dict(row)
            sums = {k.partition(".")[2]: n for k, n in add.items() if k.startswith(question.measure.marks + ".")}
            if fields["combination"] == combination and sums and question.admits(fields["hour"], fields):
                yield Group(
                    _key(question, fields["hour"]), _values(question, fields["hour"], fields), _summed(question, sums)
                )

    def _from_facts(self, question: Question) -> Iterable[Group]:
        for state in (*self.kept[ContactFact].values(), *self.kept[CustomerFact].values()):
            index = state.index()
            if "audience" not in question.dimensions and index["audience"] != "customer":
                continue
            about = {name: value for name, value in index.items() if name not in ("marks", "agent", "team")}
            for mark in index["marks"]:
                fields = {**about, **mark}
                if mark["measure"] == question.measure.marks and question.admits(mark["at"], fields):
                    figures = _summed(question, mark["figures"])
                    for one in question.measure.asked:
                        if one.holds(mark["at"], mark["figures"], LIMITS):
                            figures[one.name] = figures.get(one.counts, 0)
                    yield Group(_key(question, mark["at"]), _values(question, mark["at"], fields), figures)


def _summed(question: Question, figures: Mapping[str, int]) -> dict[str, int]:
    """Of the figures of a mark those that the measure adds up."""
    names = question.measure.sums
    return {name: amount for name, amount in figures.items() if names is None or name in names}


def _key(question: Question, when: datetime) -> Any:
    if question.granularity is None:
        return None
    return when if question.granularity == "hour" else local_day(when, question.zone)


def _values(question: Question, when: datetime, fields: Mapping[str, Any]) -> tuple[str | None, ...]:
    return tuple(question.value_of(name, when, fields) for name in question.grouping)
