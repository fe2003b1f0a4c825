"""What no field's own limits can say: a rating above the best, a merge into itself, no such zone or currency."""

from collections.abc import Callable
from functools import lru_cache
from typing import Any, Final
from zoneinfo import ZoneInfo

from babel.core import get_global

from intake.domain.faults import Fault

Rule = Callable[[dict[str, Any]], Fault | None]

_CURRENCIES: Final = frozenset({*get_global("all_currencies"), "XAD"})
"""The codes of ISO 4217, also of money that is no more: purchases of long ago were paid in it."""


def sense_faults(event_type: str, data: dict[str, Any]) -> list[Fault]:
    """
    What the data can't mean, though every field of it is as the contract has it.

    Refused at the door only: who reads what was let in before need not mind.
    """
    rule = _RULES.get(event_type)
    fault = rule(data) if rule else None
    return [fault] if fault else []


def _merged(data: dict[str, Any]) -> Fault | None:
    if data.get("into") != data.get("contact_id"):
        return None
    return Fault("/data/into", "must be another contact than the one that is merged")


def _within(name: str) -> Rule:
    def rule(data: dict[str, Any]) -> Fault | None:
        value, most = data.get(name), data.get("out_of")
        if not isinstance(value, int | float) or not isinstance(most, int | float) or 0 <= value <= most:
            return None
        return Fault(f"/data/{name}", "must be from 0 to out_of")

    return rule


def _zoned(data: dict[str, Any]) -> Fault | None:
    zone = data.get("timezone")
    if not isinstance(zone, str) or _is_zone(zone):
        return None
    return Fault("/data/timezone", "must be a time zone of the IANA database, such as Europe/Berlin")


def _paid(data: dict[str, Any]) -> Fault | None:
    if data.get("currency") in _CURRENCIES:
        return None
    return Fault("/data/currency", "must be a currency of ISO 4217, such as EUR")


@lru_cache(maxsize=1024)
def _is_zone(name: str) -> bool:
    try:
        ZoneInfo(name)
    except (OSError, ValueError, KeyError):
        return False
    return True


_RULES: Final[dict[str, Rule]] = {
    "contact.merged": _merged,
    "customer.updated": _zoned,
    "purchase.made": _paid,
    "quality.reviewed": _within("score"),
    "review.posted": _within("rating"),
}
