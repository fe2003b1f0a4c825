"""Answers to a survey: the last one counts."""

from datetime import timedelta

from followup.domain import surveys
from followup.domain.state import Posting, SurveyLink
from rapport.contracts import decode

from tests.support.followup import at

LINK = SurveyLink(id="fu-1", partition=0, customer_id="K-1", token="t", survey="csat", expires_at=at("7 10:00"))


def test_of_two_answers_the_last_one_is_the_newer_event_whatever_the_clocks_of_replicas_say():
    events = []
    link = LINK
    for score, clock in ((1, timedelta()), (5, timedelta()), (4, timedelta(seconds=-3))):
        decision = surveys.answer(link, score, None, at("1 10:00") + clock)
        (link,) = [one for one in decision.states if isinstance(one, SurveyLink)]
        events += [decode(one.event.encode()) for one in decision.states if isinstance(one, Posting)]
    assert [vars(one.data)["score"] for one in sorted(events, key=lambda one: one.order)] == [1, 5, 4]
