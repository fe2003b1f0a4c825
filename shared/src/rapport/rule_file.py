"""A file of rules in YAML: read with the place of everything in it, or refused with line, column, path and reason."""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import yaml

from rapport.contracts.vocabulary import meant

Path = tuple[str | int, ...]


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing that is wrong, and where; line and column count from 1."""

    path: str
    reason: str
    line: int
    column: int

    def __str__(self) -> str:
        return f"line {self.line}, column {self.column}: {self.path or 'the file'}: {self.reason}"


class Refused(ValueError):
    """The file can't be read or contradicts itself. `faults` are in the order of the text, each once."""

    def __init__(self, faults: Iterable[Fault]) -> None:
        self.faults = tuple(sorted(dict.fromkeys(faults), key=lambda fault: (fault.line, fault.column)))
        super().__init__("; ".join(map(str, self.faults)))


@dataclass(frozen=True, slots=True)
class Document:
    """What a text says, where it says it, and what it gives twice."""

    value: Any
    node: yaml.Node | None
    twice: tuple[Fault, ...]

    def fault(self, path: Path, reason: str) -> Fault:
        """A fault at the deepest node that the path leads to; steps that only our models have are skipped."""
        node = self.node
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

    def faults(self, errors: Iterable[Any], schema: Mapping[str, Any]) -> list[Fault]:
        """The faults that a model found, of which `schema` is the JSON Schema."""
        return [self.fault(error["loc"], _reason(error, schema)) for error in errors]


def read_document(text: str) -> Document:
    """The text as nodes and as values; `Refused` where it is no YAML."""
    try:
        loader = _Loader(text)
        node = loader.get_single_node()
        if node is None:
            return Document(None, None, ())
        return Document(loader.construct_document(node), node, tuple(_given_twice(node, (), set())))
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark
        line, column = (mark.line + 1, mark.column + 1) if mark else (1, 1)
        raise Refused([Fault("", error.problem or "is no YAML", line, column)]) from None
    except yaml.reader.ReaderError as error:
        before = text[: error.position]
        line, column = before.count("\n") + 1, error.position - before.rfind("\n")
        raise Refused([Fault("", f"the character {text[error.position]!r} is not allowed", line, column)]) from None
    except RecursionError:
        raise Refused([Fault("", "is nested too deep", 1, 1)]) from None


def keys_at(schema: Mapping[str, Any], path: Path) -> frozenset[str]:
    """The keys that are known at a place of a file with this JSON Schema; none where any will do."""
    found = [schema]
    for step in path:
        if not (below := [inner for one in found for inner in _below(schema, one, step)]):
            continue  # a step that only our models have
        found = below
    return frozenset(key for one in found for form in _forms(schema, one) for key in form.get("properties", ()))


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
    ("bool", r"true|True|TRUE|false|False|FALSE", "tTfF"),
    ("int", r"-?(0|[1-9]\d*)", "-0123456789"),
    ("float", r"-?\d+\.\d+", "-0123456789"),
    ("timestamp", r"\d{4}-\d\d-\d\d", "0123456789"),
):
    _Loader.add_implicit_resolver(f"tag:yaml.org,2002:{_tag}", re.compile(rf"^(?:{_pattern})$"), list(_first))
_Loader.add_implicit_resolver("tag:yaml.org,2002:null", re.compile(r"^$"), [""])


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


def _reason(fault: Any, schema: Mapping[str, Any]) -> str:
    if fault["type"] == "extra_forbidden":
        *parent, key = fault["loc"]
        return f"is no key that is known here{meant(str(key), keys_at(schema, tuple(parent)))}"
    if fault["type"] == "literal_error":
        words = [word.strip("'") for word in re.split(", | or ", fault["msg"].partition("be ")[2])]
        return f"{fault['input']!r} is none of {', '.join(words)}{meant(str(fault['input']), words)}"
    return said(fault)


def said(fault: Any) -> str:
    """What a model says is wrong, without the name that the model has in our code."""
    if fault["type"] == "model_type":
        return "must be a mapping of keys to values"
    return str(fault["msg"]).removeprefix("Value error, ")


def _below(schema: Mapping[str, Any], part: Mapping[str, Any], step: str | int) -> Iterator[Mapping[str, Any]]:
    for one in _forms(schema, part):
        if isinstance(step, int):
            inner = one.get("items")
        else:
            inner = one.get("properties", {}).get(step, one.get("additionalProperties"))
        if isinstance(inner, dict):
            yield inner


def _forms(schema: Mapping[str, Any], part: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """All that a part of a schema allows, references followed."""
    if "$ref" in part:
        yield from _forms(schema, schema["$defs"][part["$ref"].rsplit("/", 1)[1]])
    for one in part.get("anyOf", ()):
        yield from _forms(schema, one)
    yield part
