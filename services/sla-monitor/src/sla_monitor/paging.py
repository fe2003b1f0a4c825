"""Lists by `sort`, `limit` and `cursor`; without `sort` in an order that an index has."""

import base64
import binascii
import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Annotated, Any, TypeVar

from pydantic import AfterValidator, Field
from pydantic_core import from_json
from rapport.decision import State
from rapport.runtime.problem import Problem
from rapport.runtime.store import Store

S = TypeVar("S", bound=State)


def _searchable(text: str) -> str:
    if "\0" in text:
        raise ValueError("must not have a NUL in it, by which nothing can be found")
    return text


Sought = Annotated[str, Field(max_length=200), AfterValidator(_searchable)]
"""What somebody looks for."""


def words_of(known: Iterable[str]) -> AfterValidator:
    """
    For a parameter that names some of these words, with commas or one by one; ValueError for others.

    With nothing after it, it asks for nothing in particular.
    """
    names = tuple(known)

    def split(given: list[str] | str) -> list[str]:
        words = [word for text in ([given] if isinstance(given, str) else given) for word in text.split(",") if word]
        wrong = sorted({word for word in words if word not in names})
        if wrong:
            raise ValueError(f"must be among {', '.join(names)}; {', '.join(map(repr, wrong))} is not")
        return words

    return AfterValidator(split)


@dataclass(frozen=True, slots=True)
class Part:
    """Those of a list that come one after the other by a field and then the id; each has the field."""

    where: Mapping[str, Any]
    field: str = "_id"
    falling: bool = False
    ids_falling: bool = False
    """As an index has to be read that runs the other way."""

    @property
    def sort(self) -> list[tuple[str, int]]:
        by_id = ("_id", -1 if self.ids_falling else 1)
        return [by_id] if self.field == "_id" else [(self.field, -1 if self.falling else 1), by_id]

    def beyond(self, value: Any, name: str) -> dict[str, Any]:
        """What comes after that one."""
        following = {"_id": {"$lt" if self.ids_falling else "$gt": name}}
        if self.field == "_id":
            return following
        further = "$lt" if self.falling else "$gt"
        either = {"$or": [{self.field: {further: value}}, {self.field: value, **following}]}
        return {"$and": [{self.field: {f"{further}e": value}}, either]}  # the bound that an index is read from


Order = Sequence[Part]
"""The parts of a list; together they have every state, and none twice."""


def order_of(text: str, fields: Sequence[str]) -> Order:
    """`due_at` or `-due_at`, what lacks the field last; 422 for what can't be sorted by."""
    name = text.removeprefix("-")
    if name not in fields:
        names = ", ".join(fields)
        raise Problem(422, f"sort must be one of {names}, with - for falling", errors=[("/query/sort", "unknown")])
    return Part({name: {"$ne": None}}, name, falling=text.startswith("-")), Part({name: None})


async def page(
    store: Store, kind: type[S], where: Mapping[str, Any], order: Order, *, limit: int, cursor: str | None
) -> tuple[list[S], str | None]:
    """A page of states, and the cursor that leads on where there are more."""
    first, *after = _read(cursor, order) if cursor else (0,)
    found: list[tuple[int, S]] = []
    for number, part in enumerate(order[first:], first):
        rest = part.beyond(*after) if after and number == first else {}
        conditions = {"$and": [where, part.where, rest]}
        some = await store.find(kind, conditions, sort=part.sort, limit=limit + 1 - len(found))
        found += [(number, state) for state in some]
        if len(found) > limit:
            return [state for _, state in found[:limit]], _write(*found[limit - 1], order)
    return [state for _, state in found], None


def no_cursor() -> Problem:
    return Problem(422, "this cursor is none of ours", errors=[("/query/cursor", "unknown")])


def prefix(text: str) -> dict[str, Any]:
    """A condition for values that begin with the text."""
    return {"$regex": f"^{re.escape(text)}"}


def _write(number: int, state: State, order: Order) -> str:
    value = state.index().get(order[number].field)
    marked = {"t": int(value.timestamp() * 1000 + 0.5)} if isinstance(value, datetime) else value
    return base64.urlsafe_b64encode(json.dumps([number, marked, state.id]).encode()).decode()


def _read(cursor: str, order: Order) -> tuple[int, Any, str]:
    try:
        number, value, name = from_json(base64.urlsafe_b64decode(cursor.encode()))
        if isinstance(value, dict):
            value = datetime.fromtimestamp(value["t"] / 1000, UTC)
    except (binascii.Error, ValueError, TypeError, KeyError, OverflowError):
        raise no_cursor() from None
    if not isinstance(number, int) or number not in range(len(order)) or not isinstance(name, str):
        raise no_cursor()
    if not isinstance(value, str | datetime | None):
        raise no_cursor()
    return number, value, name
