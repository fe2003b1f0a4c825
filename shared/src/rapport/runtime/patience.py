"""Waiting for Kafka and MongoDB while they are away: the one way in which it is done."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, NoReturn, TypeVar

from aiokafka.errors import KafkaError

from rapport.runtime import telemetry
from rapport.runtime.clock import Clock, backoff
from rapport.runtime.mongo import MongoError, is_transient
from rapport.runtime.publisher import NotAcknowledged

log = telemetry.logger()

T = TypeVar("T")

_ANSWERS: Final = 300
"""Characters of an error that a line shows."""
_TOPOLOGY: Final = ", Topology Description:"
"""Behind it the driver tells all that it knows of every server."""
_SAID_AGAIN_AFTER: Final = timedelta(minutes=1)


@dataclass(frozen=True, slots=True)
class Patience:
    """Tries until it succeeds, with growing waits, while Kafka or MongoDB is away; what can never succeed is raised."""

    service: str
    clock: Clock

    async def __call__(self, what: str, attempt: Callable[[], Awaitable[T]]) -> T:
        """The answer of the first attempt that is not stopped by one of them being away; the log tells of waiting."""
        waits, tries = backoff(), 0
        began: datetime | None = None
        said: datetime | None = None
        while True:
            try:
                answer = await attempt()
            except (KafkaError, NotAcknowledged, *MongoError) as error:
                if not is_away(error):
                    raise
                telemetry.RETRIES.labels(self.service, what).inc()
                tries, now = tries + 1, self.clock.now()
                began = began or now
                if said is None or now - said >= _SAID_AGAIN_AFTER:
                    said = now
                    log.warning("waiting to try again", what=what, error=_in_short(error), tries=tries)
            else:
                if began:
                    waited = self.clock.now() - began
                    log.info("going on", what=what, tries=tries, seconds=round(waited.total_seconds(), 1))
                return answer
            await self.clock.sleep(next(waits))

    async def piece_by_piece(self, what: str, piece: Callable[[], Awaitable[bool]], *, rest: float) -> NoReturn:
        """Do the next piece of what there is to do, until cancelled; `rest` seconds after one that found nothing."""
        while True:
            if not await self(what, piece):
                await self.clock.sleep(rest)


def _in_short(error: Exception) -> str:
    return str(error).partition(_TOPOLOGY)[0][:_ANSWERS] or type(error).__name__


def is_away(error: BaseException) -> bool:
    """Kafka or MongoDB does not answer now, and may later."""
    return isinstance(error, KafkaError | NotAcknowledged) or is_transient(error)
