"""What becomes of messages, written where the contacts are."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Final

from rapport.decision import Ref
from rapport.runtime.processor import Processor

from sla_monitor.domain import sending
from sla_monitor.domain.notifications import NotificationState
from sla_monitor.domain.states import ContactState

_AT_ONCE: Final = 25
"""Notifications that one transaction records: so few that events never wait long behind it."""
_OF_MANY: Final = 200
"""As many at most where a storm's message waits for all of them."""

OnIds = Callable[[Sequence[str]], sending.Decide]


class Records:
    """Carries out decisions about notifications, partition by partition, so that a contact's events stay in order."""

    def __init__(self, processor: Processor) -> None:
        self._processor = processor

    async def carry_out(self, members: Iterable[NotificationState], decide: OnIds, *, contacts: bool = False) -> None:
        """
        `contacts` says that the decision concerns their contacts too.

        From the last partition to the first: a batch of records takes its partitions the other way round, and so
        waits for one of these transactions instead of following all of them.
        """
        by_partition: dict[int, list[NotificationState]] = defaultdict(list)
        for one in members:
            by_partition[one.partition].append(one)
        for _, those in sorted(by_partition.items(), reverse=True):
            size = max(_AT_ONCE, min(_OF_MANY, len(those) // 10))
            for at in range(0, len(those), size):
                some = those[at : at + size]
                ids = [one.id for one in some]
                touches: list[Any] = [Ref(NotificationState, name) for name in ids]
                if contacts:
                    touches += [Ref(ContactState, one.contact_id) for one in some]
                await self._processor.act(NotificationState, ids[0], decide(ids), touches=touches)
