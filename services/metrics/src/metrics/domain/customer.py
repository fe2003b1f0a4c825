"""What metrics learns about a customer: tier and audience over time, and answers that belong to no contact."""

from typing import Any

from rapport.contracts import Data, Event
from rapport.contracts.contact_events import CustomerUpdated, SurveyAnswered
from rapport.contracts.metrics_events import CustomerTierChanged
from rapport.contracts.sla_events import RiskRaised
from rapport.decision import Counted

from metrics.domain.contact import answer_of
from metrics.domain.marks import NOTHING, Counting, difference, survey_marks
from metrics.domain.naming import identity_of
from metrics.domain.states import CustomerFact, Risk


def is_about_customer(event: Event[Data]) -> bool:
    """Whether the event tells anything about a customer that is kept."""
    data = event.data
    if isinstance(data, CustomerUpdated):
        return says_who(event) or "owner_id" in data.model_fields_set
    return isinstance(data, CustomerTierChanged | RiskRaised | SurveyAnswered)


def says_who(event: Event[Data]) -> bool:
    """Whether the event tells a customer's tier or audience, on which the figures of their contacts depend."""
    data = event.data
    if isinstance(data, CustomerUpdated):
        return bool(data.model_fields_set & {"tier", "audience"})
    return isinstance(data, CustomerTierChanged)


def after_update(customer: CustomerFact, event: Event[Data]) -> CustomerFact:
    """The customer as known after being told who they are; null clears."""
    data, order, name = event.data, event.order, identity_of(event)
    changes: dict[str, Any] = {}
    if isinstance(data, CustomerTierChanged):
        changes["tiers"] = {**customer.tiers, name: (order, data.tier, False)}
    elif isinstance(data, RiskRaised):
        held = customer.risks.get(data.cause)
        if held is None or held.order < order:
            changes["risks"] = {**customer.risks, data.cause: Risk(order, tuple(data.reasons), data.contact_id)}
    elif isinstance(data, CustomerUpdated):
        if "tier" in data.model_fields_set:
            changes["tiers"] = {**customer.tiers, name: (order, data.tier, True)}
        if "audience" in data.model_fields_set:
            changes["audiences"] = {**customer.audiences, name: (order, data.audience or "customer")}
        if "owner_id" in data.model_fields_set and (customer.owner is None or customer.owner[0] < order):
            changes["owner"] = (order, data.owner_id)
    return customer.but(**changes)


def after_answer(customer: CustomerFact, event: Event[Data], data: SurveyAnswered) -> CustomerFact:
    told, held = answer_of(data, event.order), customer.answers.get(data.survey_id)
    if held is not None and held >= told:
        return customer
    answers = {**customer.answers, data.survey_id: told}
    return customer.but(answers=answers, marks=tuple(survey_marks(answers.values())))


def recounted(new: CustomerFact, old: CustomerFact | None) -> tuple[Counted, ...]:
    return difference(_counting(new), _counting(old))


def _counting(customer: CustomerFact | None) -> Counting:
    """What the customer's own answers have in the hourly rows; staff, tests and partners have nothing there."""
    if customer is None or customer.audience != "customer":
        return NOTHING
    return Counting(customer.marks)
