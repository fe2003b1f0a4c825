"""Whether the counts balance, asked all the time: of the newest hours each time, and of the older ones in turn."""

from datetime import datetime, timedelta
from typing import Final, NoReturn

from rapport.contracts import format_instant
from rapport.runtime import telemetry as shared
from rapport.runtime.clock import Clock
from rapport.runtime.patience import Patience
from rapport.runtime.processor import Processor

from metrics import answers, telemetry
from metrics.store import Reports

log = shared.logger()

_HOUR: Final = timedelta(hours=1)
_EVERY: Final = timedelta(minutes=1)
_REST: Final = 20
"""So many times as long as a look took nothing is done after it: it counts what the journal has of an hour."""


class Balancing:
    """
    Compares hour by hour what was counted record by record with what the journal holds.

    The replica that has partition 0 does. What was off stays so until its hour is looked at again.
    """

    def __init__(self, reports: Reports, processor: Processor, clock: Clock) -> None:
        self._reports = reports
        self._processor = processor
        self._clock = clock
        self._patiently = Patience("metrics", clock)
        self._older: datetime | None = None
        self.off: dict[datetime, int] = {}
        """By how many events, by the hour that they were taken in."""

    async def for_ever(self) -> NoReturn:
        while True:
            began = self._clock.now()
            if 0 in self._processor.owned:
                await self._patiently("balance", self.look)
            else:
                self.off.clear()
            telemetry.OFF_BALANCE.set(sum(self.off.values()))
            rest = max(_EVERY, _REST * (self._clock.now() - began))
            await self._clock.sleep(rest.total_seconds())

    async def look(self) -> None:
        """Compare the hour that runs, the one before, and the next older one; after the oldest begin anew."""
        now = self._clock.now()
        recent = now.replace(minute=0, second=0, microsecond=0) - _HOUR
        hours = await self._reports.balance(recent, None)
        older = await self._reports.hour_before(self._older) if self._older else None
        self._older = older or await self._reports.hour_before(recent)
        if self._older:
            hours |= await self._reports.balance(self._older, self._older + _HOUR)
        for hour in [recent, recent + _HOUR, self._older]:
            self._note(hour, answers.difference(hours[hour]) if hour in hours else 0)
        telemetry.BALANCE_LOOKED.set(now.timestamp())

    def _note(self, hour: datetime | None, difference: int) -> None:
        if hour is None:
            return
        if difference and hour not in self.off:
            log.error("the counts do not balance", hour=format_instant(hour), difference=difference)
        self.off.pop(hour, None)
        if difference:
            self.off[hour] = difference
