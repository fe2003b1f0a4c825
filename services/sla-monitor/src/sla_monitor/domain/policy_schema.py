"""The policy file's JSON Schema (draft 2020-12), made of the models that read it, so that editors complete it."""

from collections.abc import Iterator
from functools import cache
from typing import Any

from sla_monitor.domain.policy import PolicyFile

DIALECT = "https://json-schema.org/draft/2020-12/schema"


@cache
def policy_schema() -> dict[str, Any]:
    """The schema of a whole file. What it can't say (names that must exist, hours that overlap) `publish` checks."""
    schema = PolicyFile.model_json_schema(mode="validation")
    return {"$schema": DIALECT, **schema, "title": "Rapport's policy file"}


def keys_at(path: tuple[str | int, ...]) -> frozenset[str]:
    """The keys that are known at a place of the file; none where any will do."""
    found = [policy_schema()]
    for step in path:
        if not (below := [inner for schema in found for inner in _below(schema, step)]):
            continue  # a step that only our models have
        found = below
    return frozenset(key for schema in found for one in _forms(schema) for key in one.get("properties", ()))


def _below(schema: dict[str, Any], step: str | int) -> Iterator[dict[str, Any]]:
    for one in _forms(schema):
        if isinstance(step, int):
            inner = one.get("items")
        else:
            inner = one.get("properties", {}).get(step, one.get("additionalProperties"))
        if isinstance(inner, dict):
            yield inner


def _forms(schema: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """All that a schema allows, references followed."""
    if "$ref" in schema:
        yield from _forms(policy_schema()["$defs"][schema["$ref"].rsplit("/", 1)[1]])
    for one in schema.get("anyOf", ()):
        yield from _forms(one)
    yield schema
