"""The fields of contacts and customers that a policy may ask about, and the words that they can say."""

import re
from typing import Any, Final

from rapport.contracts.contact_events import ContactReceived, CustomerUpdated
from rapport.contracts.vocabulary import meant, words_of, wrong_word

CONTACT_FIELDS: Final = frozenset(ContactReceived.model_fields) - {"contact_id", "attributes", "promised_by"}
CUSTOMER_FIELDS: Final = frozenset(CustomerUpdated.model_fields) - {"customer_id"}
PERSONAL: Final = frozenset({"name", "title", "email", "phone"})
"""Fields of a customer that say who it is; no deadline depends on them, and no log keeps them."""
_MATCHABLE: Final = CONTACT_FIELDS | CUSTOMER_FIELDS - PERSONAL
GROUPING_FIELDS: Final = frozenset({"team", "policy", "owner", "target", "channel", "kind", "priority", "customer_id"})

_ATTRIBUTE: Final = re.compile(r"attributes(\.[^.]+)+")


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
    return wrong_word(field, value, WORDS)


WORDS: Final = {
    field: words for field, words in words_of(CustomerUpdated, ContactReceived).items() if field in _MATCHABLE
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
