"""Out of the outbox into Kafka: strictly in order per partition, each document deleted once it is published."""

from collections.abc import Collection, Mapping, Sequence

from rapport.runtime import telemetry
from rapport.runtime.patience import Patience
from rapport.runtime.publisher import Outgoing, Publisher
from rapport.runtime.store import Change, Row, Store, outbox_key


class Outbox:
    """
    What has been decided and is to be published by this replica.

    `_clear` remembers, for each partition, the `seq` of its row below which
    nothing is left. Where a row has another one, somebody else has committed or
    a commit of ours has an unknown end: left-overs are looked for first.
    """

    def __init__(self, service: str, store: Store, publisher: Publisher, patiently: Patience) -> None:
        self._service = service
        self._store = store
        self._publisher = publisher
        self._patiently = patiently
        self._clear: dict[int, int] = {}

    async def clear(self, rows: Mapping[int, Row]) -> None:
        """Publish what another replica, a crash or an unknown commit has left for these partitions."""
        unknown = [p for p, row in rows.items() if self._clear.get(p) != row.seq]
        if unknown:
            await self.drain(unknown)
            self._clear.update((p, rows[p].seq) for p in unknown)

    async def settle(self, change: Change, ours: Collection[int]) -> None:
        """
        Publish what a change that was just committed tells, where nothing older is left.

        What can't be published now stays for the next who looks.
        """
        following = {p: row.seq for p, row in change.rows.items() if self._clear.get(p) == row.seq}
        mine = sorted(p for p in change.outbox if p in ours and p in following)
        if mine:
            await self._publish([event for p in mine for event in change.outbox[p]])
            await self._store.forget([outbox_key(change.rows[p]) for p in mine])
        for partition, seq in following.items():
            if partition in mine or partition not in change.outbox:
                self._clear[partition] = seq + 1

    async def drain(self, partitions: Collection[int]) -> int:
        """Publish all that lies there for these partitions, in order; answers how many documents it was."""
        drained = 0
        while documents := await self._store.outbox(partitions):
            await self._publish([event for _, events in documents for event in events])
            await self._store.forget([key for key, _ in documents])
            drained += len(documents)
        return drained

    async def _publish(self, events: Sequence[Outgoing]) -> None:
        async def attempt() -> None:
            await self._publisher.publish(events)

        await self._patiently("publish", attempt)
        telemetry.TOLD.labels(self._service).inc(len(events))
