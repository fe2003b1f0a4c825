"""JSON types as the contract means them: the models would also take "4" for a number and 1 for a truth value."""

from types import UnionType
from typing import Annotated, Any, Final, Union, get_args, get_origin

from rapport.contracts import CONTACT_EVENT_DATA

from intake.domain.faults import Fault

_ALLOWED: Final[dict[type, tuple[frozenset[type], str]]] = {
    bool: (frozenset({bool}), "must be true or false"),
    int: (frozenset({int}), "must be an integer"),
    float: (frozenset({int, float}), "must be a number"),
}


def _kinds(annotation: Any) -> set[type]:
    """The plain types that an annotation of the contract is made of."""
    origin = get_origin(annotation)
    if origin is Annotated:
        return _kinds(get_args(annotation)[0])
    if origin in (Union, UnionType):
        return set().union(*map(_kinds, get_args(annotation)))
    return {annotation} if isinstance(annotation, type) else set()


def _rules(event_type: str) -> tuple[tuple[str, frozenset[type], str], ...]:
    fields = CONTACT_EVENT_DATA[event_type].model_fields.items()
    return tuple(
        (name, *_ALLOWED[kind]) for name, field in fields for kind in _kinds(field.annotation) if kind in _ALLOWED
    )


_RULES: Final = {event_type: _rules(event_type) for event_type in CONTACT_EVENT_DATA}


def exactness_faults(event_type: str, data: dict[str, Any]) -> list[Fault]:
    """The numbers and truth values of `data` that are written as something else. 4.0 is an integer (JSON Schema)."""
    return [
        Fault(f"/data/{name}", reason)
        for name, classes, reason in _RULES[event_type]
        if (value := data.get(name)) is not None
        and value.__class__ not in classes
        and not (int in classes and isinstance(value, float) and value.is_integer())
    ]
