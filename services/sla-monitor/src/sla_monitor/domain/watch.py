"""All that sla-monitor decides: deadlines, and from what becomes of them the risk of a conflict with the customer."""

from collections.abc import Iterable
from datetime import datetime
from typing import Any, Final

from rapport.contracts import Data, Event, tell
from rapport.contracts.contact_events import SurveyAnswered
from rapport.contracts.sla_events import RiskRaised
from rapport.decision import Decision, Ref, State, States, Tell, Touch
from rapport.erasing import Pseudonyms, is_erased

from sla_monitor.domain.erasing import ERASED
from sla_monitor.domain.log import instant
from sla_monitor.domain.monitor import SlaDomain
from sla_monitor.domain.policy import Risk
from sla_monitor.domain.policy_book import PolicyBook
from sla_monitor.domain.risk import Raised, RiskState, Told, kept_up, raised, untold, with_signals
from sla_monitor.domain.risk_notices import followed, owed, unheard, with_notices
from sla_monitor.domain.risk_signals import Seen, of_decision, of_survey
from sla_monitor.domain.states import ContactState, CustomerState
from sla_monitor.domain.telling import SOURCE

_UNWATCHED: Final = ("staff", "test")
_NOTHING: Final = Risk()


class WatchDomain:
    """
    The deadlines of contacts, and the risk that their customers run.

    Risk costs what its signals cost: where the policy asks for none, nothing is
    loaded and nothing written for it.
    """

    def __init__(self, book: PolicyBook, pseudonyms: Pseudonyms | None = None) -> None:
        self._deadlines = SlaDomain(book, pseudonyms)
        self.book = book

    @property
    def pseudonyms(self) -> Pseudonyms:
        return self._deadlines.pseudonyms

    @pseudonyms.setter
    def pseudonyms(self, pseudonyms: Pseudonyms) -> None:
        self._deadlines.pseudonyms = pseudonyms

    @property
    def book(self) -> PolicyBook:
        return self._deadlines.book

    @book.setter
    def book(self, book: PolicyBook) -> None:
        self._deadlines.book = book
        rules = book.latest.file.risk
        self._rules = None if rules == _NOTHING else rules

    def touches(self, event: Event[Data]) -> Iterable[Touch]:
        touches = tuple(self._deadlines.touches(event))
        if self._rules is None or not (touches or event.type == "survey.answered"):
            return touches
        customer_id: str = vars(event.data)["customer_id"]
        about = _asked_about(event)
        contacts = (Ref(ContactState, about),) if about else ()
        return (*touches, *contacts, *self._deadlines.of_customer(customer_id), Ref(RiskState, customer_id))

    def on_event(self, event: Event[Data], partition: int, states: States, now: datetime) -> Decision[Any]:
        decision = self._deadlines.on_event(event, partition, states, now)
        customer_id = vars(event.data).get("customer_id")
        if self._rules is None or customer_id is None or event.type == ERASED:
            return decision
        if event.type != "survey.answered":
            return self._with_risk(decision, None, customer_id, partition, states, now, event)
        erased, about = self._deadlines.remembered(customer_id, states), _asked_about(event)
        contact = states.get(ContactState, about) if about else None
        known = states.get(CustomerState, customer_id)
        if erased.forbids(event, known) or erased.whose(customer_id, event.time, contact) != customer_id:
            return decision
        seen = of_survey(event, self._rules)
        decision = self._with_risk(decision, seen, customer_id, partition, states, now, event)
        return erased.noted(decision, customer_id)

    def touches_on_clock(self, state: State) -> Iterable[Touch]:
        if self._rules is None or not isinstance(state, ContactState) or is_erased(state.customer_id):
            return ()
        return *self._deadlines.of_customer(state.customer_id), Ref(RiskState, state.customer_id)

    def on_clock(self, state: State, states: States, now: datetime) -> Decision[Any]:
        decision = self._deadlines.on_clock(state, states, now)
        if self._rules is None or not isinstance(state, ContactState) or is_erased(state.customer_id):
            return decision
        if self._deadlines.remembered(state.customer_id, states).has(state, state.customer_id):
            return decision
        return self._with_risk(decision, None, state.customer_id, state.partition, states, now)

    def _with_risk(
        self,
        decision: Decision[Any],
        seen: Seen | None,
        customer_id: str,
        partition: int,
        states: States,
        now: datetime,
        cause: Event[Data] | None = None,
    ) -> Decision[Any]:
        """The decision with what it says about the customer's risk; of nobody without a name, or who was erased."""
        rules = self._rules
        if rules is None or customer_id.startswith("anonymous:") or is_erased(customer_id):
            return decision
        seen = seen or of_decision(decision, customer_id, rules)
        if not seen.new and not seen.gone:
            return decision
        customer = states.get(CustomerState, customer_id)
        if customer is not None and customer.audience in _UNWATCHED:
            return decision
        known = states.get(RiskState, customer_id) or RiskState(id=customer_id, partition=partition)
        learnt = (one for one in seen.new if customer is None or one.millis > customer.erased)
        signals = with_signals(known.signals, learnt, seen.gone)
        if signals == known.signals:
            return decision
        found = raised(signals, rules)
        news = list(untold(found, known.told))
        events = [_event(customer_id, one, known.sequence + at, cause) for at, one in enumerate(news, 1)]
        told = kept_up((*known.told, *(Told(one.cause, one.about, one.millis) for one in news)), found)
        contact = _contact(decision, cause, states)
        to_tell = [] if cause and cause.backfill else [*news, *unheard(known.notices, found, now)]
        notices = [owed(one, self.book, contact, customer, now) for one in to_tell]
        state = known.but(
            signals=signals,
            told=tuple(told),
            notices=with_notices(followed(known.notices, found, now), [one for one in notices if one]),
            sequence=known.sequence + len(news),
        )
        return Decision(
            states=(*decision.states, state),
            events=(*decision.events, *(Tell(customer_id, event) for event in events)),
            counts=decision.counts,
            why=decision.why,
        )


def _asked_about(event: Event[Data]) -> str:
    """The contact that a survey asked about; empty for everything else."""
    return (event.data.contact_id or "") if isinstance(event.data, SurveyAnswered) else ""


def _contact(decision: Decision[Any], cause: Event[Data] | None, states: States) -> ContactState | None:
    """The contact from which the risk was learnt, if it is known."""
    changed = next((state for state in decision.states if isinstance(state, ContactState)), None)
    about = _asked_about(cause) if cause else ""
    return changed or (states.get(ContactState, about) if about else None)


def _event(customer_id: str, one: Raised, sequence: int, cause: Event[Data] | None) -> Event[Data]:
    """risk.raised, as of the signal that was one too many."""
    data = RiskRaised(customer_id=customer_id, cause=one.cause, reasons=list(one.reasons), contact_id=one.contact)
    return tell(
        "risk.raised",
        data,
        source=SOURCE,
        id=f"{customer_id}/risk/{one.cause}/{one.trigger}",
        time=instant(one.millis),
        sequence=sequence,
        backfill=bool(cause and cause.backfill),
        cause=cause,
    )
