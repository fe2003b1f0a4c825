"""Who is a customer from when to when, and how many stay."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple
from zoneinfo import ZoneInfo

from metrics.domain.history import History, Told, of_customer
from metrics.domain.marks import Mark
from metrics.domain.states import Life, instant

_WROTE, _BOUGHT, _SAID = range(3)
_LEFT: Final = frozenset({"churned", "cancelled"})

_Sign = tuple[int, int, Life | None]


class Stay(NamedTuple):
    """A customer from `since` on, up to when they were lost; in milliseconds."""

    since: int
    until: int | None = None

    def holds(self, at: int) -> bool:
        """Whether they had become a customer before an instant and were not lost by then."""
        return self.since < at and (self.until is None or self.until >= at)


def stays(history: History, inactive_after: int, now: int) -> list[Stay]:
    """
    When somebody was a customer.

    They become one by buying, by being called active, or by writing to us, unless
    they are called a prospect. They are lost when they cancel or are called churned,
    and `inactive_after` milliseconds after the last sign of them. Who has left comes
    back by buying or by being called active, not by writing.
    """
    found: list[Stay] = []
    since: int | None = None
    last, may_write = 0, True
    for at, kind, word in [*_signs(history), (now, _SAID, None)]:
        if since is not None and at > last + inactive_after:
            found.append(Stay(since, last + inactive_after))
            since = None
        if word == "prospect" or word in _LEFT:
            may_write = False
            if since is not None:
                found.append(Stay(since, at))
                since = None
        elif kind == _BOUGHT or word == "active" or (kind == _WROTE and may_write):
            since, last, may_write = at if since is None else since, at, True
    return found if since is None else [*found, Stay(since)]


def _signs(history: History) -> list[_Sign]:
    """Everything that they did or that was said of them, in order; who was first called a prospect was one before."""
    words = sorted(history.customer.lives.values())
    signs: list[_Sign] = [(order[0], _SAID, word) for order, word in words]
    signs += [(bought.order[0], _BOUGHT, None) for bought in history.customer.purchases.values()]
    signs += [(one.opened_at, _WROTE, None) for one in history.chapters if one.is_real]
    signs.sort(key=lambda sign: sign[:2])
    return [(0, _SAID, "prospect"), *signs] if words and words[0][1] == "prospect" else signs


@dataclass(frozen=True, slots=True)
class Watch:
    """Who came, stayed and left in each of some periods (milliseconds); cohorts are months of a zone."""

    measure: str
    periods: Sequence[tuple[int, int]]
    inactive_after: int
    now: int
    zone: ZoneInfo

    def changes(self, history: History) -> Iterator[Told]:
        """Of each period whether they were a customer when it began and when it ended, by the month they became one."""
        found = stays(history, self.inactive_after, self.now)
        if not found:
            return
        cohort = f"{instant(found[0].since).astimezone(self.zone):%Y-%m}"
        for since, until in self.periods:
            before, after = (any(stay.holds(at) for stay in found) for at in (since, until))
            figures = {"at_start": before, "at_end": after, "kept": before and after}
            figures |= {"new": after and not before, "lost": before and not after}
            if before or after:
                counted = {name: 1 for name, is_so in figures.items() if is_so}
                yield of_customer(history.customer, Mark(self.measure, since, None, None, cohort, counted))
