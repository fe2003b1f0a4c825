"""The partitions' rows, read only where somebody else may have changed them."""

from collections.abc import Collection, Iterable

from rapport.runtime.store import Change, Row, Store


class Rows:
    """
    The rows as this replica has written them last, which need not be read again.

    One that is not so any more is found out when it is written: its `seq` does
    not match, it was taken out before, and is read the next time. So it is as if
    the row had been read earlier, still before the states.
    """

    def __init__(self, store: Store) -> None:
        self._store = store
        self._known: dict[int, Row] = {}

    async def take(self, partitions: Collection[int]) -> dict[int, Row]:
        """Rows to decide by; unknown from now on until they are `written` or put back."""
        known = {p: self._known.pop(p) for p in partitions if p in self._known}
        return await self._completed(known, partitions)

    async def look(self, partitions: Collection[int]) -> dict[int, Row]:
        """Rows only to look at."""
        return await self._completed({p: self._known[p] for p in partitions if p in self._known}, partitions)

    def put_back(self, rows: Iterable[Row]) -> None:
        self._known.update((row.partition, row) for row in rows)

    def written(self, change: Change, ours: Collection[int]) -> None:
        """Remember, of the partitions that are ours, what a change that was just committed has made of them."""
        for partition, before in change.rows.items():
            if partition in ours:
                row = change.moved.get(partition, before).copy()
                row.seq = before.seq + 1
                self._known[partition] = row

    def forget(self) -> None:
        """Others may have had the partitions meanwhile."""
        self._known.clear()

    async def _completed(self, known: dict[int, Row], partitions: Collection[int]) -> dict[int, Row]:
        unknown = [p for p in partitions if p not in known]
        return known | await self._store.rows(unknown) if unknown else known
