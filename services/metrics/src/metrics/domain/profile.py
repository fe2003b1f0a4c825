"""What is known of one customer, as one answer."""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from datetime import datetime
from decimal import Decimal
from typing import Any

from rapport.contracts import format_instant

from metrics.domain.deadlines import millis
from metrics.domain.kept import Answer
from metrics.domain.loyalty import MILLION, Loyalty, points_at, worth
from metrics.domain.states import CustomerFact, instant


def profile(customer: CustomerFact, answers: Iterable[Answer], rules: Loyalty, now: datetime) -> dict[str, Any]:
    """
    Tier, points, lifetime value, scores, risks and own agent. `answers` are those about their contacts.

    Amounts are decimal strings, as in events.
    """
    at = millis(now)
    bought = customer.returns.values()
    return {
        "customer_id": customer.id,
        "audience": customer.audience,
        "owner_id": customer.owner_at(),
        "tier": customer.tier_at(at),
        "tier_given": customer.given_tier() is not None,
        "points": points_at(customer.purchases, bought, rules, at) if rules.tiers else None,
        "lifetime_value": [
            {
                "currency": currency,
                "value": _decimal(known.value),
                "purchases": known.purchases,
                "returned": _decimal(known.returned),
            }
            for currency, known in worth(customer.purchases, bought).items()
        ],
        "scores": _scores([*customer.answers.values(), *answers]),
        "risks": [
            {
                "cause": cause,
                "raised_at": format_instant(instant(one.order[0])),
                "reasons": list(one.reasons),
                "contact_id": one.contact_id,
            }
            for cause, one in sorted(customer.risks.items(), key=lambda risk: risk[1].order, reverse=True)
        ],
    }


def _scores(answers: Iterable[Answer]) -> list[dict[str, Any]]:
    """By survey and context, which are never pooled: how many, their mean, and the last."""
    by_kind: Mapping[tuple[str, str], list[Answer]] = defaultdict(list)
    for one in sorted(answers):
        by_kind[one.survey, one.context].append(one)
    return [
        {
            "survey": survey,
            "context": context,
            "answers": len(some),
            "mean": round(sum(one.score for one in some) / len(some), 6),
            "last": {"score": some[-1].score, "at": format_instant(instant(some[-1].at))},
        }
        for (survey, context), some in sorted(by_kind.items())
    ]


def _decimal(millionths: int) -> str:
    """At least two places, and no more than are needed."""
    exact = (Decimal(millionths) / MILLION).quantize(Decimal("0.000001"))
    short = exact.quantize(Decimal("0.01"))
    return str(short if short == exact else exact.normalize())
