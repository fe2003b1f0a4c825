"""How the fact of a contact changes, and what that changes in the hourly rows."""

from bisect import bisect_left
from collections.abc import Mapping
from itertools import pairwise
from types import MappingProxyType
from typing import Any, Final

from rapport.contracts import Data, Event
from rapport.contracts.contact_events import QualityReviewed, SurveyAnswered
from rapport.contracts.followup_events import SurveySent
from rapport.contracts.sla_events import AlertCleared, UnderPolicy
from rapport.decision import Counted

from metrics.domain.deadlines import Run, Scheduled, told_by, word_of
from metrics.domain.finish import WHOLE
from metrics.domain.followups import followup_marks, is_about_followup, with_followup
from metrics.domain.kept import Answer, Note, Review
from metrics.domain.marks import NOTHING, Counting, difference, hours_marks, marks_of
from metrics.domain.naming import identity_of
from metrics.domain.notes import LONGEST_LOG, is_noted, note_of
from metrics.domain.states import ContactFact, CustomerFact, Order
from metrics.domain.story import Story, fold
from metrics.domain.surveys import sent_marks, with_survey
from metrics.domain.visit import visit_of

_DEADLINES: Final = (UnderPolicy, AlertCleared)
_NEW: Final = Run()
_UNCHANGED: Final[Mapping[str, Any]] = MappingProxyType({})

_SAID_IN_PASSING, _ANONYMOUS, _KNOWN = range(3)


def is_about_figures(event: Event[Data]) -> bool:
    """Whether the figures of the event's contact depend on it."""
    if isinstance(event.data, SurveyAnswered | SurveySent):
        return event.data.contact_id is not None
    if isinstance(event.data, QualityReviewed):
        return True
    if is_about_followup(event):
        return getattr(event.data, "contact_id", None) is not None
    return isinstance(event.data, _DEADLINES) or is_noted(event)


def is_too_late(fact: ContactFact, event: Event[Data], order: Order) -> bool:
    """Whether the event is dated before what has been folded for good."""
    return fact.cut is not None and order < fact.cut and is_noted(event)


def told(fact: ContactFact, event: Event[Data], order: Order) -> dict[str, Any]:
    """The fields of the fact that one more event changes, before anything is derived from them."""
    changes = _named(fact, event, order)
    data = event.data
    if isinstance(data, SurveyAnswered):
        answer = answer_of(data, order)
        held = fact.answers.get(data.survey_id)
        if held is None or answer > held:
            changes["answers"] = {**fact.answers, data.survey_id: answer}
    elif isinstance(data, SurveySent):
        changes["surveys"] = with_survey(fact.surveys, order, data)
    elif isinstance(data, QualityReviewed):
        changes["reviews"] = {**fact.reviews, identity_of(event): review_of(data, order)}
    elif is_about_followup(event):
        changes["followups"] = with_followup(fact.followups, event)
    elif isinstance(data, _DEADLINES):
        changes |= _after_deadlines(fact, event, data)
    else:
        place = bisect_left(fact.log, order, key=lambda held: held.order)
        changes["log"] = (*fact.log[:place], note_of(event, order), *fact.log[place:])
    return changes


def _after_deadlines(fact: ContactFact, event: Event[Data], data: UnderPolicy | AlertCleared) -> dict[str, Any]:
    runs, word, promised = dict(fact.runs), word_of(event), fact.promised
    for target, cycle, said in told_by(event, word):
        key = f"{target}/{cycle}"
        runs[key] = runs.get(key, _NEW).after(said, data)
        if target == "promise" and isinstance(said, Scheduled):
            promised = {**promised, key: {**promised.get(key, {}), word.number: said.due}}
    changes: dict[str, Any] = {"runs": runs, "promised": promised}
    policy = getattr(data, "policy", None)
    if policy is not None and (fact.policy_word is None or word > fact.policy_word):
        changes |= {"policy": policy, "policy_word": word}
    in_hours = getattr(data, "in_hours", None)
    if in_hours is not None:
        known = (word, in_hours)
        changes["in_hours"] = known if fact.in_hours is None else max(known, fact.in_hours)
    return changes


