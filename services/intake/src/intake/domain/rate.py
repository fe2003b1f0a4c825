"""How much a key may send: a token bucket that lets a batch through and then makes the key wait."""

import math
from dataclasses import dataclass
from datetime import datetime
from typing import Final

_WHOLE: Final = 1 - 1e-6
"""One token, but for what sums of floats lose."""


@dataclass(slots=True)
class Bucket:
    """
    Tokens of one key: `rate` come in each second, at most one second's worth is saved up.

    Whoever finds a whole token in it may take as many as a batch needs, into debt:
    so a batch larger than the rate is not refused for ever, and the long-run rate
    is still kept.
    """

    rate: float
    tokens: float
    at: datetime

    @classmethod
    def full(cls, rate: float, now: datetime) -> "Bucket":
        return cls(rate, max(rate, 1.0), now)

    def wait(self, now: datetime) -> float:
        """Seconds until something may be taken; 0 where it may be taken now."""
        self._fill(now)
        return 0.0 if self.tokens >= _WHOLE else (1 - self.tokens) / self.rate

    def left(self, now: datetime) -> int:
        """How many events may come now before the key has to wait."""
        self._fill(now)
        return max(0, math.floor(self.tokens))

    def full_after(self, now: datetime) -> float:
        """Seconds of silence until a whole second's worth is saved up again."""
        self._fill(now)
        return (self._most - self.tokens) / self.rate

    @property
    def _most(self) -> float:
        return max(self.rate, 1.0)

    def change(self, rate: float, now: datetime) -> None:
        """From now on another rate holds; what was taken stays taken."""
        if rate != self.rate:
            self._fill(now)
            self.rate = rate
            self.tokens = min(self.tokens, self._most)

    def take(self, count: int, now: datetime) -> None:
        self._fill(now)
        self.tokens -= count

    def _fill(self, now: datetime) -> None:
        passed = (now - self.at).total_seconds()
        if passed > 0:
            self.tokens = min(self._most, self.tokens + passed * self.rate)
            self.at = now
