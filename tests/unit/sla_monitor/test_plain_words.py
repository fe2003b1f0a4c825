"""What a target promises, as whoever is woken by it reads it."""

from typing import Any, get_args

import pytest
from rapport.contracts.fields import Target
from sla_monitor.domain.plain_words import TO_DO, promised
from sla_monitor.domain.policy import TargetModel
from sla_monitor.domain.rules import Spec


@pytest.mark.parametrize(
    ("target", "given", "words"),
    [
        ("first_response", {"within": "4h"}, "within 4 h of open time"),
        ("escalated", {"within": "90m", "elapsed": True}, "within 1 h 30 min of elapsed time"),
        ("first_response", {"within": "90s"}, "within 1 min 30 s of open time"),
        ("resolution", {"within": "40h"}, "within 40 h of open time"),
        ("resolution", {"within": "48h", "elapsed": True}, "within 48 h of elapsed time"),
        ("resolution", {"within": "3661s"}, "within 1 h 1 min 1 s of open time"),
        ("resolution", {"within": "0s"}, "within 0 s of open time"),
        ("update", {"every": "2 business days"}, "every 2 business days"),
        ("next_response", {"within": "1 business day"}, "within 1 business day"),
        ("first_response", {"by": "end of same business day"}, "end of same business day"),
        (
            "first_response",
            {"by": "end of next business day", "cutoff": "15:00"},
            "end of next business day, after 15:00 a day later",
        ),
        (
            "resolution",
            {"within": "3 business days", "pause_on": ["customer", "third_party"]},
            "within 3 business days; pauses while waiting on customer, third party",
        ),
    ],
)
def test_a_promise_is_told_in_plain_words(target: str, given: dict[str, Any], words: str):
    assert promised(target, Spec.of(TargetModel.model_validate(given))) == words


def test_whoever_is_alerted_is_told_what_to_do_whatever_the_target():
    assert TO_DO.keys() == set(get_args(Target))
