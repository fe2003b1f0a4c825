"""What every subscription to a topic has in common, whatever becomes of its records."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any, Final, Protocol

Records = Sequence[Any]
OnBatch = Callable[[Records], Awaitable[None]]

ASK_SECONDS: Final = 2.0
"""How long a broker may take to say how far a topic goes."""

MEMBERSHIP: Final[dict[str, Any]] = {
    "batch_timeout_ms": 20,
    "fetch_max_wait_ms": 100,
    "session_timeout_ms": 10_000,
    "heartbeat_interval_ms": 2_000,
    "max_poll_interval_ms": 600_000,
}
"""After a crash the others take over within 10 s; one slow batch is no crash."""


class Consumer(Protocol):
    """Who reads topics, as far as its health goes."""

    @property
    def progressed_at(self) -> datetime:
        """When a batch was last settled."""

    async def lag(self) -> dict[str, int]:
        """Records per topic that wait for it; `TimeoutError` or `KafkaError` where nobody says."""


class Guard:
    """
    Ends the service on the first error of a handler, and lets nothing more through.

    FastStream logs an exception and goes on past the records; so none reaches it.
    """

    def __init__(self, fail: Callable[[BaseException], None]) -> None:
        self._fail = fail
        self._failed = False

    async def __call__(self, work: Callable[[], Awaitable[None]]) -> bool:
        if self._failed:
            return False
        try:
            await work()
        except Exception as error:  # noqa: BLE001 - told by the service as it ends
            self._failed = True
            self._fail(error)
        return not self._failed


async def headers_unread(records: Records, parse: Callable[[tuple[Any, ...]], Awaitable[Any]]) -> Any:
    """
    FastStream's message of these records, made without a look at their headers.

    It takes those for UTF-8; where one is none, or null, it would log that and go on past the whole batch.
    """
    message = await parse(tuple(replace(record, headers=()) for record in (records[0], records[-1])))
    message.raw_message = records
    return message


async def whole_message(message: Any) -> Any:
    """
    Not only its bodies: our handlers want keys, headers and offsets.

    FastStream remembers in the message what it was decoded to, itself: a handler that does not clear that leaves
    all its records to the search for cycles.
    """
    return message