def _named(fact: ContactFact, event: Event[Data], order: Order) -> dict[str, Any]:
    """Whose contact it is: what contact events say counts most, and a person known more than `anonymous:…`."""
    customer_id: str = getattr(event.data, "customer_id", "")
    standing = _SAID_IN_PASSING
    if is_noted(event):
        standing = _ANONYMOUS if customer_id.startswith("anonymous:") else _KNOWN
    named = (standing, order)
    if fact.named is not None and named <= fact.named:
        return {}
    return {"customer_id": customer_id, "named": named}


def answer_of(data: SurveyAnswered, order: Order) -> Answer:
    return Answer(order[0], order[1], order[4], data.survey, data.score, data.context)


def review_of(data: QualityReviewed, order: Order) -> Review:
    return Review(order[0], data.agent_id, int(data.score / data.out_of * WHOLE + 0.5))


def _moves(promised: Mapping[str, Mapping[int, int]]) -> dict[str, int]:
    """How often each promise was told with another due instant than the time before."""
    found = {}
    for key, told_of in promised.items():
        dues = [due for _, due in sorted(told_of.items())]
        found[key] = sum(one != other for one, other in pairwise(dues))
    return found


def derived(fact: ContactFact, customer: CustomerFact | None, changes: Mapping[str, Any] = _UNCHANGED) -> ContactFact:
    """The changed fact with all that follows from its events; `customer` None keeps what is known of whose it is."""
    log: tuple[Note, ...] = changes.get("log", fact.log)
    update, base = dict(changes), fact.base
    if len(log) > LONGEST_LOG:
        update |= _shortened(log, base)
        log, base = update["log"], update["base"]
    story = fold(log, base)
    in_hours = update.get("in_hours", fact.in_hours)
    known = fact.profile if customer is None else customer.profile_at(story.opened_at)
    dimensions = {**story.dimensions}
    hands = story.now
    given = {
        "team": hands.team,
        "agent": hands.agent,
        "tier": known.tier,
        "policy": update.get("policy", fact.policy),
        "outcome": story.outcome,
        "direction": None if story.opened_at is None else "outbound" if story.outbound else "inbound",
    }
    dimensions |= {name: value for name, value in given.items() if value is not None}
    update |= {
        "profile": known,
        "status": story.status,
        "opened_at": story.opened_at,
        "dimensions": dimensions,
        "visit": visit_of(story),
        "marks": (
            *hours_marks(story, in_hours[1] if in_hours else None),
            *marks_of(
                story,
                update.get("runs", fact.runs),
                update.get("answers", fact.answers),
                update.get("reviews", fact.reviews).values(),
                _moves(update.get("promised", fact.promised)),
                known.language or dimensions.get("language"),
            ),
            *followup_marks(update.get("followups", fact.followups).values()),
            *sent_marks(update.get("surveys", fact.surveys), story),
        ),
    }
    return fact.but(**update)


def _shortened(log: tuple[Note, ...], base: Story | None) -> dict[str, Any]:
    """The older half of an overlong log folded for good, and what remains of it."""
    half = len(log) // 2
    return {"base": fold(log[:half], base).by_the_hour(), "cut": log[half].order, "log": log[half:]}


def recounted(new: ContactFact, old: ContactFact | None) -> tuple[Counted, ...]:
    """What to add to the hourly rows so that they hold `new` where they held `old`."""
    return difference(_counting(new), _counting(old))


def _counting(fact: ContactFact | None) -> Counting:
    """What the fact has in the hourly rows; those of staff, tests and partners have nothing there."""
    if fact is None or fact.profile.audience != "customer":
        return NOTHING
    return Counting(fact.marks, fact.dimensions.get("channel"))
