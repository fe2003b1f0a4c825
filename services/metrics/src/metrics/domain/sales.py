"""What customers have bought: their value to date, and what they complained of afterwards."""

from bisect import bisect_right
from collections.abc import Iterator
from typing import Final

from metrics.domain.buckets import bucket_of
from metrics.domain.history import Chapter, History, Told, of_customer
from metrics.domain.kept import Mark
from metrics.domain.loyalty import worth

_DAY: Final = 86_400_000
AFTER_SALE: Final = 30 * _DAY


def lifetime_values(history: History, until: int) -> Iterator[Told]:
    """What a customer has brought in before an instant, in each currency: margin, else amount, less what came back."""
    customer = history.customer
    bought = {name: one for name, one in customer.purchases.items() if one.order[0] < until}
    returned = [one for one in customer.returns.values() if one.at < until]
    for currency, known in worth(bought, returned).items():
        figures = {"customers": 1, "purchases": known.purchases, "value_sum": known.value}
        figures[f"b{bucket_of(known.value)}"] = 1
        yield of_customer(customer, Mark("cltv", until - 1, None, None, currency, figures))


def after_sales(history: History, now: int) -> Iterator[Told]:
    """
    Of each purchase how many complaints followed within thirty days, and whether it came back, for who sold it.

    A complaint is about the purchase that it names, else about the last one before it.
    """
    customer = history.customer
    complaints = _complaints(history)
    returned = {one.purchase for one in customer.returns.values()}
    for name, bought in sorted(customer.purchases.items(), key=lambda purchase: purchase[1].order):
        at = bought.order[0]
        about = [one for one in complaints.get(name, ()) if at <= one.opened_at <= at + AFTER_SALE]
        figures = {"purchases": 1, "complaints": len(about), "complained": int(bool(about))}
        figures |= {"returned": int(name in returned), "provisional": int(now <= at + AFTER_SALE)}
        mark = Mark("after_sale", at, bought.agent, None, bought.product, {k: n for k, n in figures.items() if n})
        yield of_customer(customer, mark)


def _complaints(history: History) -> dict[str, list[Chapter]]:
    """By the purchase that they are about."""
    purchases = history.customer.purchases
    in_time = sorted((bought.order[0], name) for name, bought in purchases.items())
    instants = [at for at, _ in in_time]
    found: dict[str, list[Chapter]] = {}
    for chapter in history.chapters:
        if not chapter.is_real or chapter.about.get("kind") != "complaint":
            continue
        named = chapter.visit.purchase
        before = bisect_right(instants, chapter.opened_at)
        if named is not None:
            found.setdefault(named, []).append(chapter)
        elif before:
            found.setdefault(in_time[before - 1][1], []).append(chapter)
    return found
