"""The words that a file of rules may use: which a field of an event can say, and which one was probably meant."""

import types
from collections.abc import Iterable, Mapping
from difflib import get_close_matches
from typing import Annotated, Any, Final, Literal, Union, get_args, get_origin

from pydantic import BaseModel

from rapport.contracts.matching import plain

_LIKE: Final = 0.6
_PLAIN: Final = (str, int, float, bool)

YES_AND_NO: Final = ("true", "false")


def meant(word: str, known: Iterable[str]) -> str:
    """`; did you mean …?` where a known word is like that one, else nothing."""
    near = get_close_matches(str(word).lower(), sorted(known), n=1, cutoff=_LIKE)
    return f"; did you mean {near[0]!r}?" if near else ""


def wrong_word(field: str, value: object, words: Mapping[str, tuple[str, ...]]) -> str | None:
    """Why a field never has that value; None if it may, as may any field of which no words are known."""
    known = words.get(field)
    if known is None or plain(value) in known:
        return None
    return f"{field} is never {value!r}{meant(str(value), known) or '; it is one of ' + ', '.join(known)}"


def words_of(*models: type[BaseModel]) -> dict[str, tuple[str, ...]]:
    """The words, as they compare, of each field that has only some; of a field of several models those of the last."""
    return {
        name: words
        for model in models
        for name, field in model.model_fields.items()
        if (words := _words(field.annotation))
    }


def plain_fields(model: type[BaseModel]) -> frozenset[str]:
    """The fields that are a text, a number or yes and no, and so can be compared with one in a file."""
    return frozenset(name for name, field in model.model_fields.items() if _is_plain(field.annotation))


def _words(annotation: Any) -> tuple[str, ...] | None:
    """The words of a Literal, or of yes and no, also of one that may be absent."""
    if annotation is bool:
        return YES_AND_NO
    if get_origin(annotation) is Literal:
        return get_args(annotation)
    if get_origin(annotation) in (Union, types.UnionType):
        given = [found for one in get_args(annotation) if (found := _words(one))]
        return given[0] if len(given) == 1 else None
    return None


def _is_plain(annotation: Any) -> bool:
    origin = get_origin(annotation)
    if origin is Annotated:
        return _is_plain(get_args(annotation)[0])
    if origin in (Union, types.UnionType):
        return any(map(_is_plain, get_args(annotation)))
    return origin is Literal or annotation in _PLAIN
