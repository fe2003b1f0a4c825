"""What metrics learns about a customer: tier and audience over time, and answers that belong to no contact."""

from typing import Any

from rapport.contracts import Data, Event
from rapport.contracts.contact_events import CustomerUpdated, SurveyAnswered
from rapport.contracts.metrics_events import CustomerTierChanged
from rapport.contracts.sla_events import RiskRaised
from rapport.decision import Counted

from metrics.domain.contact import answer_of
from metrics.domain.followups import followup_marks, is_about_followup, with_followup
from metrics.domain.marks import NOTHING, Counting, difference, survey_marks
from metrics.domain.naming import identity_of
from metrics.domain.states import CustomerFact, Risk


def is_about_customer(event: Event[Data]) -> bool:
    """Whether the event tells anything about a customer that is kept."""
    data = event.data
    if isinstance(data, CustomerUpdated):
        return says_who(event) or "owner_id" in data.model_fields_set
    return isinstance(data, CustomerTierChanged | RiskRaised) or is_counted(event)


def says_who(event: Event[Data]) -> bool:
    """Whether the event tells of a customer what the figures of their contacts depend on: tier, audience, language."""
    data = event.data
    if isinstance(data, CustomerUpdated):
        return bool(data.model_fields_set & {"tier", "audience", "language"})
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
        for field, known, value in (
            ("owner_id", customer.owner, data.owner_id),
            ("language", customer.language, data.language),
        ):
            if field in data.model_fields_set and (known is None or known[0] < order):
                changes[field.removesuffix("_id")] = (order, value)
    return customer.but(**changes)


def is_counted(event: Event[Data]) -> bool:
    """Whether it adds to the figures by itself: an answer, or a follow-up, that is about no contact."""
    return isinstance(event.data, SurveyAnswered) or is_about_followup(event)


def after_counted(customer: CustomerFact, event: Event[Data]) -> CustomerFact:
    data = event.data
    if not isinstance(data, SurveyAnswered):
        return _marked(customer.but(followups=with_followup(customer.followups, event)))
    told, held = answer_of(data, event.order), customer.answers.get(data.survey_id)
    if held is not None and held >= told:
        return customer
    return _marked(customer.but(answers={**customer.answers, data.survey_id: told}))


def _marked(customer: CustomerFact) -> CustomerFact:
    marks = (*survey_marks(customer.answers.values()), *followup_marks(customer.followups.values()))
    return customer.but(marks=marks)


def recounted(new: CustomerFact, old: CustomerFact | None) -> tuple[Counted, ...]:
    return difference(_counting(new), _counting(old))


def _counting(customer: CustomerFact | None) -> Counting:
    """What the customer's own answers have in the hourly rows; staff, tests and partners have nothing there."""
    if customer is None or customer.audience != "customer":
        return NOTHING
    return Counting(customer.marks)
