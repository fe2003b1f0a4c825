"""Reports that are made of whole histories of customers, when they are asked for."""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from typing import Final

from metrics.domain import again, presence, sales
from metrics.domain.deadlines import millis
from metrics.domain.history import Chapter, History, Told, of_contact, of_customer
from metrics.domain.kept import Mark
from metrics.domain.measures import Limits
from metrics.domain.periods import periods_between
from metrics.domain.question import Question
from metrics.domain.surveys import SENT, settled

Teller = Callable[[History], Iterator[Told]]
"""What one history adds to a report."""


def teller(question: Question, limits: Limits) -> Teller:
    """What tells of each history what counts in a report that needs it whole."""
    makes = _MAKES[question.measure.name](question, limits)

    def tell(history: History) -> Iterator[Told]:
        for told in makes(history):
            is_asked = "audience" in question.dimensions or told.about.get("audience") == "customer"
            if is_asked and question.admits(told.at, told.fields):
                yield told

    return tell


def _presence(question: Question, limits: Limits) -> Callable[[History], Iterable[Told]]:
    assert question.since is not None  # noqa: S101 - a question over periods has a beginning
    until = min(question.until or limits.now, limits.now)
    ends = periods_between(question.since, until, question.granularity, question.zone, question.week_start)
    periods = [(millis(since), millis(end)) for since, end in ends]
    inactive_after, now = int(limits.inactive_after.total_seconds() * 1000), millis(limits.now)
    watch = presence.Watch(question.measure.name, periods, inactive_after, now, question.zone)
    return watch.changes


def _surveys(_: Question, limits: Limits) -> Callable[[History], Iterable[Told]]:
    """A survey that was about a contact stands under what that is, another under who was asked."""
    now = millis(limits.now)

    def tell(history: History) -> Iterator[Told]:
        customer = history.customer
        sent: list[tuple[str, Mark, Chapter | None]] = [
            (name, mark, chapter)
            for chapter in history.chapters
            for name, mark in zip(chapter.surveys, _sent(chapter.marks), strict=True)
        ]
        sent += [(name, mark, None) for name, mark in zip(customer.surveys, _sent(customer.marks), strict=True)]
        answered = {*customer.answers, *(name for chapter in history.chapters for name in chapter.answers)}
        for mark, chapter in settled(sent, answered, customer.bounces.values(), now):
            yield of_customer(customer, mark) if chapter is None else of_contact(chapter, mark)

    return tell


def _sent(marks: Iterable[Mark]) -> list[Mark]:
    """One for each survey, in their order."""
    return [mark for mark in marks if mark.measure == SENT]


def _values(question: Question, limits: Limits) -> Callable[[History], Iterable[Told]]:
    until = millis(min(question.until or limits.now, limits.now))
    return lambda history: sales.lifetime_values(history, until)


_MAKES: Final[Mapping[str, Callable[[Question, Limits], Callable[[History], Iterable[Told]]]]] = {
    "fcr": lambda _, limits: lambda history: again.first_contact_resolutions(history, millis(limits.now)),
    "repeat_contacts": lambda _, __: again.repeat_contacts,
    "continuity": lambda _, __: again.continuity,
    "after_sale": lambda _, limits: lambda history: sales.after_sales(history, millis(limits.now)),
    "cltv": _values,
    "retention": _presence,
    "churn": _presence,
    SENT: _surveys,
}

MARKS_OF: Final[Mapping[str, Collection[str]]] = {
    SENT: (SENT,),
    "retention": presence.HEARD,
    "churn": presence.HEARD,
}
"""By measure the marks of contacts that it is made of."""
