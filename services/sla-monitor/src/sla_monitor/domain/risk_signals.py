"""What a decision about a contact, or the answer to a survey, says about its customer's risk."""

from collections.abc import Iterable, Iterator
from typing import Any, Final, NamedTuple

from rapport.contracts import Data, Event, identity_of
from rapport.contracts.contact_events import SurveyAnswered
from rapport.contracts.fields import RiskCause
from rapport.contracts.sla_events import SlaBreached, SlaCorrected
from rapport.decision import Decision

from sla_monitor.domain.log import classification, to_millis
from sla_monitor.domain.policy import Risk
from sla_monitor.domain.risk import Signal
from sla_monitor.domain.states import ContactState, Entry

_NO_CONTACT: Final = ("spam", "duplicate", "merged")


class Seen(NamedTuple):
    """Signals, and names under which there turned out to be none."""

    new: tuple[Signal, ...] = ()
    gone: tuple[tuple[RiskCause, str], ...] = ()


def of_survey(event: Event[Data], rules: Risk) -> Seen:
    """A score, low or not; of each survey the last answer counts."""
    answer = event.data
    low = rules.low_score
    if not isinstance(answer, SurveyAnswered) or low is None:
        return Seen()
    least = {"csat": low.csat, "nps": low.nps, "ces": low.ces}[answer.survey]
    if least is None:
        return Seen()
    value = f"{answer.survey} score of {answer.score}"
    good = answer.score > least
    name, at = f"survey/{answer.survey_id}", to_millis(event.time)
    return Seen((Signal("low_score", at, name, answer.contact_id, answer.survey, value, good),))


def of_decision(decision: Decision[Any], customer_id: str, rules: Risk) -> Seen:
    """What the contacts of that customer have come to, and their deadlines missed."""
    new: list[Signal] = []
    gone: list[tuple[RiskCause, str]] = []
    for state in decision.states:
        if isinstance(state, ContactState) and state.customer_id == customer_id:
            new += _of_log(state, rules)
            if state.status in _NO_CONTACT:
                gone.append(("repeat_contacts", state.id))
    for told in decision.events:
        if told.key == customer_id:
            for signal, is_one in _of_verdict(told.event.data):
                if is_one:
                    new.append(signal)
                else:
                    gone.append((signal.cause, signal.name))
    return Seen(tuple(signal for signal in new if (signal.cause, signal.name) not in gone), tuple(gone))


def _of_verdict(data: Data) -> Iterator[tuple[Signal, bool]]:
    """The breach that is told or withdrawn, if it is one."""
    if isinstance(data, SlaBreached | SlaCorrected):
        name = f"{data.contact_id}/{data.target}/{data.cycle}"
        missed = isinstance(data, SlaBreached) or data.verdict == "breached"
        yield Signal("breaches", to_millis(data.due_at), name, data.contact_id), missed


def _of_log(contact: ContactState, rules: Risk) -> Iterator[Signal]:
    opening = next((entry for entry in contact.log if entry.type == "contact.received"), None)
    if rules.repeat_contacts and opening and opening.facts.get("direction") != "outbound":
        about = classification(opening.facts).get(rules.repeat_contacts.same or "")
        yield Signal("repeat_contacts", opening.millis, contact.id, contact.id, "" if about is None else str(about))
    if rules.handovers:
        yield from handovers(contact)
    if rules.negative_outcome:
        for entry in contact.log:
            outcome = entry.facts.get("outcome") if entry.type == "contact.resolved" else None
            if outcome and outcome not in _NO_CONTACT:
                good = outcome not in rules.negative_outcome
                words = f"contact {contact.id} ended as {outcome}"
                yield Signal("negative_outcome", entry.millis, identity_of(entry.name), contact.id, "", words, good)


def handovers(contact: ContactState) -> list[Signal]:
    """Each time that the contact went from one pair of hands to another, or from one team to another."""
    found: list[Signal] = []
    owner: str | None = None
    team: str | None = None
    for entry in _hands(contact.log):
        to_owner, to_team = entry.facts.get("agent_id"), entry.facts.get("team")
        moved = (owner and to_owner and to_owner != owner) or (team and to_team and to_team != team)
        if moved:
            hands = " of ".join(filter(None, (to_owner, to_team)))
            found.append(Signal("handovers", entry.millis, identity_of(entry.name), contact.id, contact.id, hands))
        owner, team = to_owner or owner, to_team or team
    return found


def _hands(log: Iterable[Entry]) -> Iterator[Entry]:
    """The entries that say whose it is: the opening, and every assignment."""
    opened = False
    for entry in log:
        if entry.type == "contact.assigned" or (entry.type == "contact.received" and not opened):
            opened = opened or entry.type == "contact.received"
            yield entry
