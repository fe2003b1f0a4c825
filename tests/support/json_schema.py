"""As much of JSON Schema (2020-12) as the schema of the policy file uses; a keyword beyond that is an error."""

import re
from collections.abc import Iterator
from datetime import date
from typing import Any

_SAYS_NOTHING = {"$schema", "$defs", "title", "description", "default", "examples"}
_KINDS: dict[str, type | tuple[type, ...]] = {
    "object": dict,
    "array": list,
    "string": str,
    "boolean": bool,
    "integer": int,
    "number": (int, float),
    "null": type(None),
}


def wrong(value: Any, schema: dict[str, Any], whole: dict[str, Any] | None = None, at: str = "") -> list[str]:
    """Where a value is not what the schema says; empty where it is."""
    whole = whole or schema
    return [fault for word, said in schema.items() for fault in _by(word, said, value, schema, whole, at)]


def _by(  # noqa: C901, PLR0912 - one branch for each keyword
    word: str, said: Any, value: Any, schema: dict[str, Any], whole: dict[str, Any], at: str
) -> Iterator[str]:
    match word:
        case _ if word in _SAYS_NOTHING:
            return
        case "$ref":
            yield from wrong(value, whole["$defs"][said.rsplit("/", 1)[1]], whole, at)
        case "anyOf":
            tried = [wrong(value, one, whole, at) for one in said]
            if all(tried):
                yield f"{at}: none of: " + " | ".join("; ".join(faults) for faults in tried)
        case "type":
            kinds = [said] if isinstance(said, str) else said
            if not any(isinstance(value, _KINDS[kind]) and _is(kind, value) for kind in kinds):
                yield f"{at}: {value!r} is no {said}"
        case "enum" | "const":
            if value not in (said if word == "enum" else [said]):
                yield f"{at}: {value!r} is not {said}"
        case "pattern":
            if isinstance(value, str) and not re.search(said, value):
                yield f"{at}: {value!r} is not like {said}"
        case "format":
            assert said == "date"
            try:
                date.fromisoformat(str(value))
            except ValueError:
                yield f"{at}: {value!r} is no date"
        case "minimum":
            if isinstance(value, int | float) and value < said:
                yield f"{at}: {value} < {said}"
        case "minLength" | "maxLength" | "minItems":
            if isinstance(value, str | list) and (len(value) > said if word == "maxLength" else len(value) < said):
                yield f"{at}: {word} {said}"
        case "required":
            if isinstance(value, dict):
                yield from (f"{at}: {name} is missing" for name in said if name not in value)
        case "items":
            for place, item in enumerate(value if isinstance(value, list) else ()):
                yield from wrong(item, said, whole, f"{at}/{place}")
        case "properties" | "patternProperties" | "additionalProperties":
            yield from _members(word, said, value, schema, whole, at)
        case _:
            raise AssertionError(f"{word} is not understood here")


def _is(kind: str, value: Any) -> bool:
    return kind == "boolean" or not isinstance(value, bool)


def _members(word: str, said: Any, value: Any, schema: dict[str, Any], whole: dict[str, Any], at: str) -> Iterator[str]:
    for name, inner in value.items() if isinstance(value, dict) else ():
        matching = [p for p in schema.get("patternProperties", {}) if re.search(p, name)]
        if word == "properties" and name in said:
            yield from wrong(inner, said[name], whole, f"{at}/{name}")
        elif word == "patternProperties":
            for pattern in matching:
                yield from wrong(inner, said[pattern], whole, f"{at}/{name}")
        elif word == "additionalProperties" and name not in schema.get("properties", {}) and not matching:
            yield from [f"{at}: {name} is unknown"] if said is False else wrong(inner, said, whole, f"{at}/{name}")
