"""The kinds of field that the events are made of, each with its limits."""

import re
from datetime import UTC, datetime
from typing import Annotated, Final, Literal

from pydantic import AfterValidator, AwareDatetime, BeforeValidator, StringConstraints

from rapport.contracts.envelope import cut_to_milliseconds

_RFC3339 = re.compile(r"\d{4}-\d\d-\d\d[Tt]\d\d:\d\d:\d\d(\.\d+)?([Zz]|[+-]\d\d:\d\d)")


def _rfc3339(value: object) -> object:
    if isinstance(value, datetime):
        return value
    if isinstance(value, str) and _RFC3339.fullmatch(value):
        return value
    raise ValueError("must be an RFC 3339 date and time with an offset, such as 2026-03-02T09:00:00+01:00")


Id = Annotated[str, StringConstraints(min_length=1, max_length=200)]
"""An identifier of somebody else's system, 1–200 characters."""

Label = Annotated[str, StringConstraints(min_length=1, max_length=200)]
"""A short name that figures are grouped by."""

Text = Annotated[str, StringConstraints(max_length=20_000)]
"""Words of a person."""

Url = Annotated[str, StringConstraints(min_length=1, max_length=2_000)]

Instant = Annotated[AwareDatetime, BeforeValidator(_rfc3339), AfterValidator(cut_to_milliseconds)]
"""An RFC 3339 instant with an offset, kept as UTC, cut to milliseconds."""

_PROMISES: Final = (datetime(1970, 1, 1, tzinfo=UTC), datetime(9000, 1, 1, tzinfo=UTC))


def _can_be_kept(value: datetime) -> datetime:
    first, end = _PROMISES
    if not first <= value < end:
        raise ValueError(f"must be between the years {first.year} and {end.year}")
    return value


Promised = Annotated[Instant, AfterValidator(_can_be_kept)]
"""When somebody was told to hear from us: sums with it stay within the calendar."""

DECIMAL: Final = r"^-?[0-9]{1,15}(\.[0-9]{1,6})?$"
CURRENCY: Final = r"^[A-Z]{3}$"

Decimal = Annotated[str, StringConstraints(pattern=DECIMAL)]
"""An amount of money as a decimal string, such as "19.90"."""

Currency = Annotated[str, StringConstraints(pattern=CURRENCY)]
"""An ISO 4217 code."""

Channel = Literal["phone", "email", "chat", "sms", "social", "web", "in_person", "letter", "other"]
Kind = Literal["question", "request", "complaint", "incident", "feedback", "sales", "other"]
Priority = Literal["low", "normal", "high", "urgent"]
Direction = Literal["inbound", "outbound"]
Outcome = Literal["solved", "workaround", "refunded", "declined", "referred", "no_response", "duplicate", "spam"]
RiskCause = Literal["repeat_contacts", "breaches", "handovers", "low_score", "negative_outcome"]
"""What a conflict with a customer may come from, as sla-monitor tells it; readers take others, too."""

WaitingOn = Literal["customer", "third_party"]
SurveyKind = Literal["csat", "nps", "ces"]
SurveyContext = Literal["transactional", "relational"]
Audience = Literal["customer", "staff", "test", "partner"]
Lifecycle = Literal["prospect", "active", "churned"]
Formality = Literal["formal", "informal"]
Target = Literal["first_response", "next_response", "update", "resolution", "escalated", "promise"]

SCORE_RANGE: dict[str, tuple[int, int]] = {"csat": (1, 5), "nps": (0, 10), "ces": (1, 7)}
"""Lowest and highest score of each kind of survey."""
