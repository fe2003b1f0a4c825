"""A customer's contacts side by side: what figures need that no single contact tells."""

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any, Final, NamedTuple

from metrics.domain.deadlines import millis
from metrics.domain.kept import Mark
from metrics.domain.states import DIMENSIONS, ContactFact, CustomerFact, instant
from metrics.domain.story import NO_REAL_CONTACT
from metrics.domain.visit import Visit

ABOUT: Final = (*DIMENSIONS, "audience")


class Chapter(NamedTuple):
    """One contact in its customer's history; `about` holds its dimensions, `marks` what it adds to the measure."""

    id: str
    opened_at: int
    """0 where it never was: others have spoken of it."""
    status: str
    about: Mapping[str, str]
    visit: Visit
    marks: tuple[Mark, ...] = ()
    surveys: tuple[str, ...] = ()
    """Those that were sent about it, as far as that was asked for, and `answers` those that were answered."""
    answers: frozenset[str] = frozenset()

    @property
    def is_inbound(self) -> bool:
        return self.about.get("direction") == "inbound"

    @property
    def is_real(self) -> bool:
        """Whether the customer wanted something: neither spam nor what came twice."""
        return self.is_inbound and not self.is_noise

    @property
    def is_noise(self) -> bool:
        """Whether nobody is heard in it: spam, or what came twice."""
        return self.about.get("outcome") in NO_REAL_CONTACT


class History(NamedTuple):
    """A customer and their contacts, in the order in which these were opened."""

    customer: CustomerFact
    chapters: tuple[Chapter, ...] = ()


class Told(NamedTuple):
    """What a history adds to a measure, under which dimensions; `chapter` is the contact that it is about, if any."""

    mark: Mark
    about: Mapping[str, Any]
    chapter: Chapter | None = None

    @property
    def at(self) -> datetime:
        return instant(self.mark.at)

    @property
    def fields(self) -> dict[str, Any]:
        own = {"agent": self.mark.agent, "team": self.mark.team, "part": self.mark.part}
        return {**self.about, **own}


def of_contact(chapter: Chapter, mark: Mark) -> Told:
    return Told(mark, chapter.about, chapter)


def of_customer(customer: CustomerFact, mark: Mark) -> Told:
    """What is the customer's, and no contact's: under the tier of then."""
    about = {"tier": customer.tier_at(mark.at), "audience": customer.audience}
    return Told(mark, about | ({"language": customer.language[1]} if customer.language else {}))


def chapter_of(document: Mapping[str, Any]) -> Chapter:
    """A contact out of the fields that its fact is found by (`ContactFact.index`, with `_id`), and all of it in `s`."""
    opened = document.get("opened_at")
    fact = ContactFact.restored(document["s"]) if "s" in document else None
    return Chapter(
        document["_id"],
        millis(opened) if opened else 0,
        document["status"],
        {name: document[name] for name in ABOUT if document.get(name) is not None},
        Visit.of(document.get("visit", {})),
        tuple(_mark(mark) for mark in document.get("marks", ())),
        tuple(fact.surveys) if fact else (),
        frozenset(fact.answers) if fact else frozenset(),
    )


def chapter_of_fact(fact: ContactFact) -> Chapter:
    """The same of a fact that is at hand, with the surveys about it."""
    chapter = chapter_of({"_id": fact.id, **fact.index()})
    return chapter._replace(surveys=tuple(fact.surveys), answers=frozenset(fact.answers))


def _mark(found: Mapping[str, Any]) -> Mark:
    agent, team, part = (found.get(name) for name in ("agent", "team", "part"))
    return Mark(found["measure"], millis(found["at"]), agent, team, part, found["figures"])


def in_order(chapters: Iterable[Chapter]) -> tuple[Chapter, ...]:
    return tuple(sorted(chapters, key=lambda chapter: (chapter.opened_at, chapter.id)))
