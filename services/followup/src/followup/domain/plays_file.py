"""A plays file read from its YAML, or refused whole with line, column, path and reason."""

from collections.abc import Iterator
from functools import cache
from typing import Any

from pydantic import ValidationError
from rapport.contracts.vocabulary import meant
from rapport.rule_file import Document, Fault, Path, Refused, read_document

from followup.domain.addresses import mailbox
from followup.domain.match_words import wrong_field, wrong_value
from followup.domain.plays import TEXT_CHANNELS, Play, Plays, Sender, Step

_MOST_BYTES = 1 << 20


class WrongPlays(Refused):
    """The file can't be used; says where and why."""


def parse_plays(text: str) -> Plays:
    """The plays of a YAML text; `WrongPlays` names line, column, path and reason of all that is wrong."""
    document, plays = _read(text)
    if faults := [*document.twice, *(document.fault(path, reason) for path, reason in _contradictions(plays))]:
        raise WrongPlays(faults)
    return plays


def kept_plays(text: str) -> Plays:
    """
    The plays of a text that was taken once, when less was refused; `WrongPlays` for what can't be understood at all.

    What contradicts itself in it fits nothing, or is sent by nobody.
    """
    return _read(text)[1]


def _read(text: str) -> tuple[Document, Plays]:
    if len(text.encode()) > _MOST_BYTES:
        raise WrongPlays([Fault("", "is larger than 1 MiB", 1, 1)])
    try:
        document = read_document(text)
    except Refused as error:
        raise WrongPlays(error.faults) from None
    if not isinstance(document.value, dict):
        raise WrongPlays([document.fault((), "must be a mapping with plays, budget, quiet and so on")])
    try:
        return document, Plays.model_validate(document.value)
    except ValidationError as error:
        wrong = error.errors(include_url=False, include_context=False)
        raise WrongPlays([*document.twice, *document.faults(wrong, _schema())]) from None


def _contradictions(plays: Plays) -> Iterator[tuple[Path, str]]:
    for name, sender in plays.senders.items():
        yield from _of_kind(("senders", name), name, sender)
    seen: set[str] = set()
    for at, play in enumerate(plays.plays):
        if play.name in seen:
            yield ("plays", at, "name"), f"two plays are called {play.name!r}"
        seen.add(play.name)
        yield from _of_match(("plays", at, "on", "match"), play)
        for number, step in enumerate(play.steps):
            if plays.senders and step.do != "check_in":
                yield from _of_sender(("plays", at, "steps", number), step, plays)


def _of_kind(here: Path, name: str, sender: Sender) -> Iterator[tuple[Path, str]]:
    """Who writes texts is called as the channel is, and has no address of mail."""
    texts = ", ".join(TEXT_CHANNELS)
    if sender.from_ is None and name not in TEXT_CHANNELS:
        yield here, f"a sender of mails needs `from`; one of texts is called as its channel is: {texts}"
    for key, value in (("from", sender.from_), ("reply_to", sender.reply_to)):
        if value is None:
            continue
        if name in TEXT_CHANNELS:
            yield (*here, key), f"a sender that is called {name} writes texts and has no such address"
            continue
        try:
            mailbox(value)
        except ValueError as error:
            yield (*here, key), str(error)


def _of_sender(here: Path, step: Step, plays: Plays) -> Iterator[tuple[Path, str]]:
    if step.via in TEXT_CHANNELS:
        if step.via not in plays.senders:
            yield (*here, "via"), f"no sender is called {step.via!r}"
    elif step.sender in TEXT_CHANNELS:
        yield (*here, "sender"), f"{step.sender} writes texts: ask for them by via: {step.sender}"
    elif step.sender not in plays.senders:
        yield (*here, "sender"), f"no sender is called {step.sender!r}{meant(step.sender, plays.senders)}"


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
