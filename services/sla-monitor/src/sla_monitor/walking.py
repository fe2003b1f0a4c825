"""Going through many contacts in small transactions, beside the daily work."""

from collections import defaultdict
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from typing import Any, Final

from rapport.decision import Ref
from rapport.runtime.mongo import Collection

from sla_monitor.domain.states import ContactState, CustomerState

Document = Mapping[str, Any]

_BATCH: Final = 200
"""Contacts between two notes of how far it has come."""
_AT_ONCE: Final = 25
"""Contacts in one transaction: few enough that events never wait long behind it."""


async def walk(
    contacts: Collection,
    where: Mapping[str, Any],
    after: str,
    each: Callable[[Sequence[Document]], Awaitable[None]],
) -> str | None:
    """
    Have `each` carry out some contacts of one partition at a time, for the next few behind the one with that id.

    The id up to which it has come; None when there were no more.
    """
    found = contacts.find({**where, "_id": {"$gt": after}}, {"p": 1, "customer_id": 1}).sort("_id", 1).limit(_BATCH)
    by_partition: dict[int, list[Document]] = defaultdict(list)
    last: str | None = None
    async for document in found:
        last = document["_id"]
        by_partition[document["p"]].append(document)
    for some in by_partition.values():
        for at in range(0, len(some), _AT_ONCE):
            await each(some[at : at + _AT_ONCE])
    return last


def touched(documents: Iterable[Document]) -> list[Ref]:
    """These contacts and their customers."""
    return [
        *(Ref(ContactState, document["_id"]) for document in documents),
        *(Ref(CustomerState, customer_id) for customer_id in {str(document["customer_id"]) for document in documents}),
    ]
