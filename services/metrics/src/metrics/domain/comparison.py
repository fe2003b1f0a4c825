"""What two editions of the figures say over all time, and whose differ: for a person to decide by."""

import re
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, Final

from msgspec import ValidationError
from rapport.decision import Counted

from metrics.domain.states import CustomerFact

Document = Mapping[str, Any]
"""A fact as reports find it."""

FIRST: Final = 10
"""So many of those that differ are named."""

_NOT_SAID: Final = frozenset({"s", "p", "wake_at", "backfill", "failing_since", "since", "until", "marks"})
_BUCKET: Final = re.compile(r"(?:.*_)?b-?\d+")


@dataclass(slots=True)
class Compared:
    """Facts of one kind: how many there are in either edition, and which are not the same in both."""

    facts: int = 0
    differ: int = 0
    first: list[str] = field(default_factory=list)

    def note(self, name: str, *, same: bool) -> None:
        self.facts += 1
        if not same:
            self.differ += 1
            if len(self.first) < FIRST:
                self.first.append(name)


@dataclass(slots=True)
class Sums:
    """Whole numbers by measure and figure, in milliseconds where they are times, of the old edition and the new."""

    old: Counter[tuple[str, str]] = field(default_factory=Counter)
    new: Counter[tuple[str, str]] = field(default_factory=Counter)

    def shown(self) -> dict[str, dict[str, dict[str, int]]]:
        found: dict[str, dict[str, dict[str, int]]] = {}
        for measure, figure in sorted(self.old.keys() | self.new.keys()):
            pair = {"old": self.old[measure, figure], "new": self.new[measure, figure]}
            if any(pair.values()):
                found.setdefault(measure, {})[figure] = pair
        return found

    @property
    def are_equal(self) -> bool:
        return all(self.old[key] == self.new[key] for key in self.old.keys() | self.new.keys())


@dataclass(slots=True)
class Comparison:
    """
    The sums of both editions and the facts that differ.

    A fact about which more has been taken in since than the new edition has is `moving`: the old one counts for both.
    """

    contacts: Compared = field(default_factory=Compared)
    customers: Compared = field(default_factory=Compared)
    moving: int = 0
    figures: Sums = field(default_factory=Sums)
    hourly: Sums = field(default_factory=Sums)

    def add(self, kind: Compared, name: str, old: Document | None, new: Document | None, *, moving: bool) -> None:
        """One fact of either edition, or of both."""
        if moving:
            self.moving += 1
            new = old
        kind.note(name, same=moving or is_same(old, new))
        for sums, fact in ((self.figures.old, old), (self.figures.new, new)):
            if fact is not None and fact.get("audience") == "customer":
                _add_marks(sums, fact)

    def add_hourly(self, sums: Counter[tuple[str, str]], key: str, figure: str, amount: int) -> None:
        """What an edition's hourly rows hold of one figure."""
        if not _is_bucket(figure):
            sums[key, figure] += amount

    def take_off(self, counts: Iterable[Counted]) -> None:
        """What the old edition's hourly rows hold of what the new one has not been played yet."""
        for counted in counts:
            for key, amount in counted.add.items():
                measure, _, figure = key.partition(".")
                self.add_hourly(self.hourly.old, measure, figure, -amount)

    def shown(self) -> dict[str, Any]:
        kinds = {"contacts": self.contacts, "customers": self.customers}
        return {
            "equal": self.is_equal,
            **{name: {"facts": one.facts, "differ": one.differ, "first": one.first} for name, one in kinds.items()},
            "moving": self.moving,
            "figures": self.figures.shown(),
            "hourly": self.hourly.shown(),
        }

    @property
    def is_equal(self) -> bool:
        same = not self.contacts.differ and not self.customers.differ
        return same and self.figures.are_equal and self.hourly.are_equal


def is_same(old: Document | None, new: Document | None) -> bool:
    """Whether reports can't tell one from the other."""
    if old is None or new is None:
        return all(one is None or _says_nothing(one) for one in (old, new))
    if _said(old) != _said(new):
        return False
    if old["marks"] != new["marks"] and _in_order(old["marks"]) != _in_order(new["marks"]):
        return False
    return "s" not in old or old["s"] == new["s"] or _known(old["s"]) == _known(new["s"])


def _says_nothing(fact: Document) -> bool:
    """Whether it is a customer of whom nothing is known, such as somebody erased who had nothing but contacts."""
    known = _known(fact["s"]) if "s" in fact else None
    return known is not None and known == CustomerFact(id=known.id, partition=0)


def _said(fact: Document) -> dict[str, Any]:
    return {name: value for name, value in fact.items() if name not in _NOT_SAID}


def _in_order(marks: Iterable[Document]) -> list[Any]:
    """Marks come in the order in which what they are of was learnt, which says nothing."""
    return sorted(
        ([str(item) for item in mark.items() if item[0] != "figures"], sorted(mark["figures"].items()))
        for mark in marks
    )


def _known(text: str) -> CustomerFact | None:
    """A customer as profiles tell of them; None of one whose text another version wrote."""
    try:
        return CustomerFact.restored(text).but(
            partition=0, marks=(), told={}, sequence=0, rules=("", 0), history=0, wake_at=None, backfill=False
        )
    except ValidationError:
        return None


def _add_marks(sums: Counter[tuple[str, str]], fact: Document) -> None:
    for mark in fact["marks"]:
        measure = mark["measure"]
        for figure, amount in mark["figures"].items():
            if not _is_bucket(figure):
                sums[measure, figure] += amount


@lru_cache(maxsize=10_000)
def _is_bucket(figure: str) -> bool:
    """Whether it counts what a percentile is made of: there are hundreds, and their sum is the count."""
    return _BUCKET.fullmatch(figure) is not None
