"""Instants as people say them."""

from datetime import datetime
from zoneinfo import ZoneInfo

from babel import Locale
from babel.dates import format_date, format_datetime, format_time, get_datetime_format


def spoken(instant: datetime, zone: ZoneInfo, locale: Locale | str) -> str:
    """Day, minute and zone, as a reader of that language writes them: `March 2, 2026, 11:00 AM EST`."""
    pattern = str(get_datetime_format("long", locale=locale)).replace("'", "")
    day = format_date(instant.astimezone(zone), "long", locale=locale)
    said = pattern.format(format_time(instant, "short", tzinfo=zone, locale=locale), day)
    named = format_datetime(instant, "z", tzinfo=zone, locale=locale)
    return f"{said} {named if named.isalpha() else format_datetime(instant, 'ZZZZ', tzinfo=zone, locale=locale)}"
