"""What a customer who was erased is called from then on, and how what comes late about them is known again."""

import hashlib
import secrets
from collections.abc import Callable
from functools import lru_cache
from typing import Final, NamedTuple, Self

from rapport.contracts import Data, Event
from rapport.decision import Part

ANONYMOUS: Final = "anonymous:"
ERASED: Final = "erased:"
OURS: Final = "/rapport/"
"""How the source of what services tell begins; they go on doing so of contacts of erased customers."""

_SOME_BATCHES: Final = 8192


def is_erased(customer_id: str | None) -> bool:
    """Whether this is no customer's own id, but what replaced it."""
    return (customer_id or "").removeprefix(ANONYMOUS).startswith(ERASED)


def is_anonymous(customer_id: str) -> bool:
    return customer_id.startswith(ANONYMOUS)


def _at_random() -> str:
    return secrets.token_urlsafe(12)


class Pseudonyms:
    """
    What a customer's id is replaced by is random. All else is made with a `secret` of the database.

    Without the secret nobody can tell from a name what it was made of, or try out
    ids; with it what comes late is known again, though no id is kept.
    """

    def __init__(self, secret: bytes = b"", random: Callable[[], str] = _at_random) -> None:
        self._secret = secret
        self._random = random
        self._places = lru_cache(maxsize=_SOME_BATCHES)(lambda customer_id: f"erasure/{self.key_of(customer_id)}")

    def fresh(self, customer_id: str) -> str:
        """A new name for an erased customer; one whom nobody knew stays such a one."""
        kind = ANONYMOUS if is_anonymous(customer_id) else ""
        return f"{kind}{ERASED}{self._random()}"

    def name_in(self, event: Event[Data], customer_id: str) -> str:
        """What customer.erased says that the customer is called now, so that all services do; old ones say nothing."""
        return event.erasedas if event.erasedas and is_erased(event.erasedas) else self.fresh(customer_id)

    def key_of(self, customer_id: str) -> str:
        """Under which it is remembered that this customer was erased."""
        return self._made_of("customer", customer_id)

    def place_of(self, customer_id: str) -> str:
        """The id under which that lies among the customers, so that it is found with them; each event asks for it."""
        return self._places(customer_id)

    def instead(self, name: str, customer_id: str) -> str:
        """The name of something; another, always the same, where it has the customer's id in it."""
        return self.other(name) if customer_id in name and not is_erased(name) else name

    def other(self, name: str) -> str:
        return ERASED + self._made_of("name", name)

    def _made_of(self, what: str, text: str) -> str:
        whole = f"{what}\0{text}".encode("utf-8", "surrogatepass")
        return hashlib.blake2b(whole, key=self._secret, digest_size=12).hexdigest()


class Period(NamedTuple):
    """Whoever had the id up to that instant (milliseconds, and since the period before) is called `name` now."""

    until: int
    name: str


class Periods:
    """What those are called now who had an id before; `again` says that somebody else has it since."""

    __slots__ = ()

    periods: tuple[Period, ...]
    again: bool

    @property
    def names(self) -> frozenset[str]:
        return frozenset(period.name for period in self.periods)

    def name_at(self, at: int) -> str | None:
        """What whoever had the id at an instant is called now; None for whoever has it since the last erasure."""
        return next((period.name for period in self.periods if at <= period.until), None)

    def and_until(self, until: int, name: str) -> tuple[Period, ...]:
        """The periods after one more erasure; of somebody erased already the name stays."""
        if self.periods and not self.again:
            *before, last = self.periods
            return (*before, last._replace(until=max(until, last.until)))
        return (*self.periods, Period(until, name))


class Erased(Periods, Part, frozen=True, kw_only=True):
    """
    What is remembered of a customer who was erased, under a key made of the id.

    The id itself is held only until all is rewritten; `behind` counts what turned out late to be theirs.
    """

    periods: tuple[Period, ...] = ()
    again: bool = False
    customer_id: str | None = None
    behind: int = 0

    def renewed(self, until: int, name: str, customer_id: str) -> Self:
        """After one more erasure, with everything to be rewritten."""
        return self.but(periods=self.and_until(until, name), again=False, customer_id=customer_id)

    def rewritten(self, seen: Self) -> Self:
        """With nothing left to do, unless more has come since it was `seen`."""
        return self.but(customer_id=None) if (self.periods, self.behind) == (seen.periods, seen.behind) else self
