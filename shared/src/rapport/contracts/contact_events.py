"""What other systems tell us about customers and the contacts with them (topic contact-events)."""

from typing import Annotated, Any

from pydantic import Field, StringConstraints, model_validator

from rapport.contracts.envelope import Data
from rapport.contracts.fields import (
    SCORE_RANGE,
    Audience,
    Channel,
    Currency,
    Decimal,
    Direction,
    Formality,
    Id,
    Kind,
    Label,
    Lifecycle,
    Outcome,
    Priority,
    Promised,
    SurveyContext,
    SurveyKind,
    Text,
    Url,
    WaitingOn,
)

Sentiment = Annotated[float, Field(ge=-1, le=1)]
Seconds = Annotated[float, Field(ge=0, le=10_000_000)]
Attributes = dict[str, Any]


class CustomerData(Data):
    """An event about a customer."""

    customer_id: Id


class ContactData(CustomerData):
    """An event about one contact of a customer."""

    contact_id: Id


class ContactReceived(ContactData):
    """The customer wrote or called (or, outbound, we did): opens the contact, or is a further message on it."""

    channel: Channel
    direction: Direction = "inbound"
    kind: Kind = "request"
    priority: Priority = "normal"
    subject: Text | None = None
    reference: Label | None = None
    url: Url | None = None
    topic: Label | None = None
    region: Label | None = None
    location: Label | None = None
    team: Label | None = None
    agent_id: Id | None = None
    language: Label | None = None
    product: Label | None = None
    purchase_id: Id | None = None
    promised_by: Promised | None = None
    sentiment: Sentiment | None = None
    attributes: Attributes = Field(default_factory=dict)


class ContactResponded(ContactData):
    """An answer to the customer. An automated one counts for nothing but the journal."""

    agent_id: Id | None = None
    automated: bool = False
    channel: Channel | None = None
    language: Label | None = None
    handle_seconds: Seconds | None = None
    promised_by: Promised | None = None


class ContactUpdated(ContactData):
    """A progress report to the customer that is no answer."""

    agent_id: Id | None = None
    promised_by: Promised | None = None


class ContactPromised(ContactData):
    """We told the customer when they will hear."""

    promised_by: Promised
    agent_id: Id | None = None


class ContactAssigned(ContactData):
    """Owner or team changed; at least one is given."""

    agent_id: Id | None = None
    team: Label | None = None

    @model_validator(mode="after")
    def _one_at_least(self) -> "ContactAssigned":
        if self.agent_id is None and self.team is None:
            raise ValueError("agent_id or team must be given")
        return self


class ContactEscalated(ContactData):
    """Handed up."""

    to: Label
    reason: Text | None = None


class ContactWaiting(ContactData):
    """We can't go on."""

    on: WaitingOn


class ContactResumed(ContactData):
    """We can go on."""


class ContactReclassified(ContactData):
    """What it is has changed; only the fields given."""

    kind: Kind | None = None
    priority: Priority | None = None
    topic: Label | None = None
    region: Label | None = None
    location: Label | None = None
    team: Label | None = None
    product: Label | None = None
    language: Label | None = None
    attributes: Attributes | None = None


class ContactResolved(ContactData):
    """We consider it done."""

    outcome: Outcome | None = None
    agent_id: Id | None = None
    handle_seconds: Seconds | None = None


class ContactConfirmed(ContactData):
    """The customer says it is done."""


class ContactReopened(ContactData):
    """It is not done."""

    reason: Text | None = None


class ContactMerged(ContactData):
    """It was the same matter as another contact of this customer, which goes on."""

    into: Id


class ContactAbandoned(ContactData):
    """The customer hung up or left before an answer."""

    waited_seconds: Seconds | None = None


class CustomerUpdated(CustomerData):
    """Who the customer is; only the fields given change, null clears."""

    name: Text | None = None
    title: Label | None = None
    form_of_address: Formality | None = None
    language: Label | None = None
    timezone: Label | None = None
    region: Label | None = None
    email: Annotated[str, StringConstraints(max_length=320)] | None = None
    phone: Label | None = None
    lifecycle: Lifecycle | None = None
    tier: Label | None = None
    account_id: Id | None = None
    owner_id: Id | None = None
    audience: Audience | None = None
    preferred_channel: Channel | None = None


