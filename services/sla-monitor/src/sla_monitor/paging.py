"""Lists by `sort`, `limit` and `cursor`: in order of a field and then the id, what lacks the field last."""

import base64
import binascii
import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Annotated, Any, TypeVar

from pydantic import AfterValidator, Field
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
class Order:
    """A field to sort by, and whether the largest comes first."""

    field: str
    falling: bool = False

    @classmethod
    def of(cls, text: str, fields: Sequence[str]) -> "Order":
        """`due_at` or `-due_at`; 422 for what can't be sorted by."""
        name = text.removeprefix("-")
        if name not in fields:
            names = ", ".join(fields)
            raise Problem(422, f"sort must be one of {names}, with - for falling", errors=[("/query/sort", "unknown")])
        return cls(name, falling=text.startswith("-"))


async def page(
    store: Store, kind: type[S], where: Mapping[str, Any], order: Order, *, limit: int, cursor: str | None
) -> tuple[list[S], str | None]:
    """A page of states, and the cursor that leads on where there are more."""
    after = _read(cursor) if cursor else None
    found: list[S] = []
    direction = -1 if order.falling else 1
    if after is None or after[0] is not None:
        there = {"$and": [where, {order.field: {"$ne": None}}, _beyond(order, after)]}
        found = await store.find(kind, there, sort=[(order.field, direction), ("_id", 1)], limit=limit + 1)
        after = None
    if len(found) <= limit:
        rest = {"_id": {"$gt": after[1]}} if after else {}
        lacking = {"$and": [where, {order.field: None}, rest]}
        found += await store.find(kind, lacking, sort=[("_id", 1)], limit=limit + 1 - len(found))
    shown = found[:limit]
    return shown, _write(shown[-1], order) if len(found) > limit else None


def prefix(text: str) -> dict[str, Any]:
    """A condition for values that begin with the text."""
    return {"$regex": f"^{re.escape(text)}"}


def _beyond(order: Order, after: tuple[Any, str] | None) -> dict[str, Any]:
    if after is None:
        return {}
    value, name = after
    comparison = "$lt" if order.falling else "$gt"
    return {"$or": [{order.field: {comparison: value}}, {order.field: value, "_id": {"$gt": name}}]}


def _write(state: State, order: Order) -> str:
    value = state.index().get(order.field)
    marked = {"t": int(value.timestamp() * 1000 + 0.5)} if isinstance(value, datetime) else value
    return base64.urlsafe_b64encode(json.dumps([marked, state.id]).encode()).decode()


def _read(cursor: str) -> tuple[Any, str]:
    try:
        value, name = json.loads(base64.urlsafe_b64decode(cursor.encode()))
        if isinstance(value, dict):
            value = datetime.fromtimestamp(value["t"] / 1000, UTC)
        return value, str(name)
    except (binascii.Error, ValueError, TypeError, KeyError, OverflowError):
        raise Problem(422, "this cursor is none of ours", errors=[("/query/cursor", "unknown")]) from None
