"""Whether data satisfies the contract, said at a quarter of the cost where it is as most data is."""

from types import NoneType, UnionType
from typing import Annotated, Any, Final, Literal, Union, get_args, get_origin, get_type_hints

import msgspec
from annotated_types import Ge, Le
from pydantic import BaseModel, StringConstraints, ValidationError
from pydantic.fields import FieldInfo
from rapport.contracts import CONTACT_EVENT_DATA

from intake.domain.exactness import exactness_faults
from intake.domain.sense import sense_faults

_VALIDATE: Final = {name: model.__pydantic_validator__.validate_python for name, model in CONTACT_EVENT_DATA.items()}
_PLAIN: Final = {"min_length", "max_length"}


def satisfies(event_type: str, data: dict[str, Any]) -> bool:
    """
    Whether the contract's model of this type, which there must be, takes the data as it is.

    A shape made from the model is asked first. What it takes, the model would;
    where it does not, the model itself decides.
    """
    shape = _SHAPES[event_type]
    if shape is not None:
        try:
            msgspec.convert(data, shape)
        except msgspec.ValidationError:
            pass
        else:
            return not sense_faults(event_type, data)
    try:
        _VALIDATE[event_type](data)
    except ValidationError:
        return False
    return not exactness_faults(event_type, data) and not sense_faults(event_type, data)


def _shape(event_type: str, model: type[BaseModel]) -> type[msgspec.Struct] | None:
    """The model as msgspec would have it; None where it has rules that this can't say."""
    rules = model.__pydantic_decorators__
    if rules.model_validators or rules.field_validators:
        return None
    fields: list[Any] = []
    hints = get_type_hints(model, include_extras=True)
    for name, field in model.model_fields.items():
        kind = _kind(hints[name])
        if kind is None:
            if field.is_required():
                return None
            kind = NoneType  # left out, or null; given, it is for the model to judge
        fields.append((name, kind) if field.is_required() else (name, kind, None))
    return msgspec.defstruct(f"Shape of {event_type}", fields, gc=False, kw_only=True)


def _kind(hint: Any) -> Any:
    """The same type for msgspec; None where it has none that takes no more than the contract."""
    origin, arguments = get_origin(hint), get_args(hint)
    if hint in (bool, NoneType) or origin is Literal or hint == dict[str, Any]:
        return hint
    if origin is Annotated:
        return _limited(arguments[0], arguments[1:])
    if origin in (Union, UnionType):
        kinds = [_kind(argument) for argument in arguments]
        return None if None in kinds else Union[tuple(kinds)]  # noqa: UP007 - of as many as there are
    return None


def _limited(kind: Any, limits: tuple[Any, ...]) -> Any:
    if len(limits) != 1:
        return None
    [limit] = limits
    if kind is str and isinstance(limit, StringConstraints):
        plain = {name for name, value in vars(limit).items() if value is not None} <= _PLAIN
        return Annotated[str, msgspec.Meta(min_length=limit.min_length, max_length=limit.max_length)] if plain else None
    if kind is float and isinstance(limit, FieldInfo):
        least: list[Any] = [bound.ge for bound in limit.metadata if isinstance(bound, Ge)]
        most: list[Any] = [bound.le for bound in limit.metadata if isinstance(bound, Le)]
        if len(least) == len(most) == 1 and len(limit.metadata) == len(least) + len(most):
            return Annotated[float, msgspec.Meta(ge=float(least[0]), le=float(most[0]))]
    return None


_SHAPES: Final = {name: _shape(name, model) for name, model in CONTACT_EVENT_DATA.items()}
