"""
Loyalty: what the purchases of a rolling year are worth in points, and the tier that these give.

Pure in the set of purchases and returns: whatever the order in which they were
learnt, the same ones give the same tiers at the same instants. Amounts are in
millionths of their currency's unit.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Final, NamedTuple

from rapport.contracts.envelope import OrderKey

MILLION: Final = 1_000_000


class Purchase(NamedTuple):
    """What was bought, as its newest event says."""

    order: OrderKey
    amount: int
    currency: str
    margin: int | None = None
    agent: str | None = None
    product: str | None = None


class Return(NamedTuple):
    """What of a purchase came back."""

    at: int
    purchase: str
    amount: int


class Worth(NamedTuple):
    """What a customer has bought in a currency to date, returns taken off."""

    purchases: int
    value: int
    """The margin, where it was told; else the amount. Of what came back in part, in proportion."""
    returned: int


class Step(NamedTuple):
    """From this instant on (milliseconds) that tier."""

    at: int
    tier: str | None


@dataclass(frozen=True, slots=True)
class Loyalty:
    """
    The rules. `points` are millionths of a point for a unit of each currency, `tiers` the least points of each, rising.

    A purchase counts for `window` milliseconds. Without tiers nobody has one. Rules
    that say something else have another `name`.
    """

    points: Mapping[str, int]
    tiers: tuple[tuple[int, str], ...]
    window: int
    name: str = ""

    def tier_of(self, points: int) -> str | None:
        return next((name for least, name in reversed(self.tiers) if points >= least), None)


NO_LOYALTY: Final = Loyalty({}, (), 0)


def in_millionths(text: str) -> int:
    """The amount of an event's decimal string."""
    return int(Decimal(text) * MILLION)


def steps(purchases: Mapping[str, Purchase], returns: Iterable[Return], rules: Loyalty) -> list[Step]:
    """Every change of tier that these lead to, oldest first, those to come among them."""
    found: list[Step] = []
    for at, points in _points(purchases, returns, rules):
        tier = rules.tier_of(points)
        if tier != (found[-1].tier if found else None):
            found.append(Step(at, tier))
    return found


def points_at(purchases: Mapping[str, Purchase], returns: Iterable[Return], rules: Loyalty, millis: int) -> int:
    """What all that counts at an instant gives."""
    found = 0
    for at, points in _points(purchases, returns, rules):
        if at > millis:
            break
        found = points
    return found


def untold(
    found: Iterable[Step], told: Mapping[int, str | None], millis: int, since: int = 0
) -> list[tuple[Step, str | None]]:
    """
    The steps up to an instant that have not been told as they are, each with the tier before it.

    What was told of an instant and is not so any more is told again, as it was
    then. What was told up to `since` stays, for other rules held then.
    """
    so_far = [step for step in found if step.at <= millis]
    at_each = {step.at: step for step in so_far if step.at > since}
    for at in told:
        if since < at <= millis:
            at_each.setdefault(at, Step(at, _tier_before(so_far, at + 1)))
    wrong = [step for at, step in sorted(at_each.items()) if at not in told or told[at] != step.tier]
    news = [(step, _tier_before(so_far, step.at)) for step in wrong]
    before, now = standing(told, since), _tier_before(so_far, since + 1)
    return [(Step(since, now), before), *news] if since and before != now else news


def standing(told: Mapping[int, str | None], millis: int) -> str | None:
    """The tier at an instant, as it was told."""
    return next((told[at] for at in sorted(told, reverse=True) if at <= millis), None)


def _tier_before(found: Sequence[Step], millis: int) -> str | None:
    return next((step.tier for step in reversed(found) if step.at < millis), None)


def worth(purchases: Mapping[str, Purchase], returns: Iterable[Return]) -> dict[str, Worth]:
    """By currency."""
    back: dict[str, int] = defaultdict(int)
    for one in returns:
        back[one.purchase] += one.amount
    found: dict[str, Worth] = {}
    for name, bought in purchases.items():
        known = found.get(bought.currency, Worth(0, 0, 0))
        returned = min(back[name], max(bought.amount, 0))
        value = bought.amount if bought.margin is None else bought.margin
        if returned:
            value = value * (bought.amount - returned) // bought.amount
        found[bought.currency] = Worth(known.purchases + 1, known.value + value, known.returned + returned)
    return dict(sorted(found.items()))


def _points(purchases: Mapping[str, Purchase], returns: Iterable[Return], rules: Loyalty) -> Iterator[tuple[int, int]]:
    """The points from each instant on at which they change."""
    back: dict[str, list[Return]] = defaultdict(list)
    for one in sorted(returns):
        back[one.purchase].append(one)
    changes: dict[int, int] = defaultdict(int)
    for name, bought in purchases.items():
        rate = rules.points.get(bought.currency, 0)
        begins, left = bought.order[0], max(bought.amount, 0)
        changes[begins] += left * rate
        for one in back[name]:
            at = max(one.at, begins)
            if at < begins + rules.window:
                taken = min(left, one.amount)
                changes[at] -= taken * rate
                left -= taken
        changes[begins + rules.window] -= left * rate
    total = 0
    for at in sorted(changes):
        total += changes[at]
        yield at, total // (MILLION * MILLION)
