"""The answer to a survey: taken until the link expires or is withdrawn, and the last one counts."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any, Literal

from rapport.contracts import encode, tell
from rapport.contracts.contact_events import ConsentChanged, SurveyAnswered
from rapport.contracts.fields import SCORE_RANGE, Channel
from rapport.decision import Decision
from rapport.erasing import is_erased

from followup.domain.draft import SOURCE, Rules, context_of
from followup.domain.plays import TEXT_CHANNELS
from followup.domain.reach import consents, purposes_spoken_of
from followup.domain.state import Answer, CustomerState, Posting, SurveyLink

MOST_COMMENT = 5_000

_FIRST_GO = timedelta(seconds=10)
"""Whoever takes the answer hands it on at once; only after this do others try."""

Closed = Literal["expired", "withdrawn"]


def closed(link: SurveyLink, customer: CustomerState | None, now: datetime) -> Closed | None:
    """
    Why a survey takes no answer any more; None while it does.

    It does up to the instant it expires, and for whoever was erased no longer.
    """
    if is_erased(link.customer_id):
        return "expired"
    followup = customer.followups.get(link.id) if customer else None
    if followup and followup.withdrawn:
        return "withdrawn"
    return "expired" if now > link.expires_at else None


def answer(link: SurveyLink, score: int, comment: str | None, now: datetime) -> Decision[Any]:
    """
    Keep the answer, and the event that intake has to get.

    The same answer again (a page sent twice) is the same answer. The last one counts, so it is
    told as later than the one before, whatever the clock of the replica says that took it.
    ValueError for a score that the survey does not have.
    """
    low, high = SCORE_RANGE[link.survey]
    if not low <= score <= high:
        raise ValueError(f"a {link.survey} survey is answered from {low} to {high}")
    before = link.answer
    if before and (before.score, before.comment) == (score, comment):
        return Decision(why="the same answer again")
    number, at = (before.number + 1, max(now, before.at)) if before else (1, now)
    given = Answer(number=number, score=score, comment=comment, at=at)
    data = SurveyAnswered(
        customer_id=link.customer_id,
        survey_id=link.id,
        survey=link.survey,
        score=score,
        comment=comment,
        contact_id=link.contact_id,
        context=context_of(link.contact_id),
    )
    event = tell("survey.answered", data, source=SOURCE, id=posting_id(link.id, number), time=at, sequence=number)
    event = event.model_copy(update={"causationid": link.id})
    posting = Posting(id=event.id, partition=link.partition, event=encode(event).decode(), next_at=now + _FIRST_GO)
    return Decision((link.but(answer=given), posting))


def posting_id(survey_id: str, number: int) -> str:
    return f"{survey_id}:answer:{number}"


def wishes(customer: CustomerState | None, about: str, rules: Rules) -> dict[str, bool]:
    """
    Whether the customer gets messages of each purpose there is: those of the plays, and the one `about` a link.

    By whatever channel we write on: what is stopped as unwanted stops on all of them.
    """
    known = customer or CustomerState(id="", partition=0)
    used = {step.purpose for play in rules.plays.plays for step in play.steps}
    purposes = {about} | used | rules.plays.consent.default.keys() | purposes_spoken_of(known)
    called: list[Channel] = ["phone"]
    written: list[Channel] = ["email", *(one for one in TEXT_CHANNELS if one in rules.senders)]
    return {
        one: any(consents(one, known, rules, channel) for channel in (called if one == "check_in" else written))
        for one in sorted(purposes)
    }


def change_consent(
    customer_id: str, partition: int, purposes: dict[str, bool], now: datetime, name: str
) -> Decision[Any]:
    """The events by which a customer's choice of what to get reaches everybody."""
    postings = []
    for purpose, granted in sorted(purposes.items()):
        data = ConsentChanged(customer_id=customer_id, purpose=purpose, granted=granted, channel="email")
        event = tell("consent.changed", data, source=SOURCE, id=f"{name}:{purpose}", time=now)
        postings.append(
            Posting(id=event.id, partition=partition, event=encode(event).decode(), next_at=now + _FIRST_GO)
        )
    return Decision(tuple(postings))
