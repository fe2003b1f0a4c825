"""Rewriting what is held of erased customers, however much it is, beside the daily work."""

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from functools import partial
from typing import Any, Final, NoReturn

from rapport.decision import Decision, State, States, Touch
from rapport.runtime import telemetry as shared
from rapport.runtime.clock import Clock
from rapport.runtime.patience import Patience
from rapport.runtime.processor import Processor
from rapport.runtime.pseudonyms import pseudonyms_of
from rapport.runtime.store import Store

from metrics.domain import ContactFact, JournalEntry
from metrics.domain.erasing import Erasure, Forgetful
from metrics.domain.rewriting import Rewriting
from metrics.parts import parts
from metrics.rejections import Rejection, Rejections

log = shared.logger()

Document = Mapping[str, Any]

_LOOK_EVERY: Final = 5.0
_AT_ONCE: Final = 50
"""Documents in one transaction: few enough that events never wait long behind it."""

_NAMELESS: Final = {"$regex": "^anonymous:(?!erased:)"}
_ABOUT: Final = {"contact_id": 1}


class Erasures:
    """
    Each replica rewrites what is held of erased customers of its own partitions, in turns with what comes in there.

    Stopped half-way it begins that customer anew; rewriting twice, or on two
    replicas at once, changes nothing.
    """

    def __init__(
        self, store: Store, processor: Processor, domain: Forgetful, rejections: Rejections, clock: Clock
    ) -> None:
        self._store = store
        self._processor = processor
        self._domain = domain
        self._rejections = rejections
        self._clock = clock

    async def prepare(self) -> None:
        """Have the secret of this database."""
        self._domain.pseudonyms = await pseudonyms_of(self._store)

    async def kept(self, rejection: Rejection, customer_id: str) -> Rejection:
        """The rejection of an event of this customer's, without their id if they have been erased."""
        pseudonyms = self._domain.pseudonyms
        if not rejection.names(customer_id) or not await self._store.get(Erasure, pseudonyms.key_of(customer_id)):
            return rejection
        return rejection.nameless(customer_id, pseudonyms)

    async def run(self) -> NoReturn:
        """Until cancelled."""
        await Patience("metrics", self._clock).piece_by_piece("erasing", self._one, rest=_LOOK_EVERY)

    async def _one(self) -> bool:
        """One customer; False when there is none."""
        ours = {"erasing": True, "p": {"$in": sorted(self._processor.owned)}}
        found = await self._store.find(Erasure, ours, limit=1)
        if not found:
            return False
        [erasure] = found
        rewriting = Rewriting(erasure.id, erasure.customer_id, self._domain.pseudonyms)
        theirs = {"customer_id": {"$in": [*erasure.names, *([erasure.customer_id] if erasure.customer_id else [])]}}
        async for some in self._some(ContactFact, theirs):
            await self._nameless(rewriting, some)
            await self._contacts(rewriting, some)
            await self._nameless(rewriting, some)
        if erasure.customer_id is not None:
            async for some in self._some(JournalEntry, theirs):
                await self._entries(rewriting, some)
            await self._rejections.forget(erasure.customer_id, self._domain.pseudonyms)
        await self._act(rewriting, partial(rewriting.done, erasure), ())
        log.info("what is held of an erased customer is rewritten")
        return True

    async def _nameless(self, rewriting: Rewriting, contacts: Sequence[Document]) -> None:
        """What was said on these contacts before anybody knew whose they are."""
        where = {"contact_id": {"$in": [one["_id"] for one in contacts]}, "customer_id": _NAMELESS}
        async for some in self._some(JournalEntry, where):
            await self._entries(rewriting, some)

    async def _contacts(self, rewriting: Rewriting, documents: Sequence[Document]) -> None:
        ids = [one["_id"] for one in documents]
        await self._act(rewriting, partial(rewriting.contacts, ids), rewriting.contacts_touched(ids))

    async def _entries(self, rewriting: Rewriting, documents: Sequence[Document]) -> None:
        ids = [one["_id"] for one in documents]
        touches = rewriting.entries_touched((one["_id"], one.get("contact_id")) for one in documents)
        await self._act(rewriting, partial(rewriting.entries, ids), touches)

    async def _act(
        self, rewriting: Rewriting, decide: Callable[[States], Decision[Any]], touches: Sequence[Touch]
    ) -> None:
        await self._processor.act(
            Erasure, rewriting.key, lambda _, states, __: decide(states), touches=touches, patient=True
        )

    def _some(self, kind: type[State], where: Mapping[str, Any]) -> AsyncIterator[list[Document]]:
        return parts(self._store.collection(kind.collection).find(where, _ABOUT), _AT_ONCE)
