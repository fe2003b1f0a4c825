"""A policy file read from its YAML, or refused whole with line, column, path and reason."""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import yaml
from pydantic import ValidationError

from sla_monitor.domain.policy import PolicyFile
from sla_monitor.domain.policy_checks import Names, Path, cautions, contradictions
from sla_monitor.domain.policy_fields import meant
from sla_monitor.domain.policy_schema import keys_at


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing that is wrong, and where; line and column count from 1."""

    path: str
    reason: str
    line: int
    column: int

    def __str__(self) -> str:
        return f"line {self.line}, column {self.column}: {self.path or 'the file'}: {self.reason}"


class PolicyRefused(ValueError):
    """The file can't be read or contradicts itself; the policy in force stays."""

    def __init__(self, faults: Iterable[Fault]) -> None:
        self.faults = tuple(faults)
        super().__init__("; ".join(map(str, self.faults)))


class _Loader(yaml.SafeLoader):
    """YAML whose plain words mean what they look like: 15:00 is a text, `no` is Norway, and no key comes twice."""

    def construct_object(self, node: yaml.Node, deep: bool = False) -> Any:  # noqa: FBT001, FBT002 - as PyYAML calls it
        try:
            return super().construct_object(node, deep)
        except ValueError as error:  # such as 30 February
            raise yaml.constructor.ConstructorError(
                None, None, f"{str(node.value)[:50]!r}: {error}", node.start_mark
            ) from None


_Loader.yaml_implicit_resolvers = {}
for _tag, _pattern, _first in (
    ("null", r"~|null|", "~n\0"),
    ("bool", r"true|false", "tf"),
    ("int", r"-?(0|[1-9]\d*)", "-0123456789"),
    ("float", r"-?\d+\.\d+", "-0123456789"),
    ("timestamp", r"\d{4}-\d\d-\d\d", "0123456789"),
):
    _Loader.add_implicit_resolver(f"tag:yaml.org,2002:{_tag}", re.compile(rf"^(?:{_pattern})$"), list(_first))
_Loader.add_implicit_resolver("tag:yaml.org,2002:null", re.compile(r"^$"), [""])


def read_policy(text: str) -> PolicyFile:
    """The policy in a YAML text; `PolicyRefused` names all that is wrong with it, in the order of the text."""
    node, document, faults = _parse(text)
    parts = document if isinstance(document, dict) else {}
    try:
        file = PolicyFile.model_validate(document if document is not None else {})
    except ValidationError as error:
        wrong = error.errors(include_url=False, include_context=False)
        faults += [_fault(node, fault["loc"], _reason(fault)) for fault in wrong]
        sound = _what_is_sound(parts, [fault["loc"] for fault in wrong])
        if sound is None:
            raise _refused(faults) from None
        file, places = sound
    else:
        places = list(range(len(file.policies)))
    names = Names.of(document if isinstance(document, dict) else {})
    faults += [_fault(node, path, reason) for path, reason in contradictions(file, names, places)]
    if faults:
        raise _refused(faults)
    return file


def cautions_of(text: str, file: PolicyFile) -> list[Fault]:
    """What in a sound file is probably not meant, and where."""
    node, _, _ = _parse(text)
    return [_fault(node, path, reason) for path, reason in cautions(file)]


def faults_at(text: str, wrong: Iterable[tuple[Path, str]]) -> PolicyRefused:
    """The refusal of a file that reads well but can't be carried out, because of what stands at these paths."""
    node, _, _ = _parse(text)
    return _refused([_fault(node, path, reason) for path, reason in wrong])


def _refused(faults: Iterable[Fault]) -> PolicyRefused:
    return PolicyRefused(sorted(dict.fromkeys(faults), key=lambda fault: (fault.line, fault.column)))


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


def _parse(text: str) -> tuple[yaml.Node | None, Any, list[Fault]]:
    """The text as nodes and as values, and what is given twice in it."""
    try:
        loader = _Loader(text)
        node = loader.get_single_node()
        if node is None:
            return None, None, []
        return node, loader.construct_document(node), list(_given_twice(node, (), set()))
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark
        line, column = (mark.line + 1, mark.column + 1) if mark else (1, 1)
        raise PolicyRefused([Fault("", error.problem or "is no YAML", line, column)]) from None
    except yaml.reader.ReaderError as error:
        before = text[: error.position]
        line, column = before.count("\n") + 1, error.position - before.rfind("\n")
        raise PolicyRefused(
            [Fault("", f"the character {text[error.position]!r} is not allowed", line, column)]
        ) from None
    except RecursionError:
        raise PolicyRefused([Fault("", "is nested too deep", 1, 1)]) from None


def _given_twice(node: yaml.Node, path: Path, seen_nodes: set[int]) -> Iterator[Fault]:
    """Each node once, however often aliases lead to it, or back to where they came from."""
    if id(node) in seen_nodes:
        return
    seen_nodes.add(id(node))
    if isinstance(node, yaml.MappingNode):
        seen: set[str] = set()
        for key, value in node.value:
            if key.value in seen:
                mark = key.start_mark
                yield Fault(_dotted((*path, key.value)), "is given twice", mark.line + 1, mark.column + 1)
            seen.add(key.value)
            yield from _given_twice(value, (*path, key.value), seen_nodes)
    elif isinstance(node, yaml.SequenceNode):
        for at, value in enumerate(node.value):
            yield from _given_twice(value, (*path, at), seen_nodes)


def _fault(node: yaml.Node | None, path: Path, reason: str) -> Fault:
    """A fault at the deepest node that the path leads to; steps that only our models have are skipped."""
    taken: list[str | int] = []
    mark = node.start_mark if node else None
    for step in path:
        found = _child(node, step)
        if found is None:
            if step == path[-1] and isinstance(node, yaml.MappingNode) and not str(step).startswith("["):
                taken.append(step)
            continue
        node, mark = found
        taken.append(step)
    line, column = (mark.line + 1, mark.column + 1) if mark else (1, 1)
    return Fault(_dotted(taken), reason, line, column)


def _child(node: yaml.Node | None, step: str | int) -> tuple[yaml.Node, Any] | None:
    if isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            if key.value == str(step):
                return value, key.start_mark
    if isinstance(node, yaml.SequenceNode) and isinstance(step, int) and step < len(node.value):
        return node.value[step], node.value[step].start_mark
    return None


def _dotted(path: Iterable[str | int]) -> str:
    text = ""
    for step in path:
        text += f"[{step}]" if isinstance(step, int) else f".{step}" if text else step
    return text


def _reason(fault: Any) -> str:
    if fault["type"] == "extra_forbidden":
        *parent, key = fault["loc"]
        return f"is no key that is known here{meant(str(key), keys_at(tuple(parent)))}"
    if fault["type"] == "literal_error":
        words = [word.strip("'") for word in re.split(", | or ", fault["msg"].partition("be ")[2])]
        return f"{fault['input']!r} is none of {', '.join(words)}{meant(str(fault['input']), words)}"
    return str(fault["msg"]).removeprefix("Value error, ")
