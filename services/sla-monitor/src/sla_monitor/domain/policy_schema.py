"""The policy file's JSON Schema (draft 2020-12), made of the models that read it, so that editors complete it."""

from functools import cache
from typing import Any

from sla_monitor.domain.policy import PolicyFile

DIALECT = "https://json-schema.org/draft/2020-12/schema"


@cache
def policy_schema() -> dict[str, Any]:
    """The schema of a whole file. What it can't say (names that must exist, hours that overlap) `publish` checks."""
    schema = PolicyFile.model_json_schema(mode="validation")
    return {"$schema": DIALECT, **schema, "title": "Rapport's policy file"}
