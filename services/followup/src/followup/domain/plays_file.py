"""A plays file read from its YAML, or refused whole with line, column, path and reason."""

from collections.abc import Iterator
from functools import cache
from typing import Any

from pydantic import ValidationError
from rapport.contracts.vocabulary import meant
from rapport.rule_file import Fault, Path, Refused, read_document

from followup.domain.match_words import wrong_field, wrong_value
from followup.domain.plays import Play, Plays

_MOST_BYTES = 1 << 20


class WrongPlays(Refused):
    """The file can't be used; says where and why."""


def parse_plays(text: str) -> Plays:
    """The plays of a YAML text; `WrongPlays` names line, column, path and reason of all that is wrong."""
    if len(text.encode()) > _MOST_BYTES:
        raise WrongPlays([Fault("", "is larger than 1 MiB", 1, 1)])
    try:
        document = read_document(text)
    except Refused as error:
        raise WrongPlays(error.faults) from None
    if not isinstance(document.value, dict):
        raise WrongPlays([document.fault((), "must be a mapping with plays, budget, quiet and so on")])
    try:
        plays = Plays.model_validate(document.value)
    except ValidationError as error:
        wrong = error.errors(include_url=False, include_context=False)
        raise WrongPlays([*document.twice, *document.faults(wrong, _schema())]) from None
    if faults := [*document.twice, *(document.fault(path, reason) for path, reason in _contradictions(plays))]:
        raise WrongPlays(faults)
    return plays


def _contradictions(plays: Plays) -> Iterator[tuple[Path, str]]:
    seen: set[str] = set()
    for at, play in enumerate(plays.plays):
        if play.name in seen:
            yield ("plays", at, "name"), f"two plays are called {play.name!r}"
        seen.add(play.name)
        yield from _of_match(("plays", at, "on", "match"), play)
        for number, step in enumerate(play.steps):
            if plays.senders and step.do != "check_in" and step.sender not in plays.senders:
                reason = f"no sender is called {step.sender!r}{meant(step.sender, plays.senders)}"
                yield ("plays", at, "steps", number, "sender"), reason


def _of_match(here: Path, play: Play) -> Iterator[tuple[Path, str]]:
    for field, wanted in play.on.match.items():
        if wrong := wrong_field(field, play.on):
            yield (*here, field), wrong
            continue
        for value in wanted if isinstance(wanted, list) else [wanted]:
            if wrong := wrong_value(field, value, play.on):
                yield (*here, field), wrong


@cache
def _schema() -> dict[str, Any]:
    return Plays.model_json_schema()
