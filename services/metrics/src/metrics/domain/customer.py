"""What metrics learns about a customer: tier and audience over time, and answers that belong to no contact."""

from typing import Any, Final

from rapport.contracts import Data, Event, Identity
from rapport.contracts.contact_events import CustomerUpdated, MessageBounced, SubscriptionCancelled, SurveyAnswered
from rapport.contracts.followup_events import SurveySent
from rapport.contracts.metrics_events import CustomerTierChanged
from rapport.contracts.sla_events import RiskRaised
from rapport.decision import Counted

from metrics.domain.contact import answer_of
from metrics.domain.followups import followup_marks, is_about_followup, with_followup
from metrics.domain.marks import NOTHING, Counting, difference, survey_marks
from metrics.domain.naming import identity_of
from metrics.domain.states import CustomerFact, Order, Risk
from metrics.domain.surveys import sent_marks, with_survey


def is_about_customer(event: Event[Data]) -> bool:
    """Whether the event tells anything about a customer that is kept."""
    data = event.data
    if isinstance(data, CustomerUpdated):
        return says_who(event) or bool(data.model_fields_set & {"owner_id", "lifecycle"})
    return isinstance(data, _OF_CUSTOMERS) or is_counted(event)


_OF_CUSTOMERS: Final = (CustomerTierChanged, RiskRaised, SubscriptionCancelled, MessageBounced)


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
    elif isinstance(data, SubscriptionCancelled):
        changes["lives"] = {**customer.lives, name: (order, "cancelled")}
    elif isinstance(data, MessageBounced):
        changes["bounces"] = {**customer.bounces, name: order[0]}
    elif isinstance(data, CustomerUpdated):
        changes = _said(customer, data, order, name)
    return customer.but(**changes)


def _said(customer: CustomerFact, data: CustomerUpdated, order: Order, name: Identity) -> dict[str, Any]:
    """What another system said of who they are."""
    given = data.model_fields_set
    changes: dict[str, Any] = {}
    if "tier" in given:
        changes["tiers"] = {**customer.tiers, name: (order, data.tier, True)}
    if "audience" in given:
        changes["audiences"] = {**customer.audiences, name: (order, data.audience or "customer")}
    if "owner_id" in given:
        changes["owners"] = {**customer.owners, name: (order, data.owner_id)}
    if "lifecycle" in given:
        changes["lives"] = {**customer.lives, name: (order, data.lifecycle)}
    if "language" in given and (customer.language is None or customer.language[0] < order):
        changes["language"] = (order, data.language)
    return changes


def is_counted(event: Event[Data]) -> bool:
    """Whether it adds to the figures by itself: a survey, an answer or a follow-up that is about no contact."""
    return isinstance(event.data, SurveyAnswered | SurveySent) or is_about_followup(event)


def after_counted(customer: CustomerFact, event: Event[Data]) -> CustomerFact:
    data = event.data
    if isinstance(data, SurveySent):
        return marked(customer.but(surveys=with_survey(customer.surveys, event.order, data)))
    if not isinstance(data, SurveyAnswered):
        return marked(customer.but(followups=with_followup(customer.followups, event)))
    told, held = answer_of(data, event.order), customer.answers.get(data.survey_id)
    if held is not None and held >= told:
        return customer
    return marked(customer.but(answers={**customer.answers, data.survey_id: told}))


def marked(customer: CustomerFact) -> CustomerFact:
    """The customer with what their own surveys, answers and follow-ups add to the figures."""
    marks = (
        *survey_marks(customer.answers.values()),
        *followup_marks(customer.followups.values()),
        *sent_marks(customer.surveys),
    )
    return customer.but(marks=marks)


def recounted(new: CustomerFact | None, old: CustomerFact | None) -> tuple[Counted, ...]:
    return difference(_counting(new), _counting(old))


def _counting(customer: CustomerFact | None) -> Counting:
    """What the customer's own answers have in the hourly rows; staff, tests and partners have nothing there."""
    if customer is None or customer.audience != "customer":
        return NOTHING
    return Counting(customer.marks)
