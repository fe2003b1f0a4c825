"""Surveys that were sent: who was asked, and which of them answered."""

from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import Final, NamedTuple, TypeVar

from rapport.contracts.envelope import OrderKey
from rapport.contracts.fields import SurveyKind
from rapport.contracts.followup_events import SurveySent

from metrics.domain.deadlines import millis
from metrics.domain.kept import Mark
from metrics.domain.story import Story

T = TypeVar("T")

SENT: Final = "response_rate"
SCORES: Final = ("csat", "ces", "nps")
_DAY: Final = 86_400_000
_COMES_BACK_WITHIN: Final = 3 * _DAY
"""A message that comes back later was another one."""


class Survey(NamedTuple):
    """A survey as it was sent. The order is that of its event; the instant is when it can be answered no more."""

    order: OrderKey
    survey: SurveyKind
    expires_at: int


def with_survey(known: Mapping[str, Survey], order: OrderKey, data: SurveySent) -> dict[str, Survey]:
    told, held = Survey(order, data.survey, millis(data.expires_at)), known.get(data.survey_id)
    return {**known, data.survey_id: told if held is None or told.order > held.order else held}


def sent_marks(surveys: Mapping[str, Survey], story: Story | None = None) -> Iterator[Mark]:
    """One mark for each, in their order, at the instant at which it was sent, for whoever the answer is about."""
    for one in surveys.values():
        at = one.order[0]
        credit = story.credited(at) if story else None
        agent, team = (credit.agent, credit.team) if credit else (None, None)
        yield Mark(SENT, at, agent, team, one.survey, {"sent": 1, "expires": one.expires_at})


def settled(
    sent: Iterable[tuple[str, Mark, T]], answered: Collection[str], bounces: Iterable[int], now: int
) -> Iterator[tuple[Mark, T]]:
    """
    The marks of a customer's surveys as they count, each with what came with it.

    They are answered, come back, expired without an answer, or pending. What came
    back is not told by its name: it was the newest survey without an answer of the
    three days before.
    """
    by_time = sorted(sent, key=lambda one: (one[1].at, one[0]))
    waiting = [place for place, (name, _, _) in enumerate(by_time) if name not in answered]
    returned: set[int] = set()
    for at in sorted(bounces):
        before = [place for place in waiting if 0 <= at - by_time[place][1].at <= _COMES_BACK_WITHIN]
        returned.update(before[-1:])
        waiting = [
            place for place in waiting if place not in returned and by_time[place][1].at >= at - _COMES_BACK_WITHIN
        ]
    for place, (name, mark, about) in enumerate(by_time):
        if name in answered:
            figures = {"sent": 1, "answers": 1}
        elif place in returned:
            figures = {"sent": 1, "bounced": 1}
        else:
            figures = {"sent": 1} if mark.figures["expires"] <= now else {"pending": 1}
        yield mark._replace(figures=figures), about
