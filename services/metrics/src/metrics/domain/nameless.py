"""Facts of an erased customer under another name: what was counted stays, and no name in them is theirs."""

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any, Final

from rapport.contracts.envelope import OrderKey

from metrics.domain.customer import marked
from metrics.domain.kept import Answer, Note
from metrics.domain.states import ContactFact, CustomerFact
from metrics.domain.surveys import Survey

Instead = Callable[[str], str]
"""The name of something, or another where it has the customer's id in it."""


def nameless_contact(fact: ContactFact, customer_id: str, contact_id: str, instead: Instead) -> ContactFact:
    """The fact as that of the customer and contact given; what it adds to the figures is as it was."""
    return fact.but(
        id=contact_id,
        customer_id=customer_id,
        named=fact.named and (fact.named[0], _order(fact.named[1], instead)),
        log=tuple(_note(note, instead) for note in fact.log),
        base=fact.base and dataclasses.replace(fact.base, purchase=fact.base.purchase and instead(fact.base.purchase)),
        visit=fact.visit._replace(purchase=fact.visit.purchase and instead(fact.visit.purchase)),
        cut=fact.cut and _order(fact.cut, instead),
        answers=_answers(fact.answers, instead),
        surveys=_surveys(fact.surveys, instead),
        followups={instead(name): one for name, one in fact.followups.items()},
    )


def nameless_customer(fact: CustomerFact, customer_id: str, instead: Instead) -> CustomerFact:
    """The fact as that of the customer given, whose tiers nobody is told of any more; risks without their reasons."""
    return fact.but(
        id=customer_id,
        wake_at=None,
        backfill=False,
        tiers={name: (_order(order, instead), *rest) for name, (order, *rest) in fact.tiers.items()},
        audiences={name: (_order(order, instead), audience) for name, (order, audience) in fact.audiences.items()},
        answers=_answers(fact.answers, instead),
        followups={instead(name): one for name, one in fact.followups.items()},
        surveys=_surveys(fact.surveys, instead),
        language=fact.language and (_order(fact.language[0], instead), fact.language[1]),
        owners={name: (_order(order, instead), owner) for name, (order, owner) in fact.owners.items()},
        lives={name: (_order(order, instead), life) for name, (order, life) in fact.lives.items()},
        purchases={
            instead(name): one._replace(order=_order(one.order, instead)) for name, one in fact.purchases.items()
        },
        returns={name: one._replace(purchase=instead(one.purchase)) for name, one in fact.returns.items()},
        risks={
            cause: one._replace(
                order=_order(one.order, instead), reasons=(), contact_id=one.contact_id and instead(one.contact_id)
            )
            for cause, one in fact.risks.items()
        },
    )


def parted(fact: CustomerFact, until: int) -> tuple[CustomerFact, CustomerFact | None]:
    """
    What was said of a customer up to an instant (milliseconds), and what was said later, if anything was.

    Of what only the newest word is kept, such as the language, that word is all there is to part.
    """
    later: dict[str, Any] = {}
    for field, when in _SAID_AT.items():
        held = getattr(fact, field)
        if some := {name: one for name, one in held.items() if when(one) > until}:
            later[field] = some
    if fact.language is not None and fact.language[0][0] > until:
        later["language"] = fact.language
    if not later:
        return fact, None
    left: dict[str, Any] = {"language": None} if "language" in later else {}
    for field in later.keys() & _SAID_AT.keys():
        left[field] = {name: one for name, one in getattr(fact, field).items() if name not in later[field]}
    return marked(fact.but(**left)), marked(CustomerFact(id=fact.id, partition=fact.partition, **later))


def joined(fact: CustomerFact, other: CustomerFact) -> CustomerFact:
    """The fact with what another one says of the same customer; of each thing the newest word."""
    both: dict[str, Any] = {}
    for field in _SAID_AT:
        held, told = getattr(fact, field), getattr(other, field)
        newest = {name: max(held[name], told[name]) for name in held.keys() & told.keys()}
        both[field] = {**held, **told, **newest}
    language = max((one.language for one in (fact, other) if one.language), default=None, key=lambda one: one[0])
    return marked(fact.but(**both, language=language))


_SAID_AT: Final[Mapping[str, Callable[[Any], int]]] = {
    "tiers": lambda word: word[0][0],
    "audiences": lambda word: word[0][0],
    "owners": lambda word: word[0][0],
    "lives": lambda word: word[0][0],
    "bounces": lambda at: at,
    "surveys": lambda survey: survey.order[0],
    "answers": lambda answer: answer.at,
    "followups": lambda followed: followed.word.millis,
    "purchases": lambda purchase: purchase.order[0],
    "returns": lambda back: back.at,
    "risks": lambda risk: risk.order[0],
}


def _answers(answers: Mapping[str, Answer], instead: Instead) -> dict[str, Answer]:
    return {instead(survey): one._replace(name=_name(one.name, instead)) for survey, one in answers.items()}


def _surveys(surveys: Mapping[str, Survey], instead: Instead) -> dict[str, Survey]:
    return {instead(name): one._replace(order=_order(one.order, instead)) for name, one in surveys.items()}


def _note(note: Note, instead: Instead) -> Note:
    what = note.what
    if purchase := what.get("purchase"):
        what = {**what, "purchase": instead(purchase)}
    return note._replace(name=_name(note.name, instead), what=what)


def _order(order: OrderKey, instead: Instead) -> OrderKey:
    return (*order[:4], _name(order[4], instead))


def _name(name: str, instead: Instead) -> str:
    """Source and id of an event, each of which may be named after the customer."""
    source, blank, event_id = name.partition(" ")
    return f"{instead(source)}{blank}{instead(event_id)}"
