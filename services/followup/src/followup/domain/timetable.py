"""When a step falls due, and when a customer may be disturbed: in the customer's own zone, holidays and all."""

from __future__ import annotations

import hashlib
from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import holidays
from babel.core import get_global
from rapport.business_time import Calendar
from rapport.contracts import cut_to_milliseconds

from followup.domain.plays import WEEKDAYS, Plays, Region, Step
from followup.domain.state import CustomerState

_ONE_DAY = timedelta(days=1)
_MOST_QUIET_DAYS = 60
_YEARS_AHEAD = 3


def zone_of(customer: CustomerState, plays: Plays) -> ZoneInfo:
    """The customer's own zone, else that of the customer's region, else the file's."""
    region = plays.regions.get(customer.text("region") or "")
    return _known_zone(customer.text("timezone")) or ZoneInfo(region.timezone if region else plays.timezone)


def due_at(step: Step, trigger: datetime, customer: CustomerState, plays: Plays) -> datetime:
    """When a step is due: so long after its trigger, then moved on to the next such local time."""
    zone = zone_of(customer, plays)
    if step.after.business:
        calendar = _calendar(_region_of(customer, plays, zone).model_dump_json(), zone.key, trigger.year)
        count = step.after.business
        due = calendar.add_days(trigger, count) if step.after.unit == "day" else calendar.add(trigger, count * 3600)
    else:
        due = trigger + step.after.span
    return cut_to_milliseconds(_next_at(due, step.at, zone) if step.at is not None else due)


def quiet_until(instant: datetime, customer: CustomerState, plays: Plays) -> tuple[datetime, str] | None:
    """
    The end of the quiet time that an instant lies in, and what makes it quiet; None when it does not.

    The end itself is no longer quiet. Hours, days and holidays that follow each
    other are one quiet time.
    """
    zone = zone_of(customer, plays)
    region = _region_of(customer, plays, zone)
    moment, why = instant, None
    for _ in range(2 * _MOST_QUIET_DAYS):
        found = _quiet_at(moment, zone, plays, region)
        if found is None:
            return (moment, why) if why else None
        moment, why = found[0], why or found[1]
    return moment, why or "quiet_hours"


def let_go_at(name: str, end: datetime, customer: CustomerState, plays: Plays) -> datetime:
    """
    When what a quiet time has put off is let go: somewhere in the first hours after it, by the hash of its name.

    Not everything at nine o'clock sharp; and always the same instant for the same name.
    """
    window = plays.quiet.spread
    if plays.quiet.hours:
        zone = zone_of(customer, plays)
        day = end.astimezone(zone).date()
        closing = _wall(day, plays.quiet.hours.start, zone, after=end)
        closing = closing if closing > end else _wall(day + _ONE_DAY, plays.quiet.hours.start, zone)
        window = min(window, closing - end)
    share = int.from_bytes(hashlib.blake2b(name.encode(), digest_size=4).digest()) / 2**32
    return cut_to_milliseconds(end + window * share)


def _quiet_at(instant: datetime, zone: ZoneInfo, plays: Plays, region: Region) -> tuple[datetime, str] | None:
    local = instant.astimezone(zone)
    midnight = _wall(local.date() + _ONE_DAY, time(), zone, after=instant)
    if WEEKDAYS[local.weekday()] in plays.quiet.days:
        return midnight, "quiet_day"
    if plays.quiet.holidays and local.date() in _public_holidays(region.country, region.subdivision, local.year):
        return midnight, "holiday"
    hours = plays.quiet.hours
    if hours is None:
        return None
    clock = local.time()
    if hours.start < hours.end:
        inside, end_day = hours.start <= clock < hours.end, local.date()
    else:
        inside = clock >= hours.start or clock < hours.end
        end_day = local.date() if clock < hours.end else local.date() + _ONE_DAY
    return (_wall(end_day, hours.end, zone, after=instant), "quiet_hours") if inside else None


def _wall(day: date, clock: time, zone: ZoneInfo, *, after: datetime | None = None) -> datetime:
    """
    The instant at which clocks on the wall show that; the first of two, unless it is not after `after`.

    One that does not exist means what the offset before the gap gives (RFC 5545 §3.3.5).
    """
    local = datetime.combine(day, clock, tzinfo=zone)
    first = local.astimezone(UTC)
    return local.replace(fold=1).astimezone(UTC) if after is not None and first <= after else first


def _next_at(instant: datetime, clock: time, zone: ZoneInfo) -> datetime:
    day = instant.astimezone(zone).date()
    today = _wall(day, clock, zone)
    return today if today >= instant else _wall(day + _ONE_DAY, clock, zone)


def _region_of(customer: CustomerState, plays: Plays, zone: ZoneInfo) -> Region:
    """What the file says of the customer's region; without it, office hours and the holidays of the zone's country."""
    region = plays.regions.get(customer.text("region") or "")
    if region is None:
        return _usual_region(zone.key)
    country = region.country or _country(region.timezone) or _country(zone.key)
    return region.model_copy(update={"country": country})


@lru_cache(maxsize=700)
def _usual_region(zone: str) -> Region:
    return Region(timezone=zone, country=_country(zone))


def _known_zone(name: str | None) -> ZoneInfo | None:
    if not name:
        return None
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return None


def _country(zone: str) -> str | None:
    """The country of a zone, also by a name that it had before, such as US/Eastern."""
    known = get_global("zone_territories")
    territory: str | None = known.get(zone) or known.get(get_global("zone_aliases").get(zone, ""))
    return territory


@lru_cache(maxsize=1)
def _supported() -> frozenset[str]:
    return frozenset(holidays.list_supported_countries())


@lru_cache(maxsize=500)
def _public_holidays(country: str | None, subdivision: str | None, year: int) -> frozenset[date]:
    if country not in _supported():
        return frozenset()
    known = holidays.list_supported_countries().get(country, [])
    part = subdivision if subdivision in known else None
    return frozenset(holidays.country_holidays(country, subdiv=part, years=year))


@lru_cache(maxsize=100)
def _calendar(region_json: str, zone: str, year: int) -> Calendar:
    region = Region.model_validate_json(region_json)
    years = range(year, year + _YEARS_AHEAD)
    free = [day for one in years for day in _public_holidays(region.country, region.subdivision, one)]
    return Calendar(zone, region.week, free)
