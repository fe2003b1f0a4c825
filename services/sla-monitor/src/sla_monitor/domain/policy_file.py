"""A policy file read from its YAML, or refused whole with line, column, path and reason."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import yaml
from pydantic import ValidationError

from sla_monitor.domain.policy import Path, PolicyFile, contradictions


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
    """The policy in a YAML text; `PolicyRefused` names all that is wrong with it."""
    node, document = _parse(text)
    try:
        file = PolicyFile.model_validate(document if document is not None else {})
    except ValidationError as error:
        raise PolicyRefused(
            _fault(node, fault["loc"], _reason(fault))
            for fault in error.errors(include_url=False, include_context=False)
        ) from None
    wrong = contradictions(file)
    if wrong:
        raise PolicyRefused(_fault(node, path, reason) for path, reason in wrong)
    return file


def fault_at(text: str, path: Path, reason: str) -> PolicyRefused:
    """The refusal of a file that reads well but can't be carried out, because of what stands at `path`."""
    return PolicyRefused([_fault(_parse(text)[0], path, reason)])


def _parse(text: str) -> tuple[yaml.Node | None, Any]:
    loader = _Loader(text)
    try:
        node = loader.get_single_node()
        if node is not None:
            _refuse_twice(node, ())
        return node, loader.construct_document(node) if node is not None else None
    except PolicyRefused:
        raise
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark
        line, column = (mark.line + 1, mark.column + 1) if mark else (1, 1)
        raise PolicyRefused([Fault("", error.problem or "is no YAML", line, column)]) from None
    except (yaml.YAMLError, ValueError) as error:
        raise PolicyRefused([Fault("", str(error), 1, 1)]) from None
    finally:
        loader.dispose()


def _refuse_twice(node: yaml.Node, path: Path) -> None:
    if isinstance(node, yaml.MappingNode):
        seen: set[str] = set()
        for key, value in node.value:
            if key.value in seen:
                mark = key.start_mark
                raise PolicyRefused(
                    [Fault(_dotted((*path, key.value)), "is given twice", mark.line + 1, mark.column + 1)]
                )
            seen.add(key.value)
            _refuse_twice(value, (*path, key.value))
    elif isinstance(node, yaml.SequenceNode):
        for at, value in enumerate(node.value):
            _refuse_twice(value, (*path, at))


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
        return "is no key that is known here"
    return str(fault["msg"]).removeprefix("Value error, ")
