"""What is forgotten of a customer, and that it is not learnt again."""

from typing import Any

from rapport.contracts import Data, Event
from sla_monitor.domain import actions
from sla_monitor.domain.erasing import forget_contacts
from sla_monitor.domain.policy_book import PolicyBook
from sla_monitor.domain.risk import RiskState
from sla_monitor.domain.states import AlertState, ContactState, CustomerState
from sla_monitor.domain.watch import WatchDomain

from tests.support.sla import Desk, at, customer, happened, policy, received, responded, targets

RULES = targets(
    "first_response: {within: 4h}",
    match="{attributes.plan: big}",
    rest="risk: {repeat_contacts: {count: 2, within: 7d}}\n",
)


def erased(time: str, **data: Any) -> Event[Data]:
    return happened("customer.erased", time, **data)


def desk() -> Desk:
    return Desk(WatchDomain(PolicyBook([policy(RULES)])))  # type: ignore[arg-type] # the domain around the other


def message(time: str, contact: str = "c-1") -> Event[Data]:
    about = {"subject": "My divorce", "reference": "4711", "url": "https://desk/4711"}
    return received(time, contact_id=contact, attributes={"plan": "big", "lawyer": "Ms Rossi"}, **about)


def kept(played: Desk, kind: type[Any]) -> list[Any]:
    return [state for state in played.kept.values() if isinstance(state, kind)]


def words(played: Desk) -> str:
    return " ".join(state.stored() for state in played.kept.values())


def forget(played: Desk) -> None:
    """As the work beside does, contact by contact."""
    for contact in kept(played, ContactState):
        alerts = [one for one in kept(played, AlertState) if one.contact_id == contact.id]
        played.carry_out(forget_contacts([contact], alerts, played.domain.book.asked))


def test_nothing_that_names_an_erased_customer_or_tells_their_words_is_kept():
    played = desk()
    played.take(customer("08:00", name="Anna Rossi", title="Ms", language="it", region="eu"))
    played.take(message("09:00"))
    played.look("14:00")
    played.take(erased("15:00"))
    forget(played)
    for word in ("Rossi", "divorce", "4711", '"it"', '"eu"'):
        assert word not in words(played)
    [known] = kept(played, CustomerState)
    assert known.index() == {"erasing": True}


def test_why_somebody_closed_an_alert_is_forgotten_and_that_they_did_is_not():
    played = desk()
    played.take(message("09:00"))
    played.look("14:00")
    why: dict[str, Any] = {"reason": "called Ms Rossi", "by": "ada", "now": at("14:10"), "book": played.domain.book}
    played.carry_out(actions.close(played.contact, "c-1/first_response/1", **why))
    assert "called Ms Rossi" in words(played)
    played.take(erased("15:00"))
    forget(played)
    assert "Rossi" not in words(played)
    assert [(deed.verb, deed.by) for deed in played.contact.alerts["first_response/1"].deeds] == [("closed", "ada")]


def test_deadlines_and_verdicts_stay_what_they_were():
    played = desk()
    played.take(message("09:00"))
    played.take(erased("10:00"))
    forget(played)
    played.look("14:00")
    assert played.told() == [("sla.breached", "13:00")]
    assert (played.contact.policy, played.alert().subject) == ("only", None)
    played.take(responded("15:00"))
    assert played.alert().state == "cleared"
    assert played.told("sla.corrected", "sla.cancelled") == []


def test_nothing_speaks_for_a_conflict_with_somebody_who_was_erased():
    played = desk()
    played.take(message("09:00"))
    played.take(message("09:30", "c-2"))
    [risk] = kept(played, RiskState)
    assert (len(risk.signals), len(risk.told)) == (2, 1)
    played.take(erased("10:00"))
    [risk] = kept(played, RiskState)
    assert (risk.signals, risk.told, risk.index()) == ((), (), {"at_risk": False})
    played.take(responded("11:00"))
    assert kept(played, RiskState) == [risk]


def test_what_comes_late_from_before_is_not_learnt_again():
    played = desk()
    played.take(erased("10:00"))
    played.take(customer("09:00", name="Anna Rossi"), now="10:01")
    played.take(message("09:30"), now="10:02")
    assert "Rossi" not in words(played)
    assert (played.contact.subject, played.contact.reference, played.contact.url) == (None, None, None)


def test_who_comes_back_is_somebody_new():
    played = desk()
    played.take(customer("08:00", name="Anna Rossi", region="eu"))
    played.take(erased("10:00"))
    played.take(customer("11:00", name="Anna Bianchi"))
    [known] = kept(played, CustomerState)
    assert (known.name, known.region) == ("Anna Bianchi", None)
