"""A policy file read from its YAML, or refused whole with line, column, path and reason."""

from collections.abc import Iterable
from typing import Any

from pydantic import ValidationError
from rapport.rule_file import Document, Fault, Path, Refused, read_document

from sla_monitor.domain.policy import PolicyFile
from sla_monitor.domain.policy_checks import Names, cautions, contradictions
from sla_monitor.domain.policy_schema import policy_schema


class PolicyRefused(Refused):
    """The file can't be read or contradicts itself; the policy in force stays."""


def read_policy(text: str) -> PolicyFile:
    """The policy in a YAML text; `PolicyRefused` names all that is wrong with it, in the order of the text."""
    document = _parse(text)
    faults = list(document.twice)
    parts = document.value if isinstance(document.value, dict) else {}
    try:
        file = PolicyFile.model_validate(document.value if document.value is not None else {})
    except ValidationError as error:
        wrong = error.errors(include_url=False, include_context=False)
        faults += document.faults(wrong, policy_schema())
        sound = _what_is_sound(parts, [fault["loc"] for fault in wrong])
        if sound is None:
            raise PolicyRefused(faults) from None
        file, places = sound
    else:
        places = list(range(len(file.policies)))
    faults += [document.fault(path, reason) for path, reason in contradictions(file, Names.of(parts), places)]
    if faults:
        raise PolicyRefused(faults)
    return file


def says_nothing(text: str) -> bool:
    """Whether there is no document in a YAML text, as in a file that somebody is just writing."""
    return _parse(text).value is None


def cautions_of(text: str, file: PolicyFile) -> list[Fault]:
    """What in a sound file is probably not meant, and where."""
    document = _parse(text)
    return [document.fault(path, reason) for path, reason in cautions(file)]


def faults_at(text: str, wrong: Iterable[tuple[Path, str]]) -> PolicyRefused:
    """The refusal of a file that reads well but can't be carried out, because of what stands at these paths."""
    document = _parse(text)
    return PolicyRefused(document.fault(path, reason) for path, reason in wrong)


def _what_is_sound(document: dict[str, Any], wrong: list[Path]) -> tuple[PolicyFile, list[int]] | None:
    """A document without what is wrong in it, and the places of its policies, so that the rest is looked at, too."""
    for depth in (3, 2):
        bad = {path[:depth] for path in wrong}
        left, places = _without(document, bad)
        try:
            return PolicyFile.model_validate(left), places
        except ValidationError:
            continue
    return None


def _without(document: dict[str, Any], bad: set[Path]) -> tuple[dict[str, Any], list[int]]:
    left: dict[str, Any] = {}
    places: list[int] = []
    for part, entries in document.items():
        if (part,) in bad:
            continue
        if isinstance(entries, dict):
            left[part] = {name: _less(entry, (part, name), bad) for name, entry in entries.items()}
            left[part] = {name: entry for name, entry in left[part].items() if (part, name) not in bad}
        elif isinstance(entries, list):
            kept = [at for at in range(len(entries)) if (part, at) not in bad]
            left[part] = [_less(entries[at], (part, at), bad) for at in kept]
            places = kept if part == "policies" else places
        else:
            left[part] = entries
    return left, places


def _less(entry: Any, path: Path, bad: set[Path]) -> Any:
    return {key: value for key, value in entry.items() if (*path, key) not in bad} if isinstance(entry, dict) else entry


def _parse(text: str) -> Document:
    try:
        return read_document(text)
    except Refused as error:
        raise PolicyRefused(error.faults) from None
