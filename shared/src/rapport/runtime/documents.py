"""What is decided as MongoDB is told it: states as documents, and the writes of one transaction."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from types import MappingProxyType
from typing import Any, Final

from rapport.decision import Counted, Index, State, States
from rapport.runtime.mongo import Collection, DeleteOne, InsertOne, ReplaceOne, UpdateOne

_NONE: Final[Mapping[int, int]] = MappingProxyType({})


async def ensure(collection: Collection, index: Index) -> None:
    """Have the index, where it is missing."""
    options: dict[str, Any] = {"partialFilterExpression": dict(index.only)} if index.only else {}
    if index.name:
        options["name"] = index.name
    await collection.create_index([(key.lstrip("-"), -1 if key[0] == "-" else 1) for key in index.keys], **options)


def document_of(state: State) -> dict[str, Any]:
    """A state as MongoDB keeps it. TypeError for one that has to wake and never would."""
    if state.wake_at is not None and not state.wakeful:
        raise TypeError(f"{type(state).__name__} is not wakeful")
    return {
        "_id": state.id,
        "p": state.partition,
        "wake_at": _in_whole_milliseconds(state.wake_at),
        "backfill": state.backfill,
        **state.index(),
        "s": state.stored(),
    }


def _in_whole_milliseconds(wake_at: datetime | None) -> datetime | None:
    """Never sooner, as BSON would have it: nothing is found due that says of itself that it is not yet."""
    return wake_at and wake_at + timedelta(microseconds=-wake_at.microsecond % 1000)


def writes_of(
    states: States, counts: Iterable[tuple[int, Counted]], epochs: Mapping[int, int] = _NONE
) -> dict[str, list[Any]]:
    """
    By collection, what is new first: each kind of write is one command, and the first that fails ends it.

    `epochs` are those of the partitions that are in one; what is new may say in which it was made.
    """
    new: dict[str, list[Any]] = defaultdict(list)
    changed: dict[str, list[Any]] = defaultdict(list)
    for state in states.changed:
        if states.existed(state):
            changed[state.collection].append(ReplaceOne({"_id": state.id}, document_of(state)))
        elif state.projection:
            changed[state.collection].append(ReplaceOne({"_id": state.id}, document_of(state), upsert=True))
        else:
            epoch = epochs.get(state.partition)
            new[state.collection].append(InsertOne(document_of(state.made_in(epoch) if epoch else state)))
    for ref in states.gone:
        changed[ref.kind.collection].append(DeleteOne({"_id": ref.id}))
    for (name, key), (row, add) in _merged(counts).items():
        changed[name].append(UpdateOne({"_id": key}, {"$inc": add, "$setOnInsert": row}, upsert=True))
    return {name: new[name] + changed[name] for name in (*new, *changed)}


def _merged(
    counts: Iterable[tuple[int, Counted]],
) -> dict[tuple[str, str], tuple[dict[str, Any], dict[str, int]]]:
    rows: dict[tuple[Any, ...], tuple[Mapping[str, Any], dict[str, int]]] = {}
    for partition, counted in counts:
        key = (counted.collection, partition, *counted.row.values())
        _, add = rows.setdefault(key, (counted.row, {}))
        for name, amount in counted.add.items():
            add[name] = add.get(name, 0) + amount
    return {
        (collection, _row_id(partition, row)): ({"p": partition, **row}, {n: a for n, a in add.items() if a})
        for (collection, partition, *_), (row, add) in rows.items()
        if any(add.values())
    }


def _row_id(partition: int, row: Mapping[str, Any]) -> str:
    return json.dumps([partition, *row.values()], default=str, ensure_ascii=False, separators=(",", ":"))
