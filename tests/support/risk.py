"""sla-monitor with the risk of its customers, without anything around it."""

from rapport.contracts import Data, Event
from rapport.decision import Ref, States
from sla_monitor.domain.policy_book import PolicyBook
from sla_monitor.domain.risk import RiskState
from sla_monitor.domain.states import ContactState, CustomerState
from sla_monitor.domain.watch import WatchDomain

from tests.support.sla import Desk, happened, policy, received, targets

RISK = """
risk:
  repeat_contacts: {count: 3, within: 7d, same: topic}
  breaches: {count: 2, within: 30d}
  handovers: {count: 3}
  low_score: {csat: 2, nps: 6, ces: 3}
  negative_outcome: [declined]
"""
RULES = targets("first_response: {within: 4h}", rest=RISK)


class Watch(Desk):
    """The desk, with the customers' risk."""

    def risk(self, customer_id: str = "K-1") -> RiskState:
        state = self.kept[RiskState, customer_id]
        assert isinstance(state, RiskState)
        return state

    def states(self, *touched: Ref) -> States:
        states = super().states(*touched)
        refs = [Ref(RiskState, f"K-{number}") for number in range(4)]
        kept = [state for (kind, _), state in self.kept.items() if kind is RiskState]
        states.loaded(refs, kept)
        states.loaded([Ref(ContactState, f"c-{number}") for number in range(150)], [])
        states.loaded([Ref(CustomerState, f"K-{number}") for number in range(4)], [])
        return states


def watch(*events: Event[Data], under: str = RULES, looks: str | None = None) -> Watch:
    played = Watch(WatchDomain(PolicyBook([policy(under)])))  # type: ignore[arg-type] # the domain around the other
    for event in events:
        played.take(event)
    if looks:
        played.look(looks)
    return played


def call(time: str, number: int, topic: str | None = "billing", **data: str) -> Event[Data]:
    return received(time, contact_id=f"c-{number}", **({"topic": topic} if topic else {}), **data)


def scored(time: str, score: int, survey: str = "csat", survey_id: str | None = None) -> Event[Data]:
    return happened(
        "survey.answered", time, survey_id=survey_id or f"s-{time}", survey=survey, score=score, contact_id="c-1"
    )


PEOPLE = """
escalations: {climb: [{after: 0m, notify: [lead]}]}
receivers:
  desk: {url: "json://desk"}
  lead: [{url: "json://night", calendar: night}, {url: "json://lead"}]
people: {ada: {url: "json://ada"}, bob: {name: Bob}, eve: {url: "json://eve"}}
teams: {billing: {receiver: desk}}
"""


def under(notify: str) -> str:
    return targets("first_response: {within: 4h}", rest=f"{RISK.rstrip()}\n  notify: {notify}\n{PEOPLE}")


ALL = under("[owner, team, lead]")
CALLS = [call(f"+{day} 09:00", day + 1, team="billing") for day in (0, 1, 2)]
OWNED = [*CALLS[:2], call("+2 09:00", 3, team="billing", agent_id="ada")]
