"""
Copies of some collections, of which one stands, and the epochs in which a copy catches up with what is written.

Both are said by the rows of all partitions, which every transaction reads before and
matches: what was decided by another edition or epoch is never written. docs/decisions/0006.
"""

from collections.abc import Container
from contextvars import ContextVar
from typing import Final

from rapport.runtime.mongo import Database, Session, finished

_held: ContextVar[int | None] = ContextVar("edition", default=None)
"""The edition by which this request reads all that it reads."""


class Editions:
    """
    Which edition of these collections stands: the second of `facts` is the collection `facts.1`.

    It only ever rises. The newest that has been seen serves whoever reads rows first and writes by them: one that
    has stood since is found out when the rows are matched.
    """

    def __init__(self, names: Container[str] = (), fixed: int | None = None) -> None:
        self._names = names
        self._fixed = fixed
        self._seen = 0

    @property
    def current(self) -> int:
        if self._fixed is not None:
            return self._fixed
        held = _held.get()
        return self._seen if held is None else held

    def of(self, edition: int) -> "Editions":
        """The same collections in one edition, whether it stands or not."""
        return Editions(self._names, edition)

    def name(self, collection: str) -> str:
        edition = self.current
        return f"{collection}.{edition}" if edition and collection in self._names else collection

    def seen(self, edition: int) -> None:
        self._seen = max(edition, self._seen)
        if _held.get() is not None:
            _held.set(self._seen)

    def hold(self) -> None:
        """Whatever is asked from here on, in this task and those that it starts, is of one edition."""
        _held.set(self._seen)


class Epochs:
    """
    The epoch that each partition is in, if any: what is made in a transaction may say in which it was.

    Once all partitions are in an epoch, nothing is made in an earlier one any more.
    """

    def __init__(self, database: Database) -> None:
        self._rows = database["partitions"]

    async def begin(self, epoch: int) -> None:
        """On return every partition is in this epoch, or in a later one."""
        behind = {"epoch": {"$not": {"$gte": epoch}}}
        await self._rows.update_many(behind, {"$set": {"epoch": epoch}, "$inc": _CHANGED})

    async def end(self, last: int) -> None:
        """No partition is in an epoch up to this one."""
        await self._rows.update_many({"epoch": {"$lte": last}}, {"$unset": {"epoch": ""}, "$inc": _CHANGED})

    async def switch(self, edition: int, session: Session) -> None:
        """
        Have this edition stand, and no partition in an epoch, once the transaction is committed.

        Until then nobody else changes anything; raises where somebody is about to.
        """
        stands = {"$set": {"edition": edition}, "$unset": {"epoch": ""}, "$inc": _CHANGED}
        await finished(self._rows.update_many({}, stands, session=session))


_CHANGED: Final = {"seq": 1}
