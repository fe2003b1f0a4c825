"""The fields of contacts and customers that a policy may ask about, and the words that they can say."""

import re
import types
from collections.abc import Iterable
from difflib import get_close_matches
from typing import Any, Final, Literal, Union, get_args, get_origin

from pydantic import BaseModel
from rapport.contracts.contact_events import ContactReceived, CustomerUpdated

CONTACT_FIELDS: Final = frozenset(ContactReceived.model_fields) - {"contact_id", "attributes", "promised_by"}
CUSTOMER_FIELDS: Final = frozenset(CustomerUpdated.model_fields) - {"customer_id"}
PERSONAL: Final = frozenset({"name", "title", "email", "phone"})
"""Fields of a customer that say who it is; no deadline depends on them, and no log keeps them."""
_MATCHABLE: Final = CONTACT_FIELDS | CUSTOMER_FIELDS - PERSONAL
GROUPING_FIELDS: Final = frozenset({"team", "policy", "owner", "target", "channel", "kind", "priority", "customer_id"})

_ATTRIBUTE: Final = re.compile(r"attributes(\.[^.]+)+")
_LIKE: Final = 0.6


def meant(word: str, known: Iterable[str]) -> str:
    """`; did you mean …?` where a known word is like that one, else nothing."""
    near = get_close_matches(str(word).lower(), sorted(known), n=1, cutoff=_LIKE)
    return f"; did you mean {near[0]!r}?" if near else ""


def is_matchable(field: str) -> bool:
    """Whether `match` and `by` may ask for that field."""
    return field in _MATCHABLE or _ATTRIBUTE.fullmatch(field) is not None


def wrong_field(field: str) -> str | None:
    """Why `match` and `by` can't ask for that field; None if they can."""
    if is_matchable(field):
        return None
    if field in PERSONAL:
        return f"{field!r} says who a customer is, and is not kept for policies; customer_id, tier or attributes.… are"
    hint = meant(field, _MATCHABLE)
    return f"{field!r} is no field of a contact or a customer (attributes.… are free){hint}"


def wrong_value(field: str, value: object) -> str | None:
    """Why a field never has that value; None if it may."""
    words = WORDS.get(field)
    if words is None or value in words:
        return None
    return f"{field} is never {value!r}{meant(str(value), words) or '; it is one of ' + ', '.join(words)}"


def _words(annotation: Any) -> tuple[str, ...] | None:
    """The words of a Literal, also of one that may be absent."""
    if get_origin(annotation) is Literal:
        return get_args(annotation)
    if get_origin(annotation) in (Union, types.UnionType):
        given = [found for one in get_args(annotation) if (found := _words(one))]
        return given[0] if len(given) == 1 else None
    return None


def _all_words(*models: type[BaseModel]) -> dict[str, tuple[str, ...]]:
    return {
        name: words
        for model in models
        for name, field in model.model_fields.items()
        if (words := _words(field.annotation))
    }


WORDS: Final = {
    field: words for field, words in _all_words(CustomerUpdated, ContactReceived).items() if field in _MATCHABLE
}
"""Of each field that has a fixed vocabulary, its words."""


def _one_or_many(field: str) -> dict[str, Any]:
    words = WORDS.get(field)
    one: dict[str, Any] = {"enum": list(words)} if words else {"type": ["string", "boolean", "number"]}
    return {"anyOf": [one, {"type": "array", "items": one}]}


MATCH_SCHEMA: Final[dict[str, Any]] = {
    "type": "object",
    "description": "which contacts it is for: every field must have one of the values; none given means all",
    "properties": {field: _one_or_many(field) for field in sorted(_MATCHABLE)},
    "patternProperties": {r"^attributes(\.[^.]+)+$": _one_or_many("attributes")},
    "additionalProperties": False,
}
FIELD_SCHEMA: Final[dict[str, Any]] = {
    "anyOf": [
        {"enum": sorted(_MATCHABLE)},
        {"type": "string", "pattern": r"^attributes(\.[^.]+)+$"},
    ]
}
