"""Which sources have fallen silent, as intake says. Where it does not say so, and in time, none has."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any, Final, NoReturn

import httpx
from pydantic import AwareDatetime, BaseModel, SecretStr, ValidationError
from rapport.runtime import telemetry as shared
from rapport.runtime.clock import Clock

from sla_monitor import telemetry

log = shared.logger()

_EVERY: Final = timedelta(seconds=15)
_TIMEOUT: Final = 5.0
_HOLDS: Final = timedelta(seconds=45)
"""So long an answer is believed: three questions without one, and nobody counts as silent."""


class _Known(BaseModel):
    source: str
    last_event_at: AwareDatetime


class _Answer(BaseModel):
    items: list[_Known]


class Sources:
    """
    Asks beside everything else and remembers the answer, so that nobody who sends ever waits for intake.

    Without an address it asks nobody.
    """

    def __init__(self, clock: Clock, *, url: str = "", key: SecretStr | None = None) -> None:
        self._clock = clock
        self._url = f"{url.rstrip('/')}/v1/sources"
        self._headers = {"authorization": f"Bearer {key.get_secret_value()}"} if key else {}
        self._silent: dict[str, datetime] = {}
        self._as_of: datetime | None = None
        self._complained = False

    @property
    def silent(self) -> Mapping[str, datetime]:
        """The silent ones, each with its last event's instant."""
        fresh = self._as_of is not None and self._clock.now() - self._as_of < _HOLDS
        return self._silent if fresh else {}

    async def follow(self) -> NoReturn:
        """Ask again and again, for ever."""
        async with httpx.AsyncClient(timeout=_TIMEOUT, trust_env=False) as http:
            while True:
                await self.ask(http)
                telemetry.SILENT.set(len(self.silent))
                await self._clock.sleep(_EVERY.total_seconds())

    async def ask(self, http: httpx.AsyncClient) -> None:
        """What it says now is remembered; what goes wrong is told once, and the last answer grows old."""
        asked_at = self._clock.now()
        try:
            answer = await http.get(self._url, params={"silent": "true"}, headers=self._headers)
            found = _Answer.model_validate_json(answer.raise_for_status().content)
        except (httpx.HTTPError, httpx.InvalidURL, ValidationError) as error:
            self._complain(error)
            return
        self._silent = {one.source: one.last_event_at for one in found.items}
        self._as_of, self._complained = asked_at, False

    def _complain(self, error: Any) -> None:
        if not self._complained:
            said = str(error).splitlines()[0] if str(error) else type(error).__name__
            log.warning("intake does not say which sources are silent; nothing is held back for it", error=said[:300])
        self._complained = True