class ConsentChanged(CustomerData):
    """What the customer allows; the newest `time` wins."""

    purpose: Label
    granted: bool
    channel: Channel | None = None


class MessageBounced(CustomerData):
    """A message came back."""

    address: Annotated[str, StringConstraints(min_length=1, max_length=320)]
    permanent: bool = False


class MessageComplained(CustomerData):
    """A message was reported as spam."""

    address: Annotated[str, StringConstraints(min_length=1, max_length=320)]


class CustomerErased(CustomerData):
    """Forget this person (role admin)."""


class PurchaseMade(CustomerData):
    """The customer bought something. `amount` and `margin` are in `currency`."""

    purchase_id: Id
    amount: Decimal
    currency: Currency
    margin: Decimal | None = None
    product: Label | None = None
    agent_id: Id | None = None


class PurchaseDelivered(CustomerData):
    """What was bought has arrived."""

    purchase_id: Id


class PurchaseReturned(CustomerData):
    """What was bought came back, worth `amount`."""

    purchase_id: Id
    amount: Decimal


class SubscriptionCancelled(CustomerData):
    """The customer left."""

    reason: Text | None = None


class SurveyAnswered(CustomerData):
    """The answer to a survey: csat 1–5, nps 0–10, ces 1–7. The last answer to a survey counts."""

    survey_id: Id
    survey: SurveyKind
    score: int
    comment: Text | None = None
    contact_id: Id | None = None
    context: SurveyContext = "transactional"

    @model_validator(mode="after")
    def _in_range(self) -> "SurveyAnswered":
        low, high = SCORE_RANGE[self.survey]
        if not low <= self.score <= high:
            raise ValueError(f"score of a {self.survey} survey must be from {low} to {high}")
        return self


class QualityReviewed(ContactData):
    """Somebody reviewed how a contact was handled."""

    score: float
    out_of: Annotated[float, Field(gt=0)]
    agent_id: Id | None = None
    reviewer_id: Id | None = None


class ReviewPosted(CustomerData):
    """A review on somebody else's site: `rating` out of `out_of`."""

    site: Label
    rating: float
    out_of: Annotated[float, Field(gt=0)]
    url: Url | None = None
    text: Text | None = None
    contact_id: Id | None = None


class MentionPosted(CustomerData):
    """Social listening; with a contact_id, also contact.received may be sent for it."""

    network: Label
    url: Url | None = None
    text: Text | None = None
    sentiment: Sentiment | None = None
    contact_id: Id | None = None


CONTACT_EVENT_DATA: dict[str, type[CustomerData]] = {
    "contact.received": ContactReceived,
    "contact.responded": ContactResponded,
    "contact.updated": ContactUpdated,
    "contact.promised": ContactPromised,
    "contact.assigned": ContactAssigned,
    "contact.escalated": ContactEscalated,
    "contact.waiting": ContactWaiting,
    "contact.resumed": ContactResumed,
    "contact.reclassified": ContactReclassified,
    "contact.resolved": ContactResolved,
    "contact.confirmed": ContactConfirmed,
    "contact.reopened": ContactReopened,
    "contact.merged": ContactMerged,
    "contact.abandoned": ContactAbandoned,
    "customer.updated": CustomerUpdated,
    "consent.changed": ConsentChanged,
    "message.bounced": MessageBounced,
    "message.complained": MessageComplained,
    "customer.erased": CustomerErased,
    "purchase.made": PurchaseMade,
    "purchase.delivered": PurchaseDelivered,
    "purchase.returned": PurchaseReturned,
    "subscription.cancelled": SubscriptionCancelled,
    "survey.answered": SurveyAnswered,
    "quality.reviewed": QualityReviewed,
    "review.posted": ReviewPosted,
    "mention.posted": MentionPosted,
}
