"""Who is a customer from when to when, and how many stay."""

from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple
from zoneinfo import ZoneInfo

from rapport.erasing import is_anonymous

from metrics.domain.history import History, Told, of_customer
from metrics.domain.kept import Mark
from metrics.domain.states import Life, instant
from metrics.domain.surveys import SCORES

_WROTE, _BOUGHT, _SAID, _LOOKED = range(4)
HEARD: Final = frozenset({"messages", *SCORES})
"""What customers do on a contact after they have opened it."""
_LEFT: Final = frozenset({"churned", "cancelled"})

_Sign = tuple[int, int, Life | None]


class Stay(NamedTuple):
    """
    A customer from `since` on, up to when they were lost; in milliseconds.

    It holds at instants after the first up to the last: what happens as a period begins belongs into that period.
    """

    since: int
    until: int | None = None


def stays(history: History, inactive_after: int, now: int) -> list[Stay]:
    """
    When somebody was a customer; nobody knows that of who never gave a name.

    They become one by buying, by being called active, or by writing to us, unless
    they are called a prospect. They are lost when they cancel or are called churned,
    and `inactive_after` milliseconds after the last sign of them. Who has left comes
    back by buying or by being called active, not by writing.
    """
    if is_anonymous(history.customer.id):
        return []
    found: list[Stay] = []
    since: int | None = None
    last, may_write = 0, True
    for at, kind, word in [*_signs(history), (now, _LOOKED, None)]:
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
        elif kind == _SAID:
            may_write = True
    return found if since is None else [*found, Stay(since)]


def _signs(history: History) -> list[_Sign]:
    """Everything that they did or that was said of them, in order; who was first called a prospect was one before."""
    customer = history.customer
    words = sorted(customer.lives.values())
    wrote = {one.opened_at for one in history.chapters if one.is_real} | {one.at for one in customer.answers.values()}
    wrote |= {mark.at for one in history.chapters for mark in one.marks if mark.measure in HEARD and not one.is_noise}
    signs: list[_Sign] = [(order[0], _SAID, word) for order, word in words]
    signs += [(bought.order[0], _BOUGHT, None) for bought in customer.purchases.values()]
    signs += [(at, _WROTE, None) for at in wrote]
    signs.sort(key=lambda sign: sign[:2])
    return [(0, _SAID, "prospect"), *signs] if words and words[0][1] == "prospect" else signs


@dataclass(frozen=True, slots=True)
class Watch:
    """Who came, stayed and left in each of some periods on end (milliseconds); cohorts are months of a zone."""

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
        ends = [since for since, _ in self.periods] + [until for _, until in self.periods[-1:]]
        present = {place for stay in found for place in _within(ends, stay)}
        for place, (since, _) in enumerate(self.periods):
            before, after = place in present, place + 1 in present
            figures = {"at_start": before, "at_end": after, "kept": before and after}
            figures |= {"new": after and not before, "lost": before and not after}
            if before or after:
                counted = {name: 1 for name, is_so in figures.items() if is_so}
                yield of_customer(history.customer, Mark(self.measure, since, None, None, cohort, counted))


def _within(ends: Sequence[int], stay: Stay) -> range:
    """The places of the instants that a stay holds at."""
    return range(bisect_right(ends, stay.since), len(ends) if stay.until is None else bisect_right(ends, stay.until))
