"""What facts keep of events and of figures, stored as it is here: a log's notes, marks, answers, reviews."""

from typing import Any, NamedTuple

from rapport.contracts.fields import SurveyKind


class Note(NamedTuple):
    """One event in the log. The first five fields are its `natural_order`, so notes sort as they are to be folded."""

    millis: int
    number: int
    text: str
    rank: int
    name: str
    type: str
    what: dict[str, Any]

    @property
    def order(self) -> tuple[int, int, str, int, str]:
        return self[:5]


class Mark(NamedTuple):
    """Figures that a contact adds to one measure at one instant, and whose they are."""

    measure: str
    at: int
    agent: str | None
    team: str | None
    part: str | None
    """Of sla the target, of a survey its context."""
    figures: dict[str, int]


class Answer(NamedTuple):
    """The standing answer to one survey; the newest wins."""

    at: int
    number: int
    name: str
    survey: SurveyKind
    score: int
    context: str


class Review(NamedTuple):
    """How well a contact was handled, in parts of `WHOLE`, and who had handled it, if that was said."""

    at: int
    agent: str | None
    value: int
